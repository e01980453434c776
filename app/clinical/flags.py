"""The phenotype's two flags without Findings: the same rules as `kawasaki` and `shock`, for records by the thousand.

A second, plain way to the same two truths (a test holds that they agree on random children). True is met, False not
met, None unknown; AND, OR and k-of-n follow Kleene, as in `app.clinical.evidence`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from app.clinical.arithmetic import exact
from app.clinical.facts import NO_ECHO, NO_FEVER, NO_HEMODYNAMICS, NO_SIGNS
from app.clinical.presentation import Echocardiogram, Fever, Hemodynamics, KawasakiSigns, Presentation
from app.clinical.reference_limits import ReferenceLimits
from app.clinical.rulebook import LoadedRuleSet, Rulebook
from app.clinical.shock import PalsHypotension

Maybe = bool | None
Number = float | Decimal
_KEPT_AGES: Final = 4096
# The laboratory values that the flags ask for.
ANALYTES: Final = frozenset({"crp", "esr", "hemoglobin", "platelets", "albumin", "alt", "wbc", "urine_wbc_hpf"})


class Level(NamedTuple):
    """A laboratory value and its limits in one unit, the canonical one."""

    value: Number
    lower_limit: Number | None
    upper_limit: Number | None


Levels = Mapping[str, Level]


def every(*parts: Maybe) -> Maybe:
    """AND: one that is not met decides."""
    if False in parts:
        return False
    return None if None in parts else True


def any_of(*parts: Maybe) -> Maybe:
    """OR: one that is met decides."""
    if True in parts:
        return True
    return None if None in parts else False


def enough(k: int, parts: tuple[Maybe, ...]) -> Maybe:
    """k-of-n."""
    met = parts.count(True)
    if met >= k:
        return True
    return None if met + parts.count(None) >= k else False


class Bound:
    """A threshold that takes None for unknown."""

    __slots__ = ("holds",)

    def __init__(self, rules: LoadedRuleSet, key: str) -> None:
        self.holds: Callable[[Number], bool] = rules.threshold(key).compiled()

    def __call__(self, value: Number | None) -> Maybe:
        """Compare."""
        return None if value is None else self.holds(value)


class KawasakiFlag:
    """Complete or incomplete Kawasaki disease (`aha-kd-2017`)."""

    def __init__(self, rulebook: Rulebook) -> None:
        rules = rulebook["aha-kd-2017"]
        self._five_days = Bound(rules, "fever.five_days")
        self._four_days = Bound(rules, "fever.four_days")
        self._seven_days = Bound(rules, "fever.seven_days")
        self._after_day_seven = Bound(rules, "fever.after_day_seven")
        self._infant = Bound(rules, "age.infant")
        self._complete = rules.count("principal.complete")
        self._incomplete = rules.count("principal.incomplete")
        self._supplemental = rules.count("supplemental")
        self._suggestive = rules.count("echo.suggestive")
        self._crp, self._esr = Bound(rules, "crp"), Bound(rules, "esr")
        self._platelets, self._albumin = Bound(rules, "platelets"), Bound(rules, "albumin")
        self._wbc, self._urine = Bound(rules, "wbc"), Bound(rules, "urine_wbc_hpf")
        self._lad, self._rca = Bound(rules, "echo.lad"), Bound(rules, "echo.rca")
        self._lad_wide, self._rca_wide = Bound(rules, "echo.lad.suggestive"), Bound(rules, "echo.rca.suggestive")
        self._lvef = Bound(rules, "echo.lvef")
        self._giant = Bound(rules, "coronary.giant_mm")
        self._limit = lru_cache(maxsize=_KEPT_AGES)(ReferenceLimits(rulebook).hemoglobin_lower_limit)

    def judge(
        self, child: Presentation, echo: Echocardiogram, age_years: float, sex: str | None, levels: Levels
    ) -> Maybe:
        """Judge one child."""
        fever, signs = child.fever or NO_FEVER, _signs(child.kawasaki_signs or NO_SIGNS)
        duration = fever.duration_hours
        five_days = self._five_days(duration)
        complete = every(any_of(five_days, self._four_days(duration)), enough(self._complete, signs))
        if complete is True:
            return True
        explained = child.alternative_diagnosis
        entry = any_of(
            every(five_days, enough(self._incomplete, signs)),
            every(self._infant(age_years), self._seven_days(duration), None if explained is None else not explained),
        )
        if entry is False:
            return complete
        inflamed = any_of(self._crp(_value(levels, "crp")), self._esr(_value(levels, "esr")))
        if inflamed is False:
            return complete
        supported = any_of(self._by_labs(fever, age_years, sex, levels), self._by_echo(echo))
        return any_of(complete, every(entry, inflamed, supported))

    def _by_labs(self, fever: Fever, age_years: float, sex: str | None, levels: Levels) -> Maybe:
        alt = levels.get("alt")
        return enough(
            self._supplemental,
            (
                self._anemia(age_years, sex, levels.get("hemoglobin")),
                every(self._platelets(_value(levels, "platelets")), self._after_day_seven(fever.duration_hours)),
                self._albumin(_value(levels, "albumin")),
                None if alt is None or alt.upper_limit is None else alt.value > alt.upper_limit,
                self._wbc(_value(levels, "wbc")),
                self._urine(_value(levels, "urine_wbc_hpf")),
            ),
        )

    def _anemia(self, age_years: float, sex: str | None, hemoglobin: Level | None) -> Maybe:
        """Judge by the laboratory's own limit, else by the reference for age; without a sex, by both sexes' limits."""
        if hemoglobin is None:
            return None
        value, own, _ = hemoglobin
        if own is not None:
            return value < own
        of_sex = sex if sex in {"male", "female"} else None
        limit = self._limit(age_years, of_sex)
        if limit is not None:
            return exact(value) < limit
        male, female = self._limit(age_years, "male"), self._limit(age_years, "female")
        if male is None or female is None:
            return None
        if exact(value) < min(male, female):
            return True
        return None if exact(value) < max(male, female) else False

    def _by_echo(self, echo: Echocardiogram) -> Maybe:
        weak = echo.ventricular_dysfunction
        return any_of(
            self._lad(echo.lad_z),
            self._rca(echo.rca_z),
            echo.coronary_aneurysm,
            True in {self._giant(echo.lad_mm), self._giant(echo.rca_mm)},  # a smaller diameter proves nothing
            enough(
                self._suggestive,
                (
                    self._lvef(echo.lvef_percent) if weak is None else weak,
                    echo.mitral_regurgitation,
                    echo.pericardial_effusion,
                    any_of(self._lad_wide(echo.lad_z), self._rca_wide(echo.rca_z)),
                ),
            ),
        )


def _signs(signs: KawasakiSigns) -> tuple[Maybe, ...]:
    return (
        signs.oral_changes,
        signs.conjunctival_injection,
        signs.rash,
        signs.extremity_changes,
        signs.cervical_lymphadenopathy,
    )


def _value(levels: Levels, slug: str) -> Number | None:
    level = levels.get(slug)
    return None if level is None else level.value


class ShockFlag:
    """Cardiovascular shock as the study defines it (`misc-cv-shock-2023`, `pals-hypotension`)."""

    def __init__(self, rulebook: Rulebook) -> None:
        rules = rulebook["misc-cv-shock-2023"]
        self._pals = PalsHypotension(rulebook)
        self._bolus = Bound(rules, "fluid_bolus")
        self._running = Bound(rules, "running")

    def judge(self, hemodynamics: Hemodynamics, age_years: float) -> Maybe:
        """Judge one child."""
        hypotension = hemodynamics.hypotension
        if hypotension is None and hemodynamics.systolic_bp_mmhg is not None:
            hypotension = self._pals.holds(age_years, hemodynamics.systolic_bp_mmhg)
        refractory = hemodynamics.fluid_refractory
        if refractory is None and every(self._bolus(hemodynamics.fluid_bolus_ml_kg), hypotension) is True:
            refractory = True
        return every(hypotension, refractory, self._support(hemodynamics))

    def _support(self, hemodynamics: Hemodynamics) -> Maybe:
        infusions = hemodynamics.vasoactive_infusions
        if hemodynamics.vasoactive_support is not None or infusions is None:
            return hemodynamics.vasoactive_support
        return any_of(*[self._running(i.rate) for i in infusions])


class Flags:
    """Both flags of one child."""

    def __init__(self, rulebook: Rulebook) -> None:
        self._kawasaki = KawasakiFlag(rulebook)
        self._shock = ShockFlag(rulebook)

    def judge(
        self, child: Presentation, echo: Echocardiogram | None, age_years: float, sex: str | None, levels: Levels
    ) -> tuple[Maybe, Maybe]:
        """Return (KD-like, cardiovascular shock): the statuses of the classifier's two Findings.

        Age, sex, echocardiogram and laboratory values (in canonical units) count as given here, not in `child`.
        """
        hemodynamics = child.hemodynamics or NO_HEMODYNAMICS
        return (
            self._kawasaki.judge(child, echo or NO_ECHO, age_years, sex, levels),
            self._shock.judge(hemodynamics, age_years),
        )
