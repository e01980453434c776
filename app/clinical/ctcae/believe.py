"""Check the numbers of a laboratory record: possible, plausible, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

from app.clinical.arithmetic import exact
from app.clinical.ctcae.laboratory_terms import Placement
from app.clinical.plausibility import Judgement
from app.clinical.refusal import InputError, RefusedInputError
from app.clinical.warning import Caution

_ZERO: Final = Decimal(0)
_MEASURED: Final = frozenset({"value", "baseline"})
_ABOVE_ZERO: Final = "Must be a number above 0."
_REVERSED: Final = "The upper limit must lie above 0 and above the lower limit."
_CUTOFF: Final = "The level of a myocardial infarction must lie at or above the upper limit; check its unit."


class Numbers(NamedTuple):
    """The numbers of a record as sent, all in one unit, in the order of `conditions.NUMBERS`."""

    value: float | None
    lower_limit: float | None
    upper_limit: float | None
    baseline: float | None
    mi_cutoff: float | None


def known_lower(limit: float | None) -> float | None:
    """Return a lower limit of normal as it is judged by: 0 says that there is none."""
    return limit or None


def believe(placement: Placement, numbers: Numbers, *, override: bool) -> tuple[Caution, ...]:
    """Return the warnings about a record's numbers.

    Raises `RefusedInputError` with every number at fault: `out_of_range`, `implausible`, `limits_reversed`,
    `mi_cutoff_below_limit`. Without a unit only the signs and the order can be checked.
    """
    judged = list(_judge(placement, numbers, override=override))
    found = (*(e for e, _ in judged if e is not None), *_disorder(numbers))
    errors = {(e.pointer, e.code): e for e in reversed(found)}
    if errors:
        raise RefusedInputError(*reversed(errors.values()))
    return tuple(c for _, cautions in judged for c in cautions)


def contradicted(placement: Placement, numbers: Numbers, stated: Mapping[str, Any]) -> tuple[Caution, ...]:
    """Return the warnings about facts that are stated and that the record's own numbers contradict."""
    if not stated:
        return ()
    names = placement.scale.contradicted(tuple(map(placement.place, numbers)), stated)
    return tuple(contradiction(name) for name in names)


def contradiction(name: str) -> Caution:
    """Warn of one fact: the statement counts (decision 4), and somebody has to look."""
    text = f"What is stated as {name} counts, and the numbers that were sent say otherwise. Check both."
    return Caution(code="stated_and_measured_disagree", message=text)


def _judge(placement: Placement, numbers: Numbers, *, override: bool) -> Iterator[Judgement]:
    analyte, unit = placement.analyte, placement.unit
    if unit is None:
        return
    sent = {
        name: unit.to_canonical(number)
        for name, number in zip(Numbers._fields, numbers, strict=True)
        if number is not None
    }
    for name, number in sent.items():
        if name in _MEASURED:
            yield analyte.tiers.judge(number, f"/{name}", override=override, shown=unit.tiers)
        elif number > _ZERO:  # a lower limit of 0 says that there is none; the others are refused below
            yield analyte.limits.judge(number, f"/{name}", override=override, shown=unit.limits)
    yield Judgement(None, tuple(c.caution for of, c in analyte.cautions if of in sent and c.fires(sent[of])))


def _disorder(numbers: Numbers) -> Iterator[InputError]:
    """Yield what is wrong with the signs and the order, whatever the unit."""
    for name in ("value", "lower_limit"):
        number = getattr(numbers, name)
        if number is not None and number < 0:
            yield InputError(f"/{name}", "out_of_range", "Must be 0 or a number above 0.")
    for name in ("upper_limit", "baseline", "mi_cutoff"):
        number = getattr(numbers, name)
        if number is not None and number <= 0:
            yield InputError(f"/{name}", "out_of_range", _ABOVE_ZERO)
    lower, upper, cutoff = numbers.lower_limit, numbers.upper_limit, numbers.mi_cutoff
    if lower is not None and upper is not None and exact(lower) >= exact(upper) > 0:
        yield InputError("/upper_limit", "limits_reversed", _REVERSED)
    if upper is not None and cutoff is not None and exact(cutoff) < exact(upper):
        yield InputError("/mi_cutoff", "mi_cutoff_below_limit", _CUTOFF)
