"""Renal function of a child: the bedside Schwartz estimate of the glomerular filtration rate."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from app.clinical.arithmetic import exact, said
from app.clinical.rulebook import Rulebook
from app.clinical.warning import Caution


class Renal(NamedTuple):
    """The estimate in mL/min/1.73 m2, or what is missing for it, or why it does not hold."""

    egfr: Decimal | None
    missing: tuple[str, ...]
    caution: Caution | None
    working: str | None


class BedsideSchwartz:
    """Estimates GFR as factor x height / creatinine, at the ages for which that holds (`bedside-schwartz-2009`)."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rules = rulebook["bedside-schwartz-2009"]
        self._factor = self.rules.number("factor")
        self._ages = self.rules.range("age")
        self._lacking = Caution(code="renal_function_not_estimated", message=self.rules.text("inputs_missing"))
        self._outside = Caution(code="renal_function_not_estimated", message=self.rules.text("outside_age"))

    def __call__(self, age_years: float | None, height_cm: float | None, creatinine_mg_dl: float | None) -> Renal:
        """Estimate from age in years, height in cm and serum creatinine in mg/dL; None is unknown.

        Whoever calls has refused a creatinine that is not above zero.
        """
        if age_years is not None and not self._ages.contains(exact(age_years)):
            return Renal(None, (), self._outside, None)
        if age_years is None or height_cm is None or creatinine_mg_dl is None:
            sent = {"age_years": age_years, "height_cm": height_cm, "creatinine_mg_dl": creatinine_mg_dl}
            # A creatinine that nobody could turn into an estimate must not pass for one that was found harmless.
            caution = None if creatinine_mg_dl is None else self._lacking
            return Renal(None, tuple(name for name, value in sent.items() if value is None), caution, None)
        return self._estimate(exact(height_cm), exact(creatinine_mg_dl))

    def _estimate(self, height: Decimal, creatinine: Decimal) -> Renal:
        egfr = self._factor * height / creatinine
        working = (
            f"Estimated GFR: {self._factor} x {said(height)} cm / {said(creatinine)} mg/dL"
            f" = {said(egfr)} mL/min/1.73 m2 (bedside Schwartz)"
        )
        return Renal(egfr, (), None, working)
