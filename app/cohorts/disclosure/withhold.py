"""Numbers of an analysis as a disclosure policy lets them be told: null with the reason, rounded, or as they are.

Each function takes a part of an answer as it was computed and returns it as it is shown.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from app.cohorts.analysis.answers import (
    Disclosure,
    GradeCell,
    GroupCell,
    GroupHead,
    Hidden,
    MissingCell,
    PairedGroup,
    Reason,
    Summary,
    TestResult,
)
from app.cohorts.analysis.division import Division
from app.cohorts.disclosure.release import Releases
from app.statistics.disclosure import Flags
from app.statistics.disclosure_policy import Policy

NOTHING: Final = Summary()
_THOUSANDS: Final = 1000
_LEFT_OUT: Final = "The p-value is rounded up to thousandths; groups that are withheld take no part."
_NO_TEST: Final = "Withheld: it would tell more than the rounded numbers beside it."
_HIDDEN_TEST: Final = "Withheld: numbers that it is made from are."


@dataclass(frozen=True, slots=True)
class Teller:
    """Says what may be told of chosen strata, given as flags."""

    releases: Releases

    @property
    def policy(self) -> Policy:
        """The policy that says how numbers are written."""
        return self.releases.policy

    @property
    def told(self) -> Disclosure:
        """The policy as an answer names it."""
        policy = self.policy
        return Disclosure(
            profile=policy.name,
            threshold=policy.threshold,
            zero_shown=policy.zero_shown,
            rounded_to=policy.rounded_to,
        )

    def hidden(self, reason: Reason) -> Hidden:
        """Say why something is null."""
        return Hidden(reason=reason, profile=self.policy.name)

    def count(self, n: int, chosen: Flags) -> int | None:
        """Return how many patients chosen strata hold."""
        return self.policy.rounded(n) if self.releases.sized(chosen) else None

    def head(self, head: GroupHead, n: int, chosen: Flags) -> GroupHead:
        """Return a group; one whose size is withheld takes no part in tests."""
        found = self.count(n, chosen)
        if found is None:
            return head.model_copy(update={"n": None, "in_tests": False, "hidden": self.hidden("small_numbers")})
        return head.model_copy(update={"n": found})

    def cell(self, name: str, cell: GroupCell, chosen: Flags) -> GroupCell:
        """Return a variable in a group: all of it, what can be told without what is missing, or nothing."""
        if cell.n is None or cell.n_missing is None:
            return cell
        much = self.releases.shown(name, chosen)
        n = self.count(cell.n, chosen)
        if much == "whole" and n is not None:
            return self._whole(cell, cell.n, cell.n_missing)
        bare = GroupCell(group=cell.group, n=n, n_missing=None, hidden=self.hidden("small_numbers"))
        if much == "part" and cell.count is not None:
            return bare.model_copy(update={"count": self.policy.rounded(cell.count)})
        if much == "part":
            return bare.model_copy(update={"median": cell.median, "q1": cell.q1, "q3": cell.q3})
        return bare

    def _whole(self, cell: GroupCell, n: int, n_missing: int) -> GroupCell:
        if self.policy.rounded_to == 1:
            return cell
        known, found = self.policy.rounded(n - n_missing), {"n": n, "n_missing": n_missing, "count": cell.count}
        update: dict[str, float | None] = {
            name: None if number is None else self.policy.rounded(number) for name, number in found.items()
        }
        update["percent"] = _percent(update["count"], known)
        return cell.model_copy(update=update)

    def missing(self, name: str, cell: MissingCell, chosen: Flags) -> MissingCell:
        """Return how often a variable is not known in a group."""
        return self.missing_when(cell, chosen, whole=self.releases.shown(name, chosen) == "whole")

    def missing_when(
        self, cell: MissingCell, chosen: Flags, *, whole: bool, why: Reason = "small_numbers"
    ) -> MissingCell:
        """Return how often something is not known, if all of it may be told."""
        n = None if cell.n is None else self.count(cell.n, chosen)
        if n is None or cell.n_missing is None or not whole:
            return MissingCell(group=cell.group, n=n, n_missing=None, percent=None, hidden=self.hidden(why))
        found = self.policy.rounded(cell.n_missing)
        percent = cell.percent if self.policy.rounded_to == 1 else _percent(found, n)
        return MissingCell(group=cell.group, n=n, n_missing=found, percent=percent)

    def grades(self, name: str, cell: GradeCell, chosen: Flags) -> GradeCell:
        """Return an event by grade in a group."""
        n = None if cell.n is None else self.count(cell.n, chosen)
        if n is None or cell.n_missing is None or self.releases.shown(name, chosen) != "whole":
            nothing = (None,) * len(cell.counts)
            hidden = self.hidden("small_numbers")
            return GradeCell(group=cell.group, n=n, n_missing=None, counts=nothing, hidden=hidden)
        counts = tuple(None if found is None else self.policy.rounded(found) for found in cell.counts)
        return GradeCell(group=cell.group, n=n, n_missing=self.policy.rounded(cell.n_missing), counts=counts)

    def pairs(self, heart: str, group: PairedGroup, chosen: Flags) -> PairedGroup:
        """Return a measurement of the heart in a group: never the pairs themselves, each of which is a patient."""
        n = None if group.n is None else self.count(group.n, chosen)
        whole = n is not None and self.releases.shown(f"{heart}.first", chosen) == "whole"
        update: dict[str, Any]
        if not whole or group.n_first is None or group.n_pairs is None:
            update = dict.fromkeys(("first", "follow_up", "paired_first", "difference"), NOTHING)
            update |= {"n": n, "n_first": None, "n_pairs": None, "pairs": ()}
            update |= {"test": self.test(group.test, seen=False), "hidden": self.hidden("small_numbers")}
            return group.model_copy(update=update)
        update = {"n": n, "n_first": self.policy.rounded(group.n_first), "n_pairs": self.policy.rounded(group.n_pairs)}
        update |= {"pairs": (), "test": self.ranked(group.test), "hidden": self.hidden("not_released")}
        return group.model_copy(update=update)

    def test(self, test: TestResult, *, seen: bool) -> TestResult:
        """Return a test of numbers that are all shown (`seen`): a reader could make it from them."""
        if seen and (self.policy.tests_shown or test.p_value is None):
            return test
        reason = _NO_TEST if seen else _HIDDEN_TEST
        return TestResult(method=test.method, exact=test.exact, reason=reason, hidden=self.hidden("derived"))

    def ranked(self, test: TestResult) -> TestResult:
        """Return a test of values that are not shown: its p in thousandths, and no statistic."""
        if test.p_value is None or not self.policy.tests_shown:
            return self.test(test, seen=True)
        update = {
            "statistic": None,
            "p_value": math.ceil(test.p_value * _THOUSANDS) / _THOUSANDS,
            "reason": " ".join(filter(None, (test.reason, _LEFT_OUT))),
            "hidden": self.hidden("derived"),
        }
        return test.model_copy(update=update)


def sized(division: Division, teller: Teller | None) -> dict[str, Any]:
    """Return `n`, `groups` and `hidden` of a section: how many patients are in it and in its groups."""
    if teller is None:
        return {"n": division.n, "groups": division.heads}
    *each, everybody = division.chosen
    heads = tuple(
        teller.head(head, n, chosen) for head, n, chosen in zip(division.heads, division.sizes, each, strict=True)
    )
    n = teller.count(division.n, everybody)
    return {"n": n, "groups": heads, "hidden": teller.hidden("small_numbers") if n is None else None}


def _percent(count: float | None, of: int) -> float | None:
    return None if count is None or not of else min(100.0, 100 * count / of)
