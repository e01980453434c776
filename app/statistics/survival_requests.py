"""What is asked about times to an event. Light: no numbers are crunched here."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.config import JsonDict
from pydantic_core import PydanticCustomError

from app.statistics.models import LongLists
from app.statistics.survival_models import HazardRatioMethod, Limits, Weights

MOST_ROWS: Final = 1_000_000
MOST_GROUPS: Final = 50
LONGEST: Final = 10**15

_AML_MAINTAINED: Final[JsonDict] = {
    "label": "maintained",
    "durations": [9, 13, 13, 18, 23, 28, 31, 34, 45, 48, 161],
    "events": [True, True, False, True, True, False, True, True, False, True, False],
}
_AML_NOT: Final[JsonDict] = {
    "label": "not maintained",
    "durations": [5, 5, 8, 8, 12, 16, 23, 27, 30, 33, 43, 45],
    "events": [True, True, True, True, True, False, True, True, True, True, True, True],
}

Duration = Annotated[float, Field(ge=0, le=LONGEST, allow_inf_nan=False)]
Confidence = Annotated[
    float,
    Field(gt=0, lt=1, allow_inf_nan=False, description="Confidence of the limits, above 0 and below 1, such as 0.95"),
]
Durations = Annotated[
    list[Duration | None],
    Field(
        max_length=MOST_ROWS,
        description="Time from the start to the event or to the end of observation, any unit, from 0 to 1e15, at most "
        "1,000,000 in one request. null is missing: the patient is left out and counted in n_missing",
    ),
]
Events = Annotated[
    list[bool | None],
    Field(
        max_length=MOST_ROWS,
        description="true: the event happened at that time; false: observation ended without it (censored). null is "
        "missing. As many as durations",
    ),
]


class _Asked(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class _Observed(LongLists, _Asked):
    """Durations and events of the same patients."""

    durations: Durations
    events: Events

    @field_validator("events")
    @classmethod
    def _as_many(cls, events: list[bool | None], info: ValidationInfo) -> list[bool | None]:
        durations = info.data.get("durations")
        if durations is not None and len(durations) != len(events):
            raise PydanticCustomError("unequal_lengths", "durations and events must be lists of the same length.")
        return events

    def holds_together(self) -> bool:
        """Say whether there are as many events as durations."""
        return len(self.durations) == len(self.events)


class SurvivalGroup(_Observed):
    """One group of patients."""

    label: str = Field(min_length=1, max_length=200, description="Name of the group; no two groups share one")


class _Groups(LongLists, _Asked):
    groups: list[SurvivalGroup] = Field(
        min_length=2, max_length=MOST_GROUPS, description="The groups to compare: 2 to 50, with 1,000,000 rows in all"
    )

    @field_validator("groups")
    @classmethod
    def _distinct_and_not_too_many(cls, groups: list[SurvivalGroup]) -> list[SurvivalGroup]:
        if len({group.label for group in groups}) < len(groups):
            raise PydanticCustomError("repeated_label", "Each group needs a label of its own.")
        if sum(len(group.durations) for group in groups) > MOST_ROWS:
            raise PydanticCustomError("too_many_rows", "The groups must hold at most 1,000,000 rows in all.")
        return groups

    def holds_together(self) -> bool:
        """Say whether every group does, and whether there are not too many rows in all."""
        rows = sum(len(group.durations) for group in self.groups)
        return rows <= MOST_ROWS and all(group.holds_together() for group in self.groups)


class KaplanMeierRequest(_Observed):
    """One group's durations and events."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{k: v for k, v in _AML_MAINTAINED.items() if k != "label"} | {"interval": "log-log"}]
        }
    )

    confidence: Confidence = 0.95
    interval: Limits = Field(
        default="log-log",
        description="On which scale the limits are symmetrical: log-log (default, Prism's asymmetrical), log (R's "
        "default), or plain (Prism's symmetrical), which is cut off at 0 and 1",
    )


class LogRankRequest(_Groups):
    """Groups of patients whose curves are compared."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"groups": [_AML_MAINTAINED, _AML_NOT], "weights": "log_rank"}]}
    )

    weights: Weights = Field(
        default="log_rank",
        description="log_rank: every event counts alike; gehan_breslow: as much as patients are at risk at its time, "
        "so that early events count more (Gehan-Breslow-Wilcoxon)",
    )
    confidence: Confidence = 0.95
    interval: Limits = Field(default="log-log", description="Scale of the curves' limits, from which the medians' come")
    hazard_ratio: HazardRatioMethod = Field(
        default="mantel_haenszel",
        description="How the hazard ratio of two groups is estimated: mantel_haenszel (exp((O-E)/V), default), "
        "log_rank ((O1/E1)/(O2/E2)), or cox (proportional hazards, ties by Efron, at most 50,000 events)",
    )


class RestrictedMeanRequest(_Groups):
    """Groups of patients whose mean times up to a horizon are wanted."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"groups": [_AML_MAINTAINED, _AML_NOT], "horizon": 40}]})

    groups: list[SurvivalGroup] = Field(
        min_length=1, max_length=MOST_GROUPS, description="One group, or up to 50, with 1,000,000 rows in all"
    )
    horizon: float | None = Field(
        default=None,
        gt=0,
        le=LONGEST,
        allow_inf_nan=False,
        description="Up to when, in the unit of the durations, above 0 and at most 1e15. Absent: the "
        "smallest of the groups' last times",
    )
    confidence: Confidence = 0.95
