"""Letters for the methods of a table's tests: the same method, the same letter."""

from __future__ import annotations

from string import ascii_lowercase
from typing import Final

from app.cohorts.analysis.answers import TestResult
from app.cohorts.figures.numbers import method_of, p_value
from app.cohorts.report.view import Footnote, Marked

ABSENT: Final = "\N{EN DASH}"
_SAYS: Final = ("exact", "asymptotic", "approximation", "chi-square distribution")


class Footnotes:
    """Gives letters in order of first use."""

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}

    def of(self, test: TestResult | None, *, adjusted: bool = False) -> Marked:
        """Return a test's p with the letter of its method; without a p, a dash with the letter of the reason."""
        if test is None:
            return Marked(ABSENT)
        p = test.p_value_adjusted if adjusted else test.p_value
        if p is None and test.p_value is not None:
            return Marked(ABSENT, self._mark("Not among the tests that are adjusted"))
        if p is None:
            return Marked(ABSENT, self._mark(f"No p-value: {test.reason}" if test.reason else "No p-value"))
        return Marked(p_value(p).removeprefix("p = ").removeprefix("p "), "" if adjusted else self._mark(_told(test)))

    def _mark(self, text: str) -> str:
        number = len(self._marks)
        letter = ascii_lowercase[number % 26] * (number // 26 + 1)
        return self._marks.setdefault(text.rstrip("."), letter)

    @property
    def all(self) -> tuple[Footnote, ...]:
        """Every letter with what it stands for."""
        return tuple(Footnote(mark, f"{text}.") for text, mark in self._marks.items())


def _told(test: TestResult) -> str:
    """Say which method gave a p, whether it is exact, and what else is to know about it."""
    exactness = "" if any(word in test.method for word in _SAYS) else ", exact" if test.exact else ", asymptotic"
    return f"{method_of(test.method)}{exactness}" + (f" ({test.reason.rstrip('.')})" if test.reason else "")
