"""The shape of a Finding without its values: all that the search for missing inputs needs, nothing of a patient.

Patterns are made once and compared by identity, so that a combination can remember what it answered for a pattern of
its parts. Of a known part only its truth matters: there are two such patterns, shared by all.
"""

from __future__ import annotations

from typing import Final, Literal

from app.clinical.rulebook.model import Operator

Truth = Literal["met", "not_met", "unknown"]
MET: Final = "met"
NOT_MET: Final = "not_met"
UNKNOWN: Final = "unknown"

Combine = Literal["all", "any", "at_least", "not", "first_known", "if_met"]


class Pattern:
    """A known truth, an unknown criterion with the inputs it lacks, or an unknown combination of Patterns."""

    __slots__ = ("at_least", "bound", "combine", "inputs", "missing", "of", "status", "subject")

    def __init__(  # noqa: PLR0913 - one description
        self,
        status: Truth,
        *,
        inputs: tuple[str, ...] = (),
        subject: str = "",
        bound: tuple[Operator, float, str] | None = None,
        combine: Combine | None = None,
        at_least: int = 0,
        of: tuple[Pattern, ...] = (),
    ) -> None:
        self.status = status
        self.inputs = inputs
        self.subject = subject
        self.bound = bound
        self.combine = combine
        self.at_least = at_least
        self.of = of
        # Of a criterion, what it lacks; of a combination, the fewest that could decide it (written by its maker).
        self.missing = inputs


KNOWN: Final[dict[Truth, Pattern]] = {MET: Pattern(MET), NOT_MET: Pattern(NOT_MET)}
