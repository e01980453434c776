"""The shape of a Finding without its values: all that the search for missing inputs needs, nothing of a patient.

Patterns are made once and compared by identity, so that a combination can remember what it answered for a pattern of
its parts. Of a known part only its truth matters: there are two such patterns, shared by all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from app.clinical.rulebook.model import Operator

Truth = Literal["met", "not_met", "unknown"]
MET: Final = "met"
NOT_MET: Final = "not_met"
UNKNOWN: Final = "unknown"

Combine = Literal["all", "any", "at_least", "not", "first_known", "if_met"]
Bound = tuple[Operator, float, str]
Names = tuple[str, ...]


class Pattern:
    """A known truth, an unknown criterion with the inputs it lacks, or an unknown combination of Patterns.

    `uses` counts how often the leaves of an unknown use each input. `met` and `not_met` are the fewest inputs by which
    it could come out so (None: by none), `missing` the fewer of the two. `app.clinical.missing` works them out.
    """

    __slots__ = ("at_least", "bound", "combine", "met", "missing", "not_met", "of", "status", "subject", "uses")

    def __init__(
        self, status: Truth, uses: Mapping[str, int], *, met: Names | None = None, not_met: Names | None = None
    ) -> None:
        self.status = status
        self.uses = uses
        self.met = met
        self.not_met = not_met
        self.missing: Names = ()
        self.subject = ""
        self.bound: Bound | None = None
        self.combine: Combine | None = None
        self.at_least = 0
        self.of: tuple[Pattern, ...] = ()


def lacking(inputs: Names, subject: str, bound: Bound | None = None) -> Pattern:
    """Make the pattern of an unknown criterion; with a bound, what is asked of its input can be compared."""
    pattern = Pattern(UNKNOWN, dict.fromkeys(inputs, 1), met=inputs, not_met=inputs)
    pattern.subject = subject
    pattern.bound = bound
    pattern.missing = inputs
    return pattern


def combined(combine: Combine | None, at_least: int, of: tuple[Pattern, ...]) -> Pattern:
    """Make the pattern of an unknown combination; the fewest inputs are still to be worked out."""
    uses: dict[str, int] = {}
    for part in of:
        for name, count in part.uses.items():
            uses[name] = uses.get(name, 0) + count
    pattern = Pattern(UNKNOWN, uses)
    pattern.combine = combine
    pattern.at_least = at_least
    pattern.of = of
    return pattern


KNOWN: Final[dict[Truth, Pattern]] = {MET: Pattern(MET, {}, met=()), NOT_MET: Pattern(NOT_MET, {}, not_met=())}
