"""Figure 1A-B: Kaplan-Meier curves of the time to defervescence, and their comparison."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from app.cohorts.analysis.answers import Exclusion, FeverCurve, FeverCurves, TestResult, TimeZero
from app.cohorts.analysis.division import Division
from app.cohorts.analysis.selection import Question
from app.cohorts.variables import EXCLUDED, EXCLUDED_IN_WORDS
from app.statistics.hazard_ratio import hazard_ratio
from app.statistics.kaplan_meier import kaplan_meier
from app.statistics.log_rank import Comparison, log_rank
from app.statistics.restricted_mean import restricted_mean
from app.statistics.survival import LifeTable, SurvivalTally
from app.statistics.survival_models import RestrictedMean
from app.statistics.tally import Tally

_EXCLUDED: Final = {"admission": "defervescence.excluded", "anakinra_start": "defervescence.anakinra_start.excluded"}
# Reasons that are knowledge: of these patients it is known that there was no fever to follow. The others lack data.
NOT_MISSING: Final = ("never_febrile", "afebrile_at_time_zero")


@dataclass(frozen=True, slots=True)
class Clock:
    """One way to measure the time to defervescence, and the names of its variables."""

    time_zero: TimeZero
    sustained: bool = False

    @property
    def name(self) -> str:
        """The stem of the variables' names."""
        return f"defervescence{'_sustained' if self.sustained else ''}.{self.time_zero}"

    @property
    def excluded(self) -> str:
        """The variable that says why a patient is not on the curve."""
        return _EXCLUDED[self.time_zero]

    @property
    def variables(self) -> tuple[str, ...]:
        """What has to be read."""
        return f"{self.name}.event", f"{self.name}.censored", self.excluded


@dataclass(frozen=True, slots=True)
class Followed:
    """One group's times, and who is not among them."""

    group: str
    n: int
    times: SurvivalTally
    table: LifeTable
    excluded: Tally


def follow(division: Division, clock: Clock) -> tuple[Followed, ...]:
    """Collect the times of each group."""
    here = division.applying(f"{clock.name}.event")
    events, censored, excluded = (here.split(name).groups for name in clock.variables)
    return tuple(
        Followed(group, n, SurvivalTally(event, left), LifeTable.of(SurvivalTally(event, left)), out)
        for group, n, event, left, out in zip(here.groups, here.sizes, events, censored, excluded, strict=True)
    )


def fever_curves(division: Division, clock: Clock, question: Question, left_out: Collection[str] = ()) -> FeverCurves:
    """Estimate and compare the groups' curves.

    Groups without anybody on the curve, and those `left_out`, take no part in the comparison.
    """
    followed = follow(division, clock)
    heads = division.applying(f"{clock.name}.event").heads
    in_tests = {head.group for head in heads if head.in_tests}.difference(left_out)
    tested = [f for f in followed if f.group in in_tests and f.table.n]
    pairs = [(f.group, f.table) for f in tested]
    comparable = len(pairs) > 1
    main = log_rank(pairs, "log_rank") if comparable else None
    horizon = min((f.table.last_time or 0.0 for f in tested), default=0.0) or None
    expected = dict(zip(main.labels, main.expected, strict=True)) if main else {}
    return FeverCurves(
        time_zero=clock.time_zero,
        sustained=clock.sustained,
        by=division.axis.name,
        n=sum(f.table.n for f in followed),
        groups=heads,
        curves=tuple(_curve(f, question, horizon, expected.get(f.group)) for f in followed),
        log_rank=None if main is None else _result(main),
        gehan_breslow=_result(log_rank(pairs, "gehan_breslow")) if comparable else None,
        hazard_ratio=hazard_ratio(pairs, confidence=question.confidence) if len(pairs) == 2 else None,  # noqa: PLR2004
        restricted_mean_horizon_hours=horizon,
    )


def _curve(followed: Followed, question: Question, horizon: float | None, expected: float | None) -> FeverCurve:
    found = kaplan_meier(followed.table, question.confidence, question.interval)
    reasons = without_curve(followed.excluded)
    excluded = tuple(reason for reason in reasons if reason.reason in NOT_MISSING)
    n, n_excluded = followed.table.n, sum(reason.n for reason in excluded)
    return FeverCurve(
        group=followed.group,
        n=n,
        n_excluded=n_excluded,
        excluded=excluded,
        n_missing=max(followed.n - n - n_excluded, 0),
        missing=tuple(reason for reason in reasons if reason not in excluded),
        events=followed.table.n_events,
        expected=expected,
        median=found.median,
        restricted_mean=_restricted(followed.table, horizon, question.confidence),
        curve=tuple(found.points()),
    )


def _restricted(table: LifeTable, horizon: float | None, confidence: float) -> RestrictedMean:
    if horizon is None or not table.n:
        reason = "There are no patients." if not table.n else "Nobody was followed beyond time zero."
        return RestrictedMean(estimate=None, standard_error=None, low=None, high=None, reason=reason)
    return restricted_mean(table, horizon, confidence)


def without_curve(excluded: Tally) -> tuple[Exclusion, ...]:
    """Say why patients are not on a curve, for want of fever or of data, and how many for each reason."""
    counts = dict(zip(excluded.values.tolist(), excluded.counts.tolist(), strict=True))
    return tuple(
        Exclusion(reason=reason, label=EXCLUDED_IN_WORDS[reason], n=counts[code])
        for reason, code in EXCLUDED.items()
        if counts.get(code)
    )


def known_without_curve(excluded: Tally) -> int:
    """Count the patients of whom it is known that there was no fever to follow."""
    return sum(reason.n for reason in without_curve(excluded) if reason.reason in NOT_MISSING)


def _result(found: Comparison) -> TestResult:
    return TestResult(
        method=found.method,
        exact=found.exact,
        statistic=found.statistic,
        degrees_of_freedom=found.degrees_of_freedom,
        p_value=found.p_value,
        reason=found.reason,
    )


def clocks(question: Question) -> Sequence[Clock]:
    """Return the ways to measure that a question asks for."""
    zeros: tuple[TimeZero, ...] = (question.time_zero,) if question.time_zero else ("admission", "anakinra_start")
    return [
        Clock(zero, sustained) for sustained in ((False, True) if question.sustained else (False,)) for zero in zeros
    ]
