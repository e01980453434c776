"""Judge rows in columns, by groups of one term and unit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.clinical.ctcae.believe import Numbers, believe, contradicted
from app.clinical.ctcae.bulk.belief import Belief
from app.clinical.ctcae.bulk.scale import Rows as ScaleRows
from app.clinical.ctcae.bulk.scale import ScaleInColumns
from app.clinical.ctcae.bulk.truth import DECIDED, GRADE, UNKNOWN, Bits, Facts, Floats, Mask, Places, Rows
from app.clinical.ctcae.conditions import LOWER, NUMBERS, VALUE
from app.clinical.ctcae.laboratory_terms import Placement
from app.clinical.ctcae.scales import NOTHING, Judged
from app.clinical.refusal import InputError, RefusedInputError
from app.clinical.warning import Caution

NOT_JUDGED: Final = -1
_VALUE_AT: Final = NUMBERS.index(VALUE)
_LOWER_AT: Final = NUMBERS.index(LOWER)


class Columns(NamedTuple):
    """Rows as columns. Numbers are NaN where unknown, in the order of `NUMBERS`; None is a column of unknowns.

    `place` is each row's position in `placements`; a row at -1 is not judged.
    """

    place: NDArray[np.int32]
    placements: Sequence[Placement]
    numbers: Sequence[Floats | None]
    facts: Mapping[str, Facts]


Memory = dict[tuple[object, ...], Judged]


class Judgements(NamedTuple):
    """What was judged, row by row; `refused` and `cautions` hold only the rows that have any.

    `whole` holds judgements with all that is missing, for undecided rows: where a memory was given for all of them,
    else for those in a gap of the printed ranges.
    """

    possible: Bits
    band: Places
    assumption: Places
    unusual: Mask
    refused: dict[int, tuple[InputError, ...]]
    cautions: dict[int, tuple[Caution, ...]]
    whole: dict[int, Judged]

    @property
    def grade(self) -> NDArray[np.int8]:
        """Return each row's grade, -1 where there is none."""
        found: NDArray[np.int8] = GRADE[self.possible]
        return found

    def judged(self, row: int) -> Judged:
        """Return a row's judgement as a single record has it."""
        known = self.whole.get(row)
        if known is not None:
            return known
        return Judged(int(self.possible[row]), int(self.band[row]), NOTHING, int(self.assumption[row]))


def judge_columns(columns: Columns, *, override: bool = False, memory: Memory | None = None) -> Judgements:
    """Judge every row that has a placement, by groups of one placement each.

    With a `memory` (empty at first, then kept between calls) all undecided rows are judged with all that is missing.
    """
    size = len(columns.place)
    result = Judgements(
        np.zeros(size, np.uint8),
        np.full(size, NOTHING, np.int16),
        np.full(size, NOTHING, np.int16),
        np.zeros(size, np.bool_),
        {},
        {},
        {},
    )
    with np.errstate(all="ignore"):  # a number too large overflows on its way to being refused
        for place, rows in _groups(columns.place):
            group = _Group(columns, columns.placements[place], rows)
            group.judge_into(result, override=override, memory=memory)
    return result


def _groups(place: NDArray[np.int32]) -> Iterator[tuple[int, Rows]]:
    """Yield each placement with its rows, in order."""
    small = place.astype(np.int16) if len(place) and place.max() <= np.iinfo(np.int16).max else place
    order = np.argsort(small, kind="stable")
    found = place[order]
    beyond = NOT_JUDGED - 1  # lies at both ends, so that the first row and the last are edges too
    edges = np.flatnonzero(np.diff(found, prepend=beyond, append=beyond))
    for start, end in pairwise(edges):
        if found[start] >= 0:
            yield int(found[start]), order[start:end]


class _Group:
    """The rows of one term and unit."""

    def __init__(self, columns: Columns, placement: Placement, rows: Rows) -> None:
        self.placement = placement
        self.rows = rows
        self.facts = {name: column[rows] for name, column in columns.facts.items()}
        self.sent: list[Floats | None] = [_known(None if c is None else c[rows]) for c in columns.numbers]
        self.sent[_LOWER_AT] = _known(_without_zeros(self.sent[_LOWER_AT]))

    def judge_into(self, result: Judgements, *, override: bool, memory: Memory | None) -> None:
        """Judge the rows and write what was found; without a value anything that the scale reaches is possible."""
        value = self.sent[_VALUE_AT]
        if value is None:
            result.possible[self.rows] = self.placement.scale.reachable
            return
        there = ~np.isnan(value)
        if not there.all():
            result.possible[self.rows[~there]] = self.placement.scale.reachable
            value = self._narrow(value, there)
        self._judge(value, result, override=override, memory=memory)

    def _judge(self, value: Floats, result: Judgements, *, override: bool, memory: Memory | None) -> None:
        ordinary, unusual = Belief(self.placement, value, self.sent[1:]).judge()
        scale = ScaleInColumns(
            self.placement.scale, ScaleRows(self._placed(), self.facts, len(value), self.placement.ties)
        )
        possible, band, assumption = scale.judge()
        # Few rows contradict themselves or need a word beside a fact: each gets its warning as a single record does.
        ordinary &= ~(scale.contradicted() | scale.cautioned(possible))
        # Numbers as sent are compared at 15 digits here too; converted ones may differ in a digit from exact ones.
        certain = ordinary & ~scale.near if self.placement.is_converted else ordinary
        rows = self.rows if certain.all() else self.rows[certain]
        keep = slice(None) if certain.all() else certain
        result.possible[rows], result.band[rows] = possible[keep], band[keep]
        result.assumption[rows], result.unusual[rows] = assumption[keep], unusual[keep]
        for position in np.flatnonzero(~certain):
            self._one(int(position), result, override=override)
        wanted = certain & ~DECIDED[possible]
        self._remember(scale, np.flatnonzero(wanted if memory is not None else wanted & scale.gaps), result, memory)

    def _remember(self, scale: ScaleInColumns, positions: Rows, result: Judgements, memory: Memory | None) -> None:
        """Judge undecided rows in full: once for each pattern of what holds, what may hold and what is missing."""
        memory = {} if memory is None else memory
        for position, pattern in zip(positions.tolist(), scale.patterns(positions), strict=True):
            key = (self.placement.scale, scale.signature, *pattern)
            known = memory.get(key)
            if known is None:
                known = memory[key] = self._judged(position, self._numbers(position))
            result.whole[int(self.rows[position])] = known

    def _narrow(self, value: Floats, there: Mask) -> Floats:
        self.rows = self.rows[there]
        self.facts = {name: column[there] for name, column in self.facts.items()}
        self.sent = [None if c is None else c[there] for c in self.sent]
        return value[there]

    def _placed(self) -> list[Floats | None]:
        if not self.placement.is_converted:
            return self.sent
        multiply, divide = float(self.placement.multiply), float(self.placement.divide)
        return [None if c is None else c * multiply / divide for c in self.sent]

    def _one(self, position: int, result: Judgements, *, override: bool) -> None:
        """Judge one row as a single record is judged."""
        row, numbers = int(self.rows[position]), self._numbers(position)
        try:
            cautions = believe(self.placement, numbers, override=override)
            cautions += contradicted(self.placement, numbers, self._stated(position))
        except RefusedInputError as refusal:
            result.refused[row] = refusal.errors
            return
        judged = result.whole[row] = self._judged(position, numbers)
        cautions += self.placement.scale.cautions_of(judged.possible, self._stated(position))
        if cautions:
            result.cautions[row] = cautions
        result.possible[row], result.band[row], result.assumption[row] = judged.possible, judged.band, judged.assumption

    def _numbers(self, position: int) -> Numbers:
        return Numbers(*(None if c is None or np.isnan(c[position]) else float(c[position]) for c in self.sent))

    def _judged(self, position: int, numbers: Numbers) -> Judged:
        return self.placement.scale.judge(tuple(map(self.placement.place, numbers)), self._stated(position))

    def _stated(self, position: int) -> dict[str, bool]:
        return {n: bool(c[position]) for n, c in self.facts.items() if c[position] != UNKNOWN}


def _without_zeros(column: Floats | None) -> Floats | None:
    """`believe.known_lower`, in columns."""
    return None if column is None else np.where(column == 0, np.nan, column)


def _known(column: Floats | None) -> Floats | None:
    """Return a column, or None when every row of it is unknown."""
    return None if column is None or np.isnan(column).all() else column
