"""Write what was judged as an answer: the grade, the bound that gave it, what is missing, what was assumed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from app.clinical.arithmetic import SIGNIFICANT_DIGITS, exact, plain, significant
from app.clinical.ctcae.believe import Numbers
from app.clinical.ctcae.bounds import Bound, at_15_digits
from app.clinical.ctcae.clinical_terms import ClinicalTerm, Way
from app.clinical.ctcae.conditions import NUMBERS
from app.clinical.ctcae.grades import decided, listed
from app.clinical.ctcae.laboratory_terms import LaboratoryTerm, Placement
from app.clinical.ctcae.models import GradeAnswer, GradeConversion
from app.clinical.ctcae.names import ListedName
from app.clinical.ctcae.scales import NOTHING, Band, Judged, Scale
from app.clinical.ctcae.terms import Graded, Version
from app.clinical.rulebook import Provenance
from app.clinical.rulebook.ctcae_terms import ReplacedRule
from app.clinical.units import Unit
from app.clinical.warning import Caution

WITHIN: Final = "no bound of a grade is reached"
NOT_OBSERVED: Final = "none of the term's criteria is met"
_BELOW: Final = "Nothing that was stated reaches the lowest grade that this term has."
NO_CAUTIONS: Final[tuple[Caution, ...]] = ()


class Verdict(NamedTuple):
    """A judgement in words; the part of an answer that depends on no number of the record."""

    grade: int | None
    possible_grades: tuple[int, ...]
    criterion: str | None
    reason: str | None
    missing: tuple[str, ...]
    assumptions: tuple[Caution, ...]
    warnings: tuple[Caution, ...]


def laboratory_verdict(scale: Scale, judged: Judged, stated: Iterable[str]) -> Verdict:
    """Put a scale's judgement into words; `stated` names the facts that were stated."""
    return _laboratory_verdict(scale, judged, frozenset(stated))


@lru_cache(maxsize=8192)
def _laboratory_verdict(scale: Scale, judged: Judged, stated: frozenset[str]) -> Verdict:
    grade = decided(judged.possible)
    if grade is None:
        return _open_verdict(judged, *_gap(scale.bands[judged.gap]) if judged.gap != NOTHING else (None, None))
    assumptions = list(_assumed(scale, judged))
    warnings = tuple(assumptions)
    alternatives = [n for n in scale.alternatives(judged.possible) if n not in stated]
    if grade and alternatives:
        assumptions.append(_alternatives(alternatives))
    criterion = scale.bands[judged.band].text if judged.band != NOTHING else WITHIN
    return Verdict(grade, (grade,), criterion, None, (), tuple(assumptions), warnings)


def clinical_verdict(term: ClinicalTerm, judged: Judged, stated: Iterable[str]) -> Verdict:
    """Put the judgement of a clinical term into words."""
    grade = decided(judged.possible)
    if grade is None:
        return _open_verdict(judged, *_gap(term.ways[judged.gap]) if judged.gap != NOTHING else (None, None))
    known = frozenset(stated)
    alternatives = [n for n in term.alternatives(judged.possible) if n not in known]
    assumptions = (_alternatives(alternatives),) if alternatives else ()
    if grade == 0 and term.rule.unmet == "below_lowest":
        warning = Caution(code="below_lowest_grade", message=_BELOW)
        return Verdict(None, (), None, _BELOW, (), assumptions, (warning,))
    criterion = term.ways[judged.band].text if judged.band != NOTHING else NOT_OBSERVED
    return Verdict(grade, (grade,), criterion, None, (), assumptions, NO_CAUTIONS)


def _gap(band: Band | Way) -> tuple[str, str]:
    return band.code, band.text


def _open_verdict(judged: Judged, code: str | None, text: str | None) -> Verdict:
    warnings = () if code is None or text is None else (Caution(code=code, message=text),)
    needs = f"Cannot be graded without: {', '.join(judged.missing)}." if judged.missing else None
    reason = " ".join(filter(None, (text, needs)))
    return Verdict(None, listed(judged.possible), None, reason, judged.missing, (), warnings)


def _assumed(scale: Scale, judged: Judged) -> Iterable[Caution]:
    if judged.assumption != NOTHING:
        rule = scale.assumptions[judged.assumption]
        yield Caution(code=rule.code, message=rule.message)


def _alternatives(names: Iterable[str]) -> Caution:
    text = f"Not stated, and so not counted although they could give a higher grade: {', '.join(names)}."
    return Caution(code="alternatives_not_stated", message=text)


class Value(NamedTuple):
    """A record's value in its canonical unit, and how its unit was handled."""

    value: float | None
    unit: str | None
    conversion: GradeConversion | None


def canonical(placement: Placement, value: float | None) -> Value:
    """Bring a value to its analyte's canonical unit for the answer."""
    unit, code = placement.unit, placement.analyte.canonical.code
    if unit is None or value is None:
        return Value(None, code, None)
    same_size = unit.multiply == unit.divide
    number = at_15_digits(value) if same_size else float(unit.to_canonical(value))
    plainly = unit is placement.analyte.canonical and not placement.is_converted
    return Value(number, code, None if plainly else _conversion(placement, unit, value, number))


def _conversion(placement: Placement, unit: Unit, value: float, number: float) -> GradeConversion:
    to, graded = placement.analyte.canonical.code, placement.graded or unit
    compared = placement.place_known(value)
    sent = f"{_plain(value)} {unit.code}"
    if placement.is_converted:
        text = f"{sent} = {_plain(compared)} {graded.code}, graded by the bounds printed for {graded.code}"
    else:
        how = "as a ratio" if placement.graded is None else f"by the bounds printed for {graded.code}"
        text = f"graded in {unit.code}, {how}; {sent} = {_plain(number)} {to}"
    return GradeConversion(value, unit.code, number, to, compared, graded.code, text)


def _plain(number: float) -> str:
    text = f"{number:.{SIGNIFICANT_DIGITS}g}"
    return plain(significant(exact(number))) if "e" in text else text


def working(placement: Placement, judged: Judged, numbers: Numbers) -> tuple[str, ...]:
    """Write the bounds of the band that gave the grade with the record's own numbers."""
    if judged.band == NOTHING:
        return ()
    unit = placement.graded or placement.unit
    code = "" if unit is None else f" x {unit.code}" if unit.code[:1].isdigit() else f" {unit.code}"
    return tuple(_worked(b, numbers, code) for b in placement.scale.bands[judged.band].bounds)


def _worked(test: Bound, numbers: Numbers, unit: str) -> str:
    comparison = test.comparison
    left, right = numbers[test.left], test.against(numbers)
    bound = "" if right is None or comparison.reference is None else f" = {_plain(at_15_digits(right))}"
    value = "" if left is None else f" {_plain(left)}"
    name = NUMBERS[test.left].replace("_", " ")
    return f"{name}{value} {comparison.operator} {comparison.bound_text}{bound}{unit}"


def answer(  # noqa: PLR0913 - one answer, its parts
    version: Version,
    term: Graded,
    verdict: Verdict,
    rules: Provenance,
    *,
    value: Value | None = None,
    steps: tuple[str, ...] = (),
    warnings: tuple[Caution, ...] = (),
    gradable: bool = True,
) -> GradeAnswer:
    """Write the answer of a graded term."""
    rule = term.rule
    number = value or Value(None, term.canonical_code if isinstance(term, LaboratoryTerm) else None, None)
    return GradeAnswer(
        rule.slug,
        rule.name,
        rule.meddra_code,
        rule.soc,
        version.version,
        gradable,
        verdict.grade,
        verdict.possible_grades,
        verdict.criterion,
        rule.direction,
        number.value,
        number.unit,
        number.conversion,
        steps,
        verdict.missing,
        verdict.reason,
        verdict.assumptions,
        warnings + verdict.warnings,
        rules,
    )


def listed_answer(version: Version, row: ListedName, grade: int | None) -> GradeAnswer:
    """Answer for a term that can be looked up and is not graded here: its grades, or the one that the caller states."""
    reason = None
    if grade is None:
        reason = (
            "This term is graded by clinical judgement; send the grade, and it is checked against those that exist."
        )
    return _ungraded(version, row, grade, reason)


def no_term_answer(version: Version, rule: ReplacedRule) -> GradeAnswer:
    """Answer for something that CTCAE has no term for."""
    return _ungraded(version, ListedName(rule.slug, rule.name, "", ()), None, rule.text)


def _ungraded(version: Version, name: ListedName, grade: int | None, reason: str | None) -> GradeAnswer:
    return GradeAnswer(
        name.slug,
        name.name,
        None,
        name.soc or None,
        version.version,
        False,  # noqa: FBT003 - gradable
        grade,
        name.grades if grade is None else (grade,),
        None if grade is None else STATED,
        None,
        None,
        None,
        None,
        (),
        (),
        reason,
        (),
        () if grade is None else (STATED_GRADE,),
        version.provenance,
    )


STATED: Final = "as stated by the caller"
STATED_GRADE: Final = Caution(
    code="stated_grade_not_derived",
    message="The grade is the caller's: the term has this grade, and nothing was sent to derive it from.",
)


def stated_verdict(grade: int) -> Verdict:
    """Take a grade from the caller, where nothing was sent to derive one from."""
    return Verdict(grade, (grade,), STATED, None, (), (), (STATED_GRADE,))


def disagreement(stated: int | None, verdict: Verdict) -> tuple[Caution, ...]:
    """Warn where the caller's grade is not the one that was derived."""
    if stated is None or stated == verdict.grade:
        return ()
    if verdict.grade is None and (stated in verdict.possible_grades or not verdict.possible_grades):
        return ()
    text = "The stated grade is not the one that follows from what was sent; the derived grade is answered."
    return (Caution(code="stated_grade_disagrees", message=text),)
