"""Hypotension by age (PALS), cardiovascular shock as the study defines it, and Kawasaki disease shock syndrome.

What a clinician states outranks what is derived from numbers; a disagreement earns a warning
(docs/decisions/0004-stated-outranks-measured.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.clinical.arithmetic import DAYS_PER_YEAR, PERCENT, exact, plain, significant
from app.clinical.criteria import Criteria
from app.clinical.evidence import MET, NOT_MET, UNKNOWN, Criterion, Finding, Truth, disagree, reference
from app.clinical.facts import Facts
from app.clinical.rulebook import Rulebook
from app.clinical.rulebook.model import Threshold
from app.clinical.vasoactive import Vasoactives
from app.clinical.warning import Caution

DISAGREE: Final = "stated_and_measured_disagree"
_SYSTOLIC: Final = "hemodynamics.systolic_bp_mmhg"
_BASELINE: Final = "hemodynamics.baseline_systolic_bp_mmhg"
_STATED: Final = "hemodynamics.hypotension"
_MEASURED: Final = "shock.hypotension.measured"


class PalsHypotension:
    """The systolic limits of PALS, one criterion for each completed year of age.

    An age of exactly 0 is a newborn's, or whole years of a child of up to 12 months: what the two limits judge
    differently stays unknown.
    """

    def __init__(self, rulebook: Rulebook) -> None:
        self.rules = rulebook["pals-hypotension"]
        criteria = Criteria(self.rules)
        self._is_neonate = self.rules.threshold("age.neonate").is_met
        self._is_infant = self.rules.threshold("age.infant").is_met
        self._is_adolescent = self.rules.threshold("age.adolescent").is_met
        self._neonate = criteria.measured(_MEASURED, "systolic.neonate", _SYSTOLIC)
        self._infant = criteria.measured(_MEASURED, "systolic.infant", _SYSTOLIC)
        self._adolescent = criteria.measured(_MEASURED, "systolic.adolescent", _SYSTOLIC)
        self._open = criteria.stated(_MEASURED, "systolic.open", _STATED)
        self.age_zero = Caution(code="age_zero_leaves_hypotension_open", message=self.rules.text("caution.age_zero"))
        self._children = {
            years: self._child(years) for years in range(int(self.rules.threshold("age.adolescent").value) + 1)
        }

    def _child(self, years: int) -> Criterion:
        base = self.rules.threshold("systolic.child")
        limit = base.value + self.rules.number("systolic.per_year") * years
        threshold = Threshold(id=base.id, operator=base.operator, value=limit, unit=base.unit, source=base.source)
        label = f"Systolic pressure {base.operator} {plain(limit)} mmHg ({years} completed years)"
        return Criterion(_MEASURED, label, _SYSTOLIC, source=self.rules.cite(base), threshold=threshold)

    def judge(self, facts: Facts) -> Finding:
        """Compare the systolic pressure with the limit for age."""
        age_years, systolic = facts.age_years, facts.hemodynamics.systolic_bp_mmhg
        if systolic is not None and self._is_open(age_years, systolic):
            return self._open.unknown(_STATED, used={_SYSTOLIC: systolic})
        return self._limit(age_years, systolic).measured(systolic)

    def holds(self, age_years: float, systolic: float) -> bool | None:
        """Say whether a pressure is hypotension at an age in years; None where the age leaves it open."""
        if self._is_open(age_years, systolic):
            return None
        return self._limit(age_years, systolic).holds(systolic)

    def _is_open(self, age_years: float, systolic: float) -> bool:
        return age_years == 0 and self._infant.holds(systolic) and not self._neonate.holds(systolic)

    def _limit(self, age_years: float, systolic: float | None) -> Criterion:
        """Return the criterion that holds at an age in years; at 0 the one that decides for any age below a year."""
        completed_years = int(age_years)
        if self._is_adolescent(completed_years):
            return self._adolescent
        if not self._is_infant(completed_years):
            return self._children[completed_years]
        if age_years == 0 and systolic is not None and not self._infant.holds(systolic):
            return self._infant
        days = int(significant(exact(age_years) * DAYS_PER_YEAR))
        return self._neonate if self._is_neonate(days) else self._infant


@dataclass(slots=True)
class ShockJudgement:
    """Cardiovascular shock, the hypotension it was judged by, and warnings."""

    cv_shock: Finding
    hypotension: Finding
    cautions: Sequence[Caution]


class CardiovascularShock:
    """Persistent fluid-refractory hypotension that needs vasoactive support, compiled from `misc-cv-shock-2023`."""

    def __init__(self, rulebook: Rulebook, vasoactives: Vasoactives) -> None:
        self.rules = rulebook["misc-cv-shock-2023"]
        self.pals = PalsHypotension(rulebook)
        self._vasoactives = vasoactives
        c = Criteria(self.rules)
        self._cv_shock = c.combined("shock.cv", "cv_shock", "all")
        self._hypotension = c.compact("shock.hypotension", "hypotension", "first_known")
        self._stated_hypotension = c.stated("shock.hypotension.stated", "hypotension.stated", _STATED)
        self._refractory = c.combined("shock.fluid_refractory", "fluid_refractory", "first_known")
        self._stated_refractory = c.stated(
            "shock.fluid_refractory.stated", "fluid_refractory.stated", "hemodynamics.fluid_refractory"
        )
        self._proven = c.combined("shock.fluid_refractory.proven", "fluid_refractory.proven", "if_met")
        self._bolus = c.measured("shock.fluid_bolus", "fluid_bolus", "hemodynamics.fluid_bolus_ml_kg")
        self._support = c.compact("shock.vasoactive", "vasoactive", "first_known")
        self._stated_support = c.stated(
            "shock.vasoactive.stated", "vasoactive.stated", "hemodynamics.vasoactive_support"
        )
        self._treated_pressure = Caution(
            code="pressure_on_vasoactive_support", message=self.rules.text("treated_pressure")
        )
        self._disagree = tuple(
            Caution(code=DISAGREE, message=self.rules.text(f"disagree.{key}"))
            for key in ("hypotension", "fluid_refractory", "vasoactive")
        )

    def judge(self, facts: Facts) -> ShockJudgement:
        """Judge one child."""
        hemodynamics = facts.hemodynamics
        stated, measured = self._stated_hypotension.stated(hemodynamics.hypotension), self.pals.judge(facts)
        hypotension = self._hypotension(stated, measured)
        said, proven = self._stated_refractory.stated(hemodynamics.fluid_refractory), self._proof(facts, hypotension)
        named, running = self._stated_support.stated(hemodynamics.vasoactive_support), self._vasoactives.running(facts)
        support = self._support(named, running)
        cautions = [
            caution
            for one, other, caution in zip(
                (stated, said, named), (measured, proven, running), self._disagree, strict=True
            )
            if disagree(one, other)
        ]
        if hemodynamics.hypotension is None:
            if hypotension.status == NOT_MET and (support.status == MET or self._vasoactives.may_run(facts)):
                cautions.append(self._treated_pressure)
            if hemodynamics.systolic_bp_mmhg is not None and hypotension.status == UNKNOWN:
                cautions.append(self.pals.age_zero)
        return ShockJudgement(
            self._cv_shock(hypotension, self._refractory(said, proven), support), hypotension, cautions
        )

    def _proof(self, facts: Facts, hypotension: Finding) -> Finding:
        """Take the full bolus with hypotension still present as proof; less fluid proves nothing.

        Clinicians stop early when the ventricle is weak.
        """
        bolus = self._bolus.measured(facts.hemodynamics.fluid_bolus_ml_kg)
        return self._proven(bolus, reference(hypotension))


class KawasakiShockSyndrome:
    """Kawasaki disease shock syndrome by Kanegaye, compiled from `kanegaye-kdss-2009`; never the KDSS-like class."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rules = rulebook["kanegaye-kdss-2009"]
        c = Criteria(self.rules)
        self._syndrome = c.combined("kdss", "kdss", "all")
        self._compromise = c.combined("kdss.hemodynamics", "hemodynamics", "any")
        self._fall = c.measured("kdss.fall", "fall", _SYSTOLIC, _BASELINE)
        self._is_fall = self.rules.threshold("fall").is_met
        self._perfusion = c.stated("kdss.poor_perfusion", "poor_perfusion", "hemodynamics.poor_perfusion")

    def judge(self, facts: Facts, kd_like: Finding, hypotension: Finding) -> Finding:
        """Judge one child whose Kawasaki disease and hypotension are judged."""
        compromise = self._compromise(
            reference(hypotension),
            self._fallen(facts),
            self._perfusion.stated(facts.hemodynamics.poor_perfusion),
        )
        return self._syndrome(reference(kd_like), compromise)

    def _fallen(self, facts: Facts) -> Finding:
        systolic = facts.hemodynamics.systolic_bp_mmhg
        baseline = facts.hemodynamics.baseline_systolic_bp_mmhg
        if systolic is None or not baseline:
            known = {_SYSTOLIC: systolic, _BASELINE: baseline or None}
            used = {name: value for name, value in known.items() if value is not None}
            return self._fall.unknown(*[name for name in known if name not in used], used=used)
        fall = significant((exact(baseline) - exact(systolic)) * PERCENT / exact(baseline))
        status: Truth = MET if self._is_fall(fall) else NOT_MET
        return self._fall.finding(status, {_SYSTOLIC: systolic, _BASELINE: baseline, "fall_percent": float(fall)})
