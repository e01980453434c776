"""What is answered about times to an event. Light: no numbers are crunched here."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Weights = Literal["log_rank", "gehan_breslow"]
Limits = Literal["log-log", "log", "plain"]
HazardRatioMethod = Literal["mantel_haenszel", "log_rank", "cox"]


class _Answered(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Note(_Answered):
    """Why something is null, or what to know about a number."""

    code: str = Field(description="Stable snake_case name")
    message: str = Field(description="The reason in a sentence")


class TimeEstimate(_Answered):
    """A time with its limits, in the unit of the durations."""

    estimate: float | None = Field(description="The estimate; null when it is not defined or never reached")
    low: float | None = Field(description="Lower limit; null when there is none")
    high: float | None = Field(description="Upper limit; null when the curve does not come down far enough")
    reason: str | None = Field(default=None, description="Why estimate or a limit is null")


class CurvePoint(_Answered):
    """One step of a curve. Before the first, survival is 1."""

    time: float = Field(description="A time at which anybody had the event or was censored")
    survival: float = Field(description="Share without the event just after this time")
    low: float | None = Field(description="Lower limit; null where it is not defined, see warnings")
    high: float | None = Field(description="Upper limit; null where it is not defined, see warnings")
    at_risk: int = Field(description="Patients under observation just before this time")
    events: int = Field(description="Events at this time")
    censored: int = Field(description="Patients whose observation ended at this time; they count as at risk here")


class KaplanMeierAnswer(_Answered):
    """A Kaplan-Meier curve with limits and its median."""

    method: str = Field(description="What was computed")
    exact: bool = Field(
        description="Always false: the limits rest on a normal approximation. The curve itself is exact"
    )
    n: int = Field(description="Patients in the curve; n_missing are not among them")
    n_missing: int = Field(description="Patients left out because their time or event is missing")
    events: int = Field(description="Events in all")
    censored: int = Field(description="Patients censored in all")
    confidence: float = Field(description="Confidence of the limits")
    interval: Limits = Field(description="Scale of the limits")
    median: TimeEstimate = Field(
        description="Where the curve crosses one half; the middle of a flat part at exactly one half. Limits by "
        "Brookmeyer and Crowley: where the curve's own limits cross one half"
    )
    curve: list[CurvePoint] = Field(description="One row per distinct time")
    warnings: list[Note] = Field(description="What to know about these numbers; empty when nothing")


class HazardRatio(_Answered):
    """How much larger the hazard of one group is than that of another."""

    method: str = Field(description="How it was estimated")
    of: str = Field(description="The group above the line: the first one")
    to: str = Field(description="The group below the line: the second one")
    estimate: float | None = Field(description="Hazard of `of` over hazard of `to`; null where it is not defined")
    low: float | None = Field(description="Lower limit")
    high: float | None = Field(description="Upper limit")
    confidence: float = Field(description="Confidence of the limits")
    reason: str | None = Field(default=None, description="Why the estimate is null")


class LogRankGroup(_Answered):
    """One group in a comparison of curves."""

    label: str = Field(description="Name of the group")
    n: int = Field(description="Patients compared; n_missing are not among them")
    n_missing: int = Field(description="Patients left out because their time or event is missing")
    events: int = Field(description="Events observed")
    expected: float = Field(description="Events expected if all groups had the same hazard; unweighted")
    median: TimeEstimate = Field(description="Median time by Kaplan-Meier, with limits")


class LogRankAnswer(_Answered):
    """A comparison of curves."""

    method: str = Field(description="The test")
    exact: bool = Field(description="Always false: p comes from the chi-square distribution")
    weights: Weights = Field(description="How events were weighted")
    chi_square: float | None = Field(description="The statistic; null when it is not defined")
    degrees_of_freedom: int = Field(description="Groups with expected events, less 1")
    p_value: float | None = Field(description="Two-sided, unadjusted; null when it is not defined")
    reason: str | None = Field(default=None, description="Why the p-value is null")
    n: int = Field(description="Patients compared; n_missing are not among them")
    n_missing: int = Field(description="Patients left out")
    groups: list[LogRankGroup] = Field(description="The groups, in the order sent")
    hazard_ratio: HazardRatio | None = Field(description="For two groups; null for more")
    warnings: list[Note] = Field(description="What to know about these numbers; empty when nothing")


class RestrictedMean(_Answered):
    """The mean time up to a horizon: the area under the curve."""

    estimate: float | None = Field(description="In the unit of the durations; null where it is not defined")
    standard_error: float | None = Field(description="By Greenwood's variance")
    low: float | None = Field(description="Lower limit, of at least 0")
    high: float | None = Field(description="Upper limit, at most the horizon")
    reason: str | None = Field(default=None, description="Why the estimate is null")


class RestrictedMeanGroup(RestrictedMean):
    """One group's restricted mean."""

    label: str = Field(description="Name of the group")
    n: int = Field(description="Patients in the curve; n_missing are not among them")
    n_missing: int = Field(description="Patients left out because their time or event is missing")
    events: int = Field(description="Events, those after the horizon included")


class RestrictedMeanDifference(_Answered):
    """The first group's restricted mean less the second's."""

    method: str = Field(description="The test")
    exact: bool = Field(description="Always false: a normal approximation")
    estimate: float | None = Field(description="In the unit of the durations")
    standard_error: float | None = Field(description="Of the difference")
    low: float | None = Field(description="Lower limit")
    high: float | None = Field(description="Upper limit")
    z: float | None = Field(description="The statistic: difference over its standard error")
    p_value: float | None = Field(description="Two-sided, unadjusted; null when it is not defined")
    reason: str | None = Field(default=None, description="Why something is null")


class RestrictedMeanAnswer(_Answered):
    """Restricted means of groups."""

    method: str = Field(description="What was computed")
    exact: bool = Field(description="Always false: the limits rest on a normal approximation")
    horizon: float | None = Field(description="Up to when; null when nobody was observed")
    confidence: float = Field(description="Confidence of the limits")
    n: int = Field(description="Patients in all curves; n_missing are not among them")
    n_missing: int = Field(description="Patients left out")
    groups: list[RestrictedMeanGroup] = Field(description="The groups, in the order sent")
    difference: RestrictedMeanDifference | None = Field(description="For two groups; null otherwise")
