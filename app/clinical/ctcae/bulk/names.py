"""Turn columns of term and unit names into placements: each pair of names is looked up once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.clinical.ctcae.bulk.columns import NOT_JUDGED
from app.clinical.ctcae.grading import Grader
from app.clinical.ctcae.laboratory_terms import LaboratoryTerm, Placement
from app.clinical.ctcae.terms import Version
from app.clinical.refusal import InputError, RefusedInputError
from app.clinical.warning import Caution

Codes = NDArray[np.int32]
_FIELD_MISSING: Final = InputError("/term", "field_missing", "term is required in every row.")
_NOT_IN_COLUMNS: Final = InputError(
    "/term", "term_not_in_columns", "Columns grade laboratory terms; send this one as a record."
)


class _Numbering(dict[Any, int]):
    """Numbers names in the order in which they are first asked for."""

    def __missing__(self, name: Any) -> int:  # noqa: ANN401 - any name
        number = self[name] = len(self)
        return number


class Kind(NamedTuple):
    """What one pair of names stands for: a placement, a term that lacks a unit, or a refusal."""

    term: LaboratoryTerm | None = None
    placement: Placement | None = None
    caution: Caution | None = None
    errors: tuple[InputError, ...] = ()


class Placed(NamedTuple):
    """Each row's placement (or -1), each row's kind, and the kinds."""

    place: Codes
    kind: Codes
    placements: Sequence[Placement]
    kinds: Sequence[Kind]


class Named(NamedTuple):
    """A column of names by number."""

    codes: Codes
    names: Sequence[str | None]


def numbered(names: Iterable[str | None]) -> Named:
    """Give every distinct name of a column a number."""
    found = _Numbering()
    codes = list(map(found.__getitem__, names))
    # Most columns hold few distinct names, whose numbers fit in a byte each: that is the quickest way into an array.
    few = len(found) <= np.iinfo(np.uint8).max
    packed = np.frombuffer(bytes(codes), np.uint8).astype(np.int32) if few else np.array(codes, np.int32)
    return Named(packed, list(found))


def place_names(grader: Grader, version: Version, terms: Named, units: Named) -> Placed:
    """Look every pair of a term and a unit up; what is unknown is a refusal of its rows and of no others."""
    width = len(units.names)
    kind_of_pair, kind = _distinct(terms.codes.astype(np.int64) * width + units.codes, len(terms.names) * width)
    lookup = _Lookup(grader, version)
    kinds = [lookup(terms.names[p // width], units.names[p % width]) for p in kind_of_pair]
    placements = [k.placement for k in kinds if k.placement is not None]
    numbers = iter(range(len(placements)))
    of_kind = np.array([NOT_JUDGED if k.placement is None else next(numbers) for k in kinds], np.int32)
    return Placed(of_kind[kind], kind, placements, kinds)


def _distinct(pair: NDArray[np.int64], most: int) -> tuple[list[int], Codes]:
    """Return the distinct pairs in order, and each row's position among them."""
    if most > max(len(pair), 1) * 2:
        found, kind = np.unique(pair, return_inverse=True)
        return found.tolist(), kind.astype(np.int32)
    table = np.zeros(most, np.int32)
    table[pair] = 1
    found = np.flatnonzero(table)
    table[found] = np.arange(len(found), dtype=np.int32)
    return found.tolist(), table[pair]


class _Lookup:
    """Looks pairs up. Names alike are searched for the first unknown term only: it takes milliseconds each."""

    def __init__(self, grader: Grader, version: Version) -> None:
        self._grader = grader
        self._version = version
        self._searched = False

    def __call__(self, term: str | None, unit: str | None) -> Kind:
        if term is None:
            return Kind(errors=(_FIELD_MISSING,))
        try:
            found = self._version.find(term, suggest=not self._searched)
        except RefusedInputError as refusal:
            self._searched = True
            return Kind(errors=refusal.errors)
        if not isinstance(found.meant, LaboratoryTerm):
            return Kind(errors=(_NOT_IN_COLUMNS,))
        try:
            placement = self._grader.placement(found.meant, unit, None)
        except RefusedInputError as refusal:
            return Kind(errors=refusal.errors)
        return Kind(found.meant, placement, found.caution)
