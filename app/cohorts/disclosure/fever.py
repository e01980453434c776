"""Time to defervescence as a disclosure policy lets it be told: curves in steps of many patients, medians, tests.

Of the clocks one is released, the first defervescence since admission. The others follow the same children, and what
they count differs from it by a few: those who were afebrile when anakinra began, or became febrile again.
"""

from __future__ import annotations

from typing import Final

from app.cohorts.analysis.answers import FeverCurve, FeverCurves, MissingCell
from app.cohorts.analysis.division import Division
from app.cohorts.analysis.fever import Clock, Followed, fever_curves, follow
from app.cohorts.analysis.selection import Question
from app.cohorts.disclosure.curve import coarsened, last_hour
from app.cohorts.disclosure.withhold import Teller, sized
from app.statistics.disclosure import Flags
from app.statistics.disclosure_policy import Policy
from app.statistics.kaplan_meier import kaplan_meier
from app.statistics.survival import LifeTable, SurvivalTally
from app.statistics.survival_models import CurvePoint, RestrictedMean, TimeEstimate
from app.statistics.tally import Tally

RELEASED: Final = Clock("admission")
_WITHHELD: Final = "Withheld: see `hidden`."
_NO_LIMITS: Final = "The limits are withheld: they are times of single patients."
_NO_MEAN: Final = "Withheld: its horizon is the time of a single patient."


def missing_fever(teller: Teller, clock: Clock, cell: MissingCell, chosen: Flags) -> MissingCell:
    """Return how many are not on a curve for want of data."""
    if clock != RELEASED:
        return teller.missing_when(cell, chosen, whole=False, why="not_released")
    return teller.missing_when(cell, chosen, whole=teller.releases.fever(chosen) == "whole")


def told_curves(division: Division, clock: Clock, question: Question, teller: Teller) -> FeverCurves:
    """Return the curves of the groups as they may be told; groups that may not take no part in the tests."""
    here, released = division.applying(f"{clock.name}.event"), clock == RELEASED
    followed = list(zip(follow(division, clock), here.chosen[:-1], strict=True))
    untold = [f.group for f, chosen in followed if not (released and f.n and _is_told(teller, chosen))]
    found = fever_curves(division, clock, question, untold)
    curves = (
        _hidden(f.group, teller, released=released) if f.group in untold else _told(curve, f, chosen, question, teller)
        for curve, (f, chosen) in zip(found.curves, followed, strict=True)
    )
    everybody = released and here.n > 0 and _is_told(teller, here.chosen[-1])
    update = sized(here, teller) | {
        "n": teller.policy.rounded(found.n or 0) if everybody else None,
        "curves": tuple(curves),
        "log_rank": found.log_rank and teller.ranked(found.log_rank),
        "gehan_breslow": found.gehan_breslow and teller.ranked(found.gehan_breslow),
        "hazard_ratio": None,
        "restricted_mean_horizon_hours": None,
        "hidden": teller.hidden("derived" if everybody else "small_numbers" if released else "not_released"),
    }
    return found.model_copy(update=update)


def _is_told(teller: Teller, chosen: Flags) -> bool:
    return teller.releases.sized(chosen) and teller.releases.fever(chosen) != "nothing"


def _hidden(group: str, teller: Teller, *, released: bool) -> FeverCurve:
    return FeverCurve(
        group=group,
        n=None,
        n_excluded=None,
        n_missing=None,
        events=None,
        median=TimeEstimate(estimate=None, low=None, high=None, reason=_WITHHELD),
        restricted_mean=_no_mean(_WITHHELD),
        curve=(),
        hidden=teller.hidden("small_numbers" if released else "not_released"),
    )


def _told(curve: FeverCurve, followed: Followed, chosen: Flags, question: Question, teller: Teller) -> FeverCurve:
    """Return a curve in its steps, with its median; limits and mean rest on single patients' times."""
    cut, rounded = teller.releases.days(chosen), teller.policy.rounded
    whole = teller.releases.fever(chosen) == "whole"
    known = {"n": curve.n, "events": curve.events}
    known |= {"n_excluded": curve.n_excluded, "n_missing": curve.n_missing} if whole else {}
    counts = {name: None if n is None else rounded(n) for name, n in known.items()}
    median = TimeEstimate(estimate=curve.median.estimate, low=None, high=None, reason=_NO_LIMITS)
    return curve.model_copy(
        update={"n_excluded": None, "n_missing": None}
        | counts
        | {
            "excluded": (),
            "missing": (),
            "expected": None,
            "median": median,
            "restricted_mean": _no_mean(_NO_MEAN),
            "curve": _steps(followed.times, cut, question, teller.policy) if cut else (),
            "hidden": teller.hidden("not_released" if whole and cut else "small_numbers"),
        }
    )


def _steps(times: SurvivalTally, cut: tuple[int, ...], question: Question, policy: Policy) -> tuple[CurvePoint, ...]:
    """Estimate the curve as if every time were the end of its step, from counts as they are shown."""
    moved = coarsened(times, cut)
    table = LifeTable.of(SurvivalTally(_rounded(moved.events, policy), _rounded(moved.censored, policy)))
    found = kaplan_meier(table, question.confidence, question.interval)
    return tuple(point for point in found.points() if point.time <= last_hour(cut))


def _rounded(tally: Tally, policy: Policy) -> Tally:
    counts = (policy.rounded(n) for n in tally.counts.tolist())
    return Tally.from_counts(dict(zip(tally.values.tolist(), counts, strict=True)), tally.digits)


def _no_mean(reason: str) -> RestrictedMean:
    return RestrictedMean(estimate=None, standard_error=None, low=None, high=None, reason=reason)
