"""One printed scale of a laboratory term: numbers and facts in, the grades that remain out.

What is missing stays unknown: a band whose conditions cannot all be tested may or may not hold, and facts that were
not stated are tried both ways. `app.clinical.ctcae.bulk` does the same in columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Final, NamedTuple

from app.clinical.ctcae.bounds import Bound, Numbers, bound
from app.clinical.ctcae.conditions import BASELINE, NUMBERS, Condition, Flag, comparisons, flags, parse
from app.clinical.ctcae.grades import WITHIN_LIMITS, bits, decided, outcome
from app.clinical.rulebook.ctcae_terms import AssumptionRule, BandRule, CtcaeTermRule, DerivedRule, ScaleRule
from app.clinical.warning import Caution

Facts = Mapping[str, bool | None]
NOTHING: Final = -1
_VALUE_AT: Final = 0
_BASELINE_AT: Final = NUMBERS.index(BASELINE)


class Band(NamedTuple):
    """A way to one grade (or, for a gap, to the grades on its two sides)."""

    grades: int
    is_gap: bool
    bounds: tuple[Bound, ...]
    facts: tuple[Flag, ...]
    text: str
    code: str


class Derived(NamedTuple):
    """A fact that follows from numbers or from another fact unless it is stated."""

    fact: str
    true_bounds: tuple[Bound, ...]
    false_bounds: tuple[Bound, ...]
    false_facts: tuple[Flag, ...]

    @property
    def bounds(self) -> tuple[Bound, ...]:
        """Return every comparison the fact may follow from."""
        return self.true_bounds + self.false_bounds


class Judged(NamedTuple):
    """What remains possible, and why: positions of the band, gap and assumption in their scale, or -1."""

    possible: int
    band: int = NOTHING
    gap: int = NOTHING
    assumption: int = NOTHING
    missing: tuple[str, ...] = ()


class _View(NamedTuple):
    """How missing numbers are read while a record is judged: strictly, or under one assumption."""

    without_baseline: bool = False
    beyond_baseline: bool = False


_STRICT: Final = _View()
_VIEWS: Final = {
    "baseline_absent": _View(without_baseline=True),
    "limit_beyond_baseline": _View(beyond_baseline=True),
}


class Scale:
    """A compiled scale. Built once; `judge` touches plain attributes only."""

    def __init__(self, term: CtcaeTermRule, rule: ScaleRule) -> None:
        self.unit = rule.unit
        self.unit_optional = rule.unit_optional or rule.unit is None
        self.note = rule.note
        self.bands = tuple(_bands(rule))
        self.assumptions = term.assumption
        self.cautions = tuple((c, Caution(code=c.code, message=c.message)) for c in rule.caution)
        self.optional = frozenset(term.optional)
        self.derived = {d.fact: d for d in map(_derived, term.derived)}
        named = (f.name for b in self.bands for f in b.facts)
        self.facts = tuple(dict.fromkeys(named))
        self.gaps = bits(p for p, b in enumerate(self.bands) if b.is_gap)
        self.reachable = bits(g for r in rule.band for g in (r.grade,)) | WITHIN_LIMITS

    def alternatives(self, grade: int) -> tuple[str, ...]:
        """Name the facts that count only when stated and could give more than a grade (as a bit)."""
        higher = (f for b in self.bands if not b.is_gap and b.grades > grade for f in b.facts)
        names = (f.name for f in higher if f.name in self.optional and f.name not in self.derived)
        return tuple(dict.fromkeys(names))

    def judge(self, numbers: Numbers, stated: Facts) -> Judged:
        """Judge one record: `numbers` as in `NUMBERS`, in the unit of the scale, with a value."""
        strict = self._judge(numbers, stated, _STRICT)
        if decided(strict.possible) is not None:
            return strict
        missing = strict.missing
        for place, assumption in enumerate(self.assumptions):
            if self._applies(assumption, numbers, stated):
                assumed = self._judge(numbers, stated, _VIEWS[assumption.kind])
                grade = decided(assumed.possible)
                if grade is None:
                    missing = assumed.missing
                elif grade >= assumption.minimum_grade:
                    return assumed._replace(assumption=place)
        return strict._replace(missing=missing)

    def judge_strictly(self, numbers: Numbers, stated: Facts) -> Judged:
        """Judge one record and assume nothing of what is missing."""
        return self._judge(numbers, stated, _STRICT)

    def cautions_of(self, possible: int, stated: Facts) -> tuple[Caution, ...]:
        """Return what is said of grades that remain, beside a fact that is known to be true."""
        return tuple(c for r, c in self.cautions if stated.get(r.fact) is True and possible >> r.minimum_grade)

    def contradicted(self, numbers: Numbers, stated: Facts) -> tuple[str, ...]:
        """Name the stated facts of which the record's own numbers say the opposite; the statements count."""
        return tuple(n for n in self.facts if n in self.derived and self._is_contradicted(n, numbers, stated))

    def _is_contradicted(self, name: str, numbers: Numbers, stated: Facts) -> bool:
        follows = _derive(self.derived[name], numbers, stated, _STRICT)
        said = stated.get(name)
        return said is not None and follows is not None and said is not follows

    @property
    def tests(self) -> tuple[Bound, ...]:
        """Return every comparison that a strict judgement may rest on, each once."""
        banded = (b for band in self.bands for b in band.bounds)
        derived = (b for d in self.derived.values() for b in d.bounds)
        return tuple(dict.fromkeys((*banded, *derived)))

    @staticmethod
    def _applies(assumption: AssumptionRule, numbers: Numbers, stated: Facts) -> bool:
        absent = numbers[_BASELINE_AT] is None
        wanted = assumption.kind == "baseline_absent"
        return absent is wanted and all(stated.get(name) is None for name in assumption.unless)

    def _judge(self, numbers: Numbers, stated: Facts, view: _View) -> Judged:
        facts = {name: self._fact(name, numbers, stated, view) for name in self.facts}
        status = [self._status(band, numbers, facts, view) for band in self.bands]
        unknown = self._unknown(status, facts)
        possible = fired = 0
        in_gap = True
        for values in product((False, True), repeat=len(unknown)):
            tried = facts | dict(zip(unknown, values, strict=True))
            remaining, holding = self._outcome(status, tried)
            possible |= remaining
            fired |= holding
            in_gap = in_gap and bool(holding & self.gaps)
        if decided(possible) is not None:
            return Judged(possible, self._fired(possible, fired))
        return Judged(
            possible, gap=self._gap(fired) if in_gap else NOTHING, missing=self._missing(numbers, status, unknown)
        )

    def _fact(self, name: str, numbers: Numbers, stated: Facts, view: _View) -> bool | None:
        value = stated.get(name)
        if value is None and (derived := self.derived.get(name)) is not None:
            value = _derive(derived, numbers, stated, view)
        return False if value is None and name in self.optional else value

    @staticmethod
    def _status(band: Band, numbers: Numbers, facts: Facts, view: _View) -> bool | None:
        """Say whether a band's comparisons hold; a stated fact that speaks against it settles it."""
        if any(facts[f.name] is (not f.wanted) for f in band.facts):
            return False
        return _all(_test(b, numbers, view) for b in band.bounds)

    def _unknown(self, status: Sequence[bool | None], facts: Facts) -> tuple[str, ...]:
        names = (f.name for b, s in zip(self.bands, status, strict=True) if s is not False for f in b.facts)
        return tuple(dict.fromkeys(n for n in names if facts[n] is None))

    def _outcome(self, status: Sequence[bool | None], facts: Facts) -> tuple[int, int]:
        """Return what remains under these facts, and the places of the bands that hold as bits."""
        met = perhaps = gap = perhaps_gap = holding = 0
        for place, (band, holds) in enumerate(zip(self.bands, status, strict=True)):
            if holds is False or any(facts[f.name] is not f.wanted for f in band.facts):
                continue
            holding |= (holds is True) << place
            if band.is_gap:
                gap, perhaps_gap = (gap | band.grades, perhaps_gap) if holds else (gap, perhaps_gap | band.grades)
            else:
                met, perhaps = (met | band.grades, perhaps) if holds else (met, perhaps | band.grades)
        return outcome(met, perhaps, gap, perhaps_gap), holding

    def _fired(self, possible: int, fired: int) -> int:
        places = (p for p, b in enumerate(self.bands) if fired >> p & 1 and b.grades == possible)
        return next(places, NOTHING)

    def _gap(self, fired: int) -> int:
        return next((p for p, b in enumerate(self.bands) if b.is_gap and fired >> p & 1), NOTHING)

    def _missing(self, numbers: Numbers, status: Sequence[bool | None], unknown: Sequence[str]) -> tuple[str, ...]:
        """Name what would have to be known, in the order of a record's fields."""
        names = {
            n
            for b, s in zip(self.bands, status, strict=True)
            if s is None
            for x in b.bounds
            for n in x.missing(numbers)
        }
        for fact in unknown:
            derived = self.derived.get(fact)
            sources = {n for b in derived.bounds for n in b.missing(numbers)} if derived else set()
            names |= sources or {fact}
        ordered = dict.fromkeys((*NUMBERS, *self.facts, *sorted(names)))
        return tuple(n for n in ordered if n in names)


def _all(tests: Iterator[bool | None]) -> bool | None:
    """AND of three-valued tests."""
    result: bool | None = True
    for test in tests:
        if test is False:
            return False
        if test is None:
            result = None
    return result


def _test(test: Bound, numbers: Numbers, view: _View) -> bool | None:
    known = test.test(numbers)
    if known is not None:
        return known
    if view.without_baseline and BASELINE in test.missing(numbers):
        return False
    if view.beyond_baseline and test.left == _VALUE_AT and test.is_against_limit:
        return None if _beyond(test, numbers) else False
    return None


def _beyond(test: Bound, numbers: Numbers) -> bool:
    """Say whether the comparison holds against the baseline, beyond which the missing limit lies."""
    return test._replace(reference=_BASELINE_AT).test(numbers) is not False


def _derive(derived: Derived, numbers: Numbers, stated: Facts, view: _View) -> bool | None:
    if derived.true_bounds:
        follows = _all(_test(b, numbers, view) for b in derived.true_bounds)
        if follows is not None:
            return follows
    if not derived.false_bounds and not derived.false_facts:
        return None
    if any(stated.get(f.name) is not f.wanted for f in derived.false_facts):
        return None
    return False if _all(_test(b, numbers, view) for b in derived.false_bounds) else None


def _derived(rule: DerivedRule) -> Derived:
    true_when, false_when = tuple(map(parse, rule.true_when)), tuple(map(parse, rule.false_when))
    return Derived(
        rule.fact,
        tuple(map(bound, comparisons(true_when))),
        tuple(map(bound, comparisons(false_when))),
        flags(false_when),
    )


def _bands(rule: ScaleRule) -> Iterator[Band]:
    for band in sorted(rule.band, key=lambda b: b.grade):
        yield _band(bits((band.grade,)), band.when, band_text(band))
    for gap in rule.gap:
        yield _band(bits(gap.grades), gap.when, gap.text, gap.code)


def _band(grades: int, when: Sequence[str], text: str, code: str = "") -> Band:
    conditions = tuple(map(parse, when))
    return Band(grades, bool(code), tuple(map(bound, comparisons(conditions))), flags(conditions), text, code)


def band_text(band: BandRule) -> str:
    """Write how a band is met for people: its own text, or its conditions in words."""
    if band.text is not None:
        return band.text
    conditions: tuple[Condition, ...] = tuple(map(parse, band.when))
    numbers = " and ".join(c.text for c in comparisons(conditions))
    return "; ".join(filter(None, (numbers, *(f.text for f in flags(conditions)))))
