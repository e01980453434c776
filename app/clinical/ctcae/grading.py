"""Grade one record: find the term, check what was sent, judge, answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from app.clinical.arithmetic import exact
from app.clinical.ctcae.answers import (
    NO_CAUTIONS,
    Value,
    answer,
    canonical,
    clinical_verdict,
    disagreement,
    laboratory_verdict,
    listed_answer,
    no_term_answer,
    stated_verdict,
    working,
)
from app.clinical.ctcae.believe import Numbers, believe, contradicted, contradiction
from app.clinical.ctcae.clinical_terms import ClinicalTerm
from app.clinical.ctcae.laboratory_terms import LaboratoryTerm, Placement
from app.clinical.ctcae.limits import Limits
from app.clinical.ctcae.models import AnalyteAnswer, GradeAnswer, GradeRecord
from app.clinical.ctcae.names import ListedName
from app.clinical.ctcae.scales import NOTHING, Judged
from app.clinical.ctcae.terms import PEDIATRIC, Found, Graded, Version, Versions
from app.clinical.quantities import Quantities
from app.clinical.reference_limits import ReferenceLimits
from app.clinical.refusal import InputError, RefusedInputError
from app.clinical.rulebook import Rulebook
from app.clinical.rulebook.ctcae_terms import ReplacedRule
from app.clinical.warning import Caution

_LABORATORY_FIELDS: Final = (
    "value",
    "unit",
    "lower_limit",
    "upper_limit",
    "baseline",
    "mi_cutoff",
    "limits",
    "analyte",
)
_TERM_OR_ANALYTE: Final = "Send either term or analyte."
_KEPT: Final = 4096


class Grader:
    """Grades records by any CTCAE version of the rulebook."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.quantities = Quantities(rulebook)
        self.versions = Versions(rulebook, self.quantities)
        self.facts = self.versions.facts()
        self._limits = Limits(ReferenceLimits(rulebook))
        self.placement = lru_cache(maxsize=_KEPT)(_placement)

    def grade(self, record: GradeRecord, *, version: Version | None = None) -> GradeAnswer | AnalyteAnswer:
        """Grade one record, by its term or by every term of its analyte; `version` is that of its batch.

        Raises `RefusedInputError` naming every field at fault and what is allowed.
        """
        version = self._version(record, version)
        self.quantities.check("age_years", record.age_years, "/age_years", override=record.override_plausibility)
        if (record.term is None) == (record.analyte is None):
            raise RefusedInputError(InputError("/term", "field_missing", _TERM_OR_ANALYTE, ("term", "analyte")))
        if record.term is not None:
            return self._by_term(version, version.find(record.term), record)
        return self._by_analyte(version, record)

    def _version(self, record: GradeRecord, batch: Version | None) -> Version:
        if batch is None:
            return self.versions(record.version)
        if record.version is not None and record.version != batch.version:
            message = "The batch is graded by one version; leave the record's version out, or send it in another batch."
            raise RefusedInputError(InputError("/version", "version_conflict", message, (batch.version,)))
        return batch

    def _by_term(self, version: Version, found: Found, record: GradeRecord) -> GradeAnswer:
        term = found.meant
        if isinstance(term, ReplacedRule):
            return no_term_answer(version, term)
        facts = self._stated(record)
        if isinstance(term, ListedName):
            return self._listed(version, term, record, facts)
        _refuse_grade(record.grade, term.rule.grades)
        warnings = NO_CAUTIONS if found.caution is None else (found.caution,)
        _refuse_foreign(version, term, record, facts)
        if record.grade is not None and not facts and record.value is None:
            return answer(version, term, stated_verdict(record.grade), version.provenance, warnings=warnings)
        if isinstance(term, ClinicalTerm):
            return self._clinical(version, term, record, facts, warnings)
        return self._laboratory(version, term, record, facts, warnings)

    def _by_analyte(self, version: Version, record: GradeRecord) -> AnalyteAnswer:
        analyte = self.quantities.analyte(record.analyte or "", "/analyte")
        terms = version.by_analyte.get(analyte.slug)
        if terms is None:
            message = f"No term of version {version.version} grades {analyte.label}."
            raise RefusedInputError(InputError("/analyte", "analyte_not_graded", message, tuple(version.by_analyte)))
        facts = self._stated(record)
        _refuse_foreign(version, terms[0], record, facts)
        if record.grade is not None:
            message = "A stated grade belongs to one term; send the term instead of the analyte."
            raise RefusedInputError(InputError("/grade", "field_not_used", message))
        results = tuple(self._laboratory(version, t, record, facts, NO_CAUTIONS, analyte=analyte.slug) for t in terms)
        warnings = tuple(dict.fromkeys(w for r in results for w in r.warnings))
        return AnalyteAnswer(analyte.slug, version.version, results, warnings, results[0].rules)

    def _stated(self, record: GradeRecord) -> dict[str, Any]:
        """Return the facts that a record states, by name."""
        sent = record.model_fields_set & self.facts.keys()
        return {n: v for n in sorted(sent) if (v := getattr(record, n)) is not None}

    @staticmethod
    def _listed(version: Version, row: ListedName, record: GradeRecord, facts: Mapping[str, Any]) -> GradeAnswer:
        sent = [n for n in _LABORATORY_FIELDS if getattr(record, n) is not None]
        _refuse_fields((*sent, *facts), row.name, ("grade",))
        _refuse_grade(record.grade, row.grades)
        return listed_answer(version, row, record.grade)

    def _clinical(
        self,
        version: Version,
        term: ClinicalTerm,
        record: GradeRecord,
        facts: Mapping[str, Any],
        warnings: tuple[Caution, ...],
    ) -> GradeAnswer:
        _refuse_contradiction(term.contradicted(facts))
        place = term.route(facts)
        if place != NOTHING:
            return self._routed(version, term, place, warnings)
        verdict = clinical_verdict(term, term.judge(facts), facts)
        warnings += disagreement(record.grade, verdict)
        return answer(version, term, verdict, version.provenance, warnings=warnings)

    @staticmethod
    def _routed(version: Version, term: ClinicalTerm, place: int, warnings: tuple[Caution, ...]) -> GradeAnswer:
        _, route = term.routes[place]
        caution = Caution(code="use_other_term", message=f"{route.text} Use {route.to}.")
        verdict = clinical_verdict(term, Judged(0), ())._replace(reason=route.text)
        return answer(version, term, verdict, version.provenance, warnings=(*warnings, caution), gradable=False)

    def _laboratory(  # noqa: PLR0913 - one record and its term
        self,
        version: Version,
        term: LaboratoryTerm,
        record: GradeRecord,
        facts: Mapping[str, Any],
        warnings: tuple[Caution, ...],
        *,
        analyte: str | None = None,
    ) -> GradeAnswer:
        placement = self.placement(term, record.unit, analyte)
        stated = self._with_age(version, record, facts)
        if placement is None or record.value is None:
            return self._incomplete(version, term, record, placement, warnings)
        limits = self._limits(placement, record)
        numbers = Numbers(record.value, limits.lower, limits.upper, record.baseline, record.mi_cutoff)
        warnings += limits.warnings + believe(placement, numbers, override=record.override_plausibility)
        warnings += contradicted(placement, numbers, stated) + _age_contradicted(version, record, placement, facts)
        judged, verdict = judge(placement, numbers, stated)
        warnings += placement.scale.cautions_of(judged.possible, stated)
        if placement.stand_in is not None:
            warnings += (Caution(code=placement.stand_in.code, message=placement.stand_in.message),)
        rules = version.provenance if limits.rules is None else version.rules.provenance(limits.rules)
        return answer(
            version,
            term,
            verdict,
            rules,
            value=canonical(placement, record.value),
            steps=working(placement, judged, placed(placement, numbers)),
            warnings=warnings + disagreement(record.grade, verdict),
        )

    @staticmethod
    def _with_age(version: Version, record: GradeRecord, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        if record.age_years is None or PEDIATRIC in facts:
            return facts
        return {**facts, PEDIATRIC: exact(record.age_years) < version.pediatric_below}

    @staticmethod
    def _incomplete(
        version: Version,
        term: LaboratoryTerm,
        record: GradeRecord,
        placement: Placement | None,
        warnings: tuple[Caution, ...],
    ) -> GradeAnswer:
        missing = [n for n, absent in (("value", record.value is None), ("unit", placement is None)) if absent]
        possible = term.reachable if placement is None else placement.scale.reachable
        verdict = laboratory_verdict(term.scales[0], Judged(possible, missing=tuple(missing)), ())
        value = Value(None, term.canonical_code, None)
        return answer(version, term, verdict, version.provenance, value=value, warnings=warnings)


def _age_contradicted(
    version: Version, record: GradeRecord, placement: Placement, facts: Mapping[str, Any]
) -> tuple[Caution, ...]:
    """Warn where a term asks whether the patient is a child, and what is stated is not what the age says."""
    said = facts.get(PEDIATRIC)
    if said is None or record.age_years is None or PEDIATRIC not in placement.scale.facts:
        return NO_CAUTIONS
    return NO_CAUTIONS if said is (exact(record.age_years) < version.pediatric_below) else (contradiction(PEDIATRIC),)


def placed(placement: Placement, numbers: Numbers) -> Numbers:
    """Bring a record's numbers to the scale."""
    return Numbers(*map(placement.place, numbers)) if placement.is_converted else numbers


def judge(placement: Placement, numbers: Numbers, stated: Mapping[str, Any]) -> tuple[Judged, Any]:
    """Judge a laboratory record and put the judgement into words."""
    judged = placement.scale.judge(placed(placement, numbers), stated)
    return judged, laboratory_verdict(placement.scale, judged, stated)


def _placement(term: LaboratoryTerm, unit: str | None, analyte: str | None) -> Placement | None:
    """Return the scale for a unit as sent; None when a unit is needed and none was sent.

    Raises `RefusedInputError`: `unit_unknown` with the codes that are allowed.
    """
    if unit is None:
        return term.without_unit(analyte)
    found = term.with_unit(unit, analyte)
    if found is None:
        message = f"This is not a unit of {term.rule.name} known here; it is not guessed."
        raise RefusedInputError(InputError("/unit", "unit_unknown", message, term.unit_codes(analyte)))
    return found


def _refuse_grade(grade: int | None, grades: tuple[int, ...]) -> None:
    if grade and grade not in grades:
        message = "The term does not have this grade."
        raise RefusedInputError(InputError("/grade", "grade_not_in_term", message, tuple(map(str, grades))))


def _refuse_foreign(version: Version, term: Graded, record: GradeRecord, facts: Mapping[str, Any]) -> None:
    """Refuse what the term does not ask for: a fact of another term must never pass as if it had counted."""
    if isinstance(term, LaboratoryTerm):
        _refuse_fields(
            [n for n in facts if n not in version.laboratory_facts], term.rule.name, _facts_of(version, term)
        )
        return
    sent = [n for n in _LABORATORY_FIELDS if getattr(record, n) is not None]
    _refuse_fields([*sent, *(n for n in facts if n not in term.facts)], term.rule.name, term.facts)


def _facts_of(version: Version, term: LaboratoryTerm) -> tuple[str, ...]:
    return tuple(dict.fromkeys(n for s in term.scales for n in s.facts if n in version.facts))


def _refuse_contradiction(names: tuple[str, ...]) -> None:
    """Refuse facts that no event has at once: the grade would rest on the one that is wrong."""
    if names:
        message = f"{' and '.join(names)} contradict each other: correct one, or leave out the one that is not known."
        raise RefusedInputError(*(InputError(f"/{name}", "contradiction", message) for name in names))


def _refuse_fields(names: tuple[str, ...] | list[str], term: str, allowed: tuple[str, ...]) -> None:
    if names:
        raise RefusedInputError(*_foreign(names, term, allowed))


def _foreign(names: tuple[str, ...] | list[str], term: str, allowed: tuple[str, ...]) -> Iterator[InputError]:
    for name in names:
        yield InputError(f"/{name}", "field_not_of_term", f"{term} is not graded by this field.", allowed)
