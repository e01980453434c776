"""A presentation at the door: every number of it believable, its labs in canonical units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from app.clinical.facts import Facts
from app.clinical.growth import GrowthLimits
from app.clinical.left_ventricle import LeftVentricle
from app.clinical.plausibility import NO_CAUTIONS
from app.clinical.presentation import Presentation
from app.clinical.quantities import Measured, Quantities
from app.clinical.refusal import InputError, RefusedInputError
from app.clinical.rulebook import Rulebook
from app.clinical.vasoactive import rates
from app.clinical.warning import Caution

T = TypeVar("T")
Number = tuple[str, float | None, str]

# Where a number's name in `body-measures` is not its field's, it stands beside it.
_BODY: Final = {name: name for name in ("age_years", "weight_kg", "height_cm")}
_FEVER: Final = {name: name for name in ("maximum_celsius", "duration_hours")}
_ECHO: Final = {
    "lvef_percent": "lvef_percent",
    "lad_z": "coronary_z",
    "rca_z": "coronary_z",
    "lad_z_previous": "coronary_z",
    "rca_z_previous": "coronary_z",
    "lad_mm": "coronary_mm",
    "rca_mm": "coronary_mm",
}
_HEMODYNAMICS: Final = {name: name for name in ("systolic_bp_mmhg", "baseline_systolic_bp_mmhg", "fluid_bolus_ml_kg")}
_SARS: Final = {
    name: name for name in ("days_before_admission", "exposure_days_before_onset", "exposure_days_before_admission")
}
_NO_LABS: Final[dict[str, Measured]] = {}
_STRAIN: Final = "ap4_strain_percent"


class Admission:
    """Refuses what cannot be or is not believable, warns of what is unusual, and measures the labs."""

    def __init__(self, rulebook: Rulebook, left_ventricle: LeftVentricle) -> None:
        self.quantities = Quantities(rulebook)
        self._growth = GrowthLimits(rulebook)
        self._left_ventricle = left_ventricle

    def __call__(self, request: Presentation) -> tuple[Facts, tuple[Caution, ...]]:
        """Return the facts and the warnings they earn. Raises `RefusedInputError` with every fault of the request."""
        override = bool(request.override_plausibility)
        errors: list[InputError] = []
        labs = _try(errors, _NO_LABS, lambda: self.quantities.measure_all(request.labs or (), override=override))
        facts = Facts.of(request, labs)
        cautions = _try(errors, NO_CAUTIONS, lambda: self.quantities.check_each(_numbers(facts), override=override))
        cautions += _try(errors, NO_CAUTIONS, lambda: self._strain(facts, override=override))
        cautions += _try(errors, NO_CAUTIONS, lambda: self._infusions(facts, override=override))
        cautions += _try(errors, NO_CAUTIONS, lambda: self._body(request, override=override))
        if errors:
            raise RefusedInputError(*errors)
        return facts, cautions + tuple([c for measured in labs.values() for c in measured.cautions])

    def _strain(self, facts: Facts, *, override: bool) -> tuple[Caution, ...]:
        strain = self._left_ventricle.strain(facts.echo)
        return self.quantities.check(_STRAIN, strain, f"/echocardiogram/{_STRAIN}", override=override)

    def _infusions(self, facts: Facts, *, override: bool) -> tuple[Caution, ...]:
        infusions = facts.hemodynamics.vasoactive_infusions
        return self.quantities.check_each(rates(infusions), override=override) if infusions else NO_CAUTIONS

    def _body(self, request: Presentation, *, override: bool) -> tuple[Caution, ...]:
        return self._growth.check(
            request.age_years, request.weight_kg, request.height_cm, request.sex, override=override
        )


def _try(errors: list[InputError], default: T, check: Callable[[], T]) -> T:
    """Run one check; what it refuses is kept, so that the request is answered with all its faults at once."""
    try:
        return check()
    except RefusedInputError as refusal:
        errors += refusal.errors
        return default


def _numbers(facts: Facts) -> list[Number]:
    """List the numbers that are neither labs nor need more than a range."""
    parts = (
        ("", facts.request, _BODY),
        ("/fever", facts.fever, _FEVER),
        ("/echocardiogram", facts.echo, _ECHO),
        ("/hemodynamics", facts.hemodynamics, _HEMODYNAMICS),
        ("/sars_cov_2", facts.sars, _SARS),
    )
    return [
        (name, value, f"{pointer}/{field}")
        for pointer, part, fields in parts
        for field, name in fields.items()
        if (value := getattr(part, field)) is not None
    ]
