"""A laboratory result: as sent, as measured in its canonical unit, and how far it is believed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, NamedTuple

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from app.clinical.analyte import Analyte
from app.clinical.arithmetic import exact, plain
from app.clinical.plausibility import GOOD, NO_CAUTIONS, Judgement, amount
from app.clinical.refusal import InputError, RefusedInputError
from app.clinical.struct import documented
from app.clinical.units import Unit
from app.clinical.warning import Caution


class LabMeasurement(BaseModel):
    """One laboratory result as sent: the limits are the reporting laboratory's, in the same unit as the value."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    analyte: str = Field(
        min_length=1,
        max_length=100,
        description='Our name of the analyte ("crp") or its LOINC code ("loinc:1988-5")',
        examples=["crp", "loinc:1988-5"],
    )
    value: float | None = Field(
        default=None,
        description="The result in `unit`; which range is plausible depends on the analyte; null or absent: unknown",
    )
    unit: str = Field(
        min_length=1,
        max_length=40,
        description='Unit of the value and of both limits: UCUM, or a spelling in common use ("mg/L", "K/uL")',
        examples=["mg/L"],
    )
    lower_limit: float | None = Field(
        default=None,
        description="Lower limit of the laboratory's reference range in `unit`; null, absent or 0: unknown",
    )
    upper_limit: float | None = Field(
        default=None, description="Upper limit of the laboratory's reference range in `unit`; null or absent: unknown"
    )


@documented
class Conversion(msgspec.Struct, gc=False):
    """How a result was brought to the unit in which rules compare it.

    Treat it as frozen; it is a plain dataclass because it is made for most results of most requests.
    """

    analyte: Annotated[str, Field(description="Our name of the analyte")]
    from_value: Annotated[float, Field(description="The result as sent, in `from_unit`")]
    from_unit: Annotated[str, Field(description="The unit as sent, by its code")]
    to_value: Annotated[float, Field(description="The result in `to_unit`, at 15 significant digits")]
    to_unit: Annotated[str, Field(description="The unit in which rules compare")]
    factor: Annotated[float, Field(description="`to_value` = `from_value` x `factor`")]
    text: Annotated[str, Field(description="The working in words", examples=["154 mg/L x 0.1 = 15.4 mg/dL"])]


class Measured(NamedTuple):
    """A result and its limits in the analyte's canonical unit, with what was sent."""

    slug: str
    value: Decimal
    unit: str
    lower_limit: Decimal | None
    upper_limit: Decimal | None
    sent_value: float
    sent_unit: str
    conversion: Conversion | None
    cautions: tuple[Caution, ...]

    @property
    def is_above_upper_limit(self) -> bool | None:
        """Say whether the value exceeds the laboratory's upper limit; None where that limit is unknown."""
        return None if self.upper_limit is None else self.value > self.upper_limit

    @property
    def is_below_lower_limit(self) -> bool | None:
        """Say whether the value lies below the laboratory's lower limit; None where that limit is unknown."""
        return None if self.lower_limit is None else self.value < self.lower_limit


def measured(  # noqa: PLR0913 - a result, what names it, and how to judge it
    analyte: Analyte, unit: Unit, lab: LabMeasurement, sent: float, pointer: str, *, override: bool
) -> Measured:
    """Convert a result whose analyte and unit are known, and judge its three numbers.

    Raises `RefusedInputError` with every number at fault: `out_of_range`, `implausible`, `limits_reversed`.
    """
    value = unit.to_canonical(sent)
    # A lower limit of 0 says that there is none: nothing lies below it, and nothing is shown to be normal by it.
    lower = unit.to_canonical(lab.lower_limit) if lab.lower_limit else None
    upper = None if lab.upper_limit is None else unit.to_canonical(lab.upper_limit)
    judgement = analyte.tiers.judge(value, f"{pointer}/value", override=override, shown=unit.tiers)
    if judgement is not GOOD or lower is not None or upper is not None:
        judged = (judgement, *_limits(analyte, unit, (lower, upper), pointer, override=override))
        errors = [e for e, _ in judged if e is not None]
        if errors:
            raise RefusedInputError(*errors)
        cautions = tuple(c for _, found in judged for c in found)
    else:
        cautions = NO_CAUTIONS
    if analyte.cautions:
        cautions += _slips(analyte, {"value": value, "lower_limit": lower, "upper_limit": upper})
    conversion = None if unit is analyte.canonical else _conversion(analyte, unit, sent, value)
    return Measured(analyte.slug, value, analyte.canonical.code, lower, upper, sent, unit.code, conversion, cautions)


def _limits(
    analyte: Analyte, unit: Unit, limits: tuple[Decimal | None, Decimal | None], pointer: str, *, override: bool
) -> Iterator[Judgement]:
    lower, upper = limits
    if lower is not None:
        yield analyte.limits.judge(lower, f"{pointer}/lower_limit", override=override, shown=unit.limits)
    if upper is not None:
        yield analyte.limits.judge(upper, f"{pointer}/upper_limit", override=override, shown=unit.limits)
        if upper <= (lower or 0):
            yield Judgement(_reversed(f"{pointer}/upper_limit"), NO_CAUTIONS)


def _slips(analyte: Analyte, numbers: Mapping[str, Decimal | None]) -> tuple[Caution, ...]:
    return tuple(
        slip.caution for of, slip in analyte.cautions if (number := numbers[of]) is not None and slip.fires(number)
    )


def _reversed(pointer: str) -> InputError:
    return InputError(pointer, "limits_reversed", "The upper limit must lie above 0 and above the lower limit.")


def _conversion(analyte: Analyte, unit: Unit, sent: float, value: Decimal) -> Conversion:
    to_unit = analyte.canonical.code
    working = f" {unit.working}" if unit.working else ""
    text = f"{amount(plain(exact(sent)), unit.code)}{working} = {amount(plain(value), to_unit)}"
    return Conversion(analyte.slug, sent, unit.code, float(value), to_unit, unit.float_factor, text)
