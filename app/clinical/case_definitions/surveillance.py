"""Which surveillance classes the known evidence leaves possible (CSTE/CDC 2023)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product
from typing import Final, Literal, NamedTuple

from app.clinical.evidence import MET, NOT_MET, Truth

CaseClass = Literal["confirmed", "probable", "suspect", "not_a_case"]
CASE_CLASSES: Final[tuple[CaseClass, ...]] = ("confirmed", "probable", "suspect", "not_a_case")


class Evidence(NamedTuple):
    """What decides the class. `clinical` is without severity: that and the vital records both turn on `died`."""

    age: Truth
    clinical: Truth
    laboratory: Truth
    linkage: Truth
    hospitalized: bool | None
    died: bool | None
    certificate: bool | None


# At most a few thousand patterns of seven truths, none of which says anything of a patient.
@cache
def possible_classes(evidence: Evidence) -> tuple[CaseClass, ...]:
    """Return the classes that some completion of the evidence gives, the most certain first."""
    found = {_class_of(*complete) for complete in product(*(_completions(e) for e in evidence)) if _can_be(*complete)}
    return tuple(c for c in CASE_CLASSES if c in found)


def _completions(value: Truth | bool | None) -> Iterator[bool]:  # noqa: FBT001 - a fact
    if value not in {NOT_MET, False}:
        yield True
    if value not in {MET, True}:
        yield False


def _can_be(*complete: bool) -> bool:
    """Say whether facts go together: only the dead have a death certificate."""
    *_, died, certificate = complete
    return died or not certificate


def _class_of(*complete: bool) -> CaseClass:
    age, clinical, laboratory, linkage, hospitalized, died, certificate = complete
    ill = clinical and (hospitalized or died)
    if not age:
        return "not_a_case"
    if ill and laboratory:
        return "confirmed"
    if ill and linkage:
        return "probable"
    return "suspect" if certificate else "not_a_case"
