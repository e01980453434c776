"""Cytokines as multiples of the upper limit of normal: as stated, else from a value and its limit in one unit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from app.clinical.arithmetic import exact
from app.clinical.quantities import LabMeasurement
from app.cohorts.derivation.derived import Notes
from app.cohorts.precision import scaled, scaled_exactly
from app.cohorts.records import Cytokine, Cytokines, each
from app.cohorts.variables import CYTOKINES

_HUNDREDTHS: Final = 100
_STATED: Final = "The stated multiple counts; value / upper_limit gives another one. Check both."
_NO_LIMIT: Final = "A cytokine has a value without its upper limit of normal: its multiple stays unknown."


def measurements(cytokines: Cytokines) -> Iterator[tuple[str, LabMeasurement]]:
    """Yield the cytokines that were sent as values, as laboratory results of their analyte."""
    for slug in CYTOKINES:
        one: Cytokine | None = getattr(cytokines, slug)
        if one is not None and one.unit is not None:
            yield (
                slug,
                LabMeasurement.model_construct(
                    analyte=slug, value=one.value, unit=one.unit, lower_limit=None, upper_limit=one.upper_limit
                ),
            )


def folds(cytokines: Cytokines, values: dict[str, int], notes: Notes) -> dict[str, Any]:
    """Write the multiples of a record that was admitted; return the answer's facts."""
    told: dict[str, Any] = {}
    for slug, one in each(cytokines):
        if one is None:
            continue
        derived = _derived(one, notes)
        stated = None if one.fold is None else scaled(one.fold, _HUNDREDTHS)
        if stated is not None and derived is not None and stated != derived:
            notes.disagree(f"cytokines.{slug}.fold", one.fold, derived / _HUNDREDTHS, _STATED)
        fold = derived if stated is None else stated
        if fold is not None:
            values[f"cytokine.{slug}"] = fold
            told[slug] = fold / _HUNDREDTHS
    return told


def _derived(one: Cytokine, notes: Notes) -> int | None:
    if one.value is None or one.unit is None:
        return None
    if one.upper_limit is None:
        if one.fold is None:
            notes.warn("cytokine_without_limit", _NO_LIMIT)
        return None
    return scaled_exactly(exact(one.value) / exact(one.upper_limit), _HUNDREDTHS)
