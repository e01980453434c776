"""What an adverse event from laboratory values was judged by, for people."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from app.cohorts.derivation.labs import Result


class EventSample(BaseModel):
    """One laboratory value of a course."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hour: float = Field(description="Hours since admission")
    value: float | None = Field(description="The result in `unit`")
    unit: str = Field(description="Its unit as sent")
    lower_limit: float | None = Field(description="Lower limit of normal in `unit`; null: unknown")
    upper_limit: float | None = Field(description="Upper limit of normal in `unit`; null: unknown")

    @classmethod
    def of(cls, result: Result) -> EventSample:
        """Show a result."""
        lab = result.lab
        return cls(
            hour=result.hour,
            value=lab.value,
            unit=lab.unit,
            lower_limit=lab.lower_limit,
            upper_limit=lab.upper_limit,
        )


class EventAccount(BaseModel):
    """One analyte since treatment began, against the value before."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event: str = Field(description="The study's adverse event, such as neutropenia")
    term: str = Field(description="Slug of the CTCAE term")
    analyte: str = Field(description="Our name of the analyte")
    since_hour: float = Field(description="Hour since admission at which treatment began")
    since: str = Field(description="anakinra_start, ivig_start or ivig_end")
    before: EventSample | None = Field(description="The last value before treatment; null: none, so nothing is assumed")
    worst: EventSample = Field(description="The worst value since")
    possible_grades: tuple[int, ...] = Field(description="The grades that remain, 0 for no event; one when decided")
