"""Anaemia for age: by the laboratory's own lower limit, or by the reference limit for age (and sex)."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache
from typing import Final, Literal, Protocol

from app.clinical.criteria import Criteria
from app.clinical.evidence import Criterion, Finding, disagree
from app.clinical.facts import Facts
from app.clinical.rulebook import LoadedRuleSet
from app.clinical.warning import Caution

Sex = Literal["male", "female"]
_HEMOGLOBIN: Final = "labs.hemoglobin"
_REFERENCE: Final = "kd.supplemental.anemia.reference"
_KEPT_AGES: Final = 1024
_UNIT: Final = "g/dL"


class HemoglobinLimit(Protocol):
    """Gives the lower limit of haemoglobin in g/dL for an age in years; None where there is none for this sex."""

    def __call__(self, age_years: float, sex: Sex | None) -> Decimal | None:
        """Return the limit."""


class AnemiaForAge:
    """The laboratory's own limit decides where it was sent; else the reference for age."""

    def __init__(self, rules: LoadedRuleSet, hemoglobin_limit: HemoglobinLimit) -> None:
        self._criteria = c = Criteria(rules)
        self._limit = lru_cache(maxsize=_KEPT_AGES)(hemoglobin_limit)
        self._anemia = c.compact("kd.supplemental.anemia", "anemia", "first_known")
        self._own = c.beyond_limit("kd.supplemental.anemia.laboratory", "anemia.laboratory", "hemoglobin", "lower")
        self._by_sex = c.compact(_REFERENCE, "anemia.reference", "any")
        self._higher_limit = c.compact("kd.supplemental.anemia.sex", "anemia.sex", "all")
        self._higher_sex = c.stated("kd.supplemental.anemia.sex.higher", "anemia.sex.higher", "sex")
        self._disagree = Caution(code="anemia_limits_disagree", message=rules.text("caution.limits"))
        self._references: dict[tuple[str, Decimal], Criterion] = {}

    def judge(self, facts: Facts, cautions: list[Caution]) -> Finding:
        """Judge one child, and warn when the two limits disagree."""
        own, reference = self._own.judge(facts), self._reference(facts)
        if reference is None:
            return self._anemia(own)
        if disagree(own, reference):
            cautions.append(self._disagree)
        return self._anemia(own, reference)

    def _reference(self, facts: Facts) -> Finding | None:
        age, sex = facts.age_years, facts.request.sex
        value = facts.lab("hemoglobin")
        limit = self._limit(age, sex)
        if limit is not None:
            return self._below(limit, _REFERENCE).measured(value)
        male, female = self._limit(age, "male"), self._limit(age, "female")
        if male is None or female is None:
            return None
        # The limit needs a sex that is not known: below the lower limit is anaemia in both, below the higher in one.
        lower, higher = sorted((male, female))
        return self._by_sex(
            self._below(lower, f"{_REFERENCE}.lower").measured(value),
            self._higher_limit(
                self._higher_sex.stated(None), self._below(higher, f"{_REFERENCE}.higher").measured(value)
            ),
        )

    def _below(self, limit: Decimal, name: str) -> Criterion:
        """Return the criterion of a limit; there are as many as the reference has rows."""
        if (name, limit) not in self._references:
            self._references[name, limit] = self._criteria.below_reference(
                name, "anemia.reference", limit, _UNIT, _HEMOGLOBIN
            )
        return self._references[name, limit]
