"""Clinical terms: graded from the facts that a caller states about the event.

Every fact has finitely many cells: yes and no, the words of a choice, the stretches between the numbers that its bands
compare with. What was not stated is tried in every cell, so that the grades that remain are exactly those that some
answer to the open questions would give; cells that no event has at once are left out. Facts that are mere alternatives
("limits self care") count when stated only.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise, product
from typing import Any, Final, NamedTuple

from app.clinical.arithmetic import exact
from app.clinical.ctcae.conditions import Choice, Comparison, Condition, Flag, parse
from app.clinical.ctcae.grades import WITHIN_LIMITS, bits, decided, outcome
from app.clinical.ctcae.scales import NOTHING, Judged, band_text
from app.clinical.rulebook.ctcae_terms import CtcaeTermRule, DerivedRule, FactRule
from app.clinical.rulebook.model import Operator

Stated = bool | float | str | Decimal | None
Cell = bool | str | Decimal
Cells = Mapping[str, Cell | None]

_HOLDS: Final[Mapping[Operator, Callable[[Any, Any], bool]]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_YES_OR_NO: Final = (False, True)
_KEPT: Final = 4096


class Way(NamedTuple):
    """A way to one grade (or, for a gap, to the grades on its two sides)."""

    grades: int
    is_gap: bool
    conditions: tuple[Condition, ...]
    text: str
    code: str


class Question(NamedTuple):
    """A fact that the bands ask for, and the cells in which it can lie."""

    name: str
    cells: tuple[Cell, ...]
    points: tuple[Decimal, ...]

    def cell(self, value: Stated) -> Cell | None:
        """Return the cell of a stated value; a number is represented by a point of its stretch."""
        if value is None or isinstance(value, bool | str):
            return value
        number = exact(value)
        return next(c for c in self.cells if isinstance(c, Decimal) and self._alike(number, c))

    def _alike(self, number: Decimal, cell: Decimal) -> bool:
        return all((number > p, number < p) == (cell > p, cell < p) for p in self.points)


class ClinicalTerm:
    """A compiled clinical term. Built once; `judge` answers each combination of cells from memory."""

    def __init__(self, rule: CtcaeTermRule, facts: Mapping[str, FactRule]) -> None:
        self.rule = rule
        self.ways = tuple(_ways(rule))
        self._gaps = bits(p for p, w in enumerate(self.ways) if w.is_gap)
        self.routes = tuple((tuple(map(parse, r.when)), r) for r in rule.route)
        self.optional = frozenset(rule.optional)
        self.derived = {d.fact: d for d in rule.derived}
        self._exclusive = tuple(_exclusive(rule))
        self.differences = {d.fact: d for d in rule.difference}
        asked = dict.fromkeys(_asked(rule))
        self.questions = tuple(self._question(n, facts) for n in asked if n not in self.derived)
        sources = (n for d in rule.difference for n in (d.minuend, d.subtrahend))
        stated = (n for n in asked if n not in self.derived and n not in self.differences)
        self.facts = tuple(dict.fromkeys((*stated, *sources)))
        self._open = tuple(q for q in self.questions if q.name not in self.optional)
        self._judge_cells = lru_cache(maxsize=_KEPT)(self._judge)

    def alternatives(self, grade: int) -> tuple[str, ...]:
        """Name the facts that count only when stated and could give more than a grade (as a bit)."""
        higher = (_name(c) for w in self.ways if not w.is_gap and w.grades > grade for c in w.conditions)
        asked = {q.name for q in self.questions}
        names = (s for n in higher if n in self.optional for s in self._sources(n) if s == n or s not in asked)
        return tuple(dict.fromkeys(names))

    def judge(self, stated: Mapping[str, Stated]) -> Judged:
        """Judge an event by the facts stated about it; of an event of which nothing is stated, anything is possible."""
        if not stated:
            every = tuple(dict.fromkeys(s for q in self._open for s in self._sources(q.name)))
            return Judged(bits(self.rule.grades) | WITHIN_LIMITS, missing=every)
        known = {q.name: q.cell(self._value(q.name, stated)) for q in self.questions}
        return self._judge_cells(tuple(known.values()))

    def route(self, stated: Mapping[str, Stated]) -> int:
        """Return the place of the route that leads to another term, or -1."""
        cells = {q.name: q.cell(self._value(q.name, stated)) for q in self.questions}
        places = (i for i, (when, _) in enumerate(self.routes) if all(self._holds(c, cells) for c in when))
        return next(places, NOTHING)

    def contradicted(self, stated: Mapping[str, Stated]) -> tuple[str, ...]:
        """Name stated facts that no event has at once; of such an event nothing is possible."""
        if not self._exclusive:
            return ()
        return self._contradicted({q.name: q.cell(self._value(q.name, stated)) for q in self.questions})

    def _question(self, name: str, facts: Mapping[str, FactRule]) -> Question:
        fact = facts.get(name)
        if fact is None and name not in self.differences:
            raise ValueError(f"fact {name!r} is not among the file's facts")
        if fact is not None and fact.kind == "boolean":
            return Question(name, _YES_OR_NO, ())
        if fact is not None and fact.kind == "choice":
            return Question(name, fact.values, ())
        conditions = (c for c in self._conditions() if isinstance(c, Comparison))
        points = sorted({c.offset for c in conditions if c.left == name})
        ends = (None, None) if fact is None else (fact.low, fact.high)
        return Question(name, tuple(_stretches(points, *ends)), tuple(points))

    def _value(self, name: str, stated: Mapping[str, Stated]) -> Stated:
        difference = self.differences.get(name)
        if difference is None:
            return stated.get(name)
        sent = (stated.get(n) for n in (difference.minuend, difference.subtrahend))
        match [exact(n) for n in sent if isinstance(n, int | float)]:
            case [of, less]:
                return of - less
            case _:
                return None

    def _judge(self, known: tuple[Cell | None, ...]) -> Judged:
        cells: dict[str, Cell | None] = dict(zip((q.name for q in self.questions), known, strict=True))
        unknown = [q for q in self._open if cells[q.name] is None]
        found: dict[tuple[str, Cell], int] = {}
        possible = fired = 0
        always = -1  # the ways that hold whatever the open answers are: these name the fact that was stated
        in_gap = True
        for values in product(*(q.cells for q in unknown)):
            tried = cells | dict(zip((q.name for q in unknown), values, strict=True))
            if self._contradicted(tried):
                continue
            remaining, holding = self._outcome(tried)
            possible |= remaining
            fired |= holding
            always &= holding
            in_gap = in_gap and bool(holding & self._gaps)
            for question, value in zip(unknown, values, strict=True):
                found[question.name, value] = found.get((question.name, value), 0) | remaining
        if decided(possible) is not None:
            return Judged(possible, self._deciding(possible, always, fired))
        matter = {name for (name, _), remaining in found.items() if remaining != possible}
        missing = (n for q in unknown if q.name in matter for n in self._sources(q.name) if cells.get(n) is None)
        gap = self._first(fired, lambda w: w.is_gap) if in_gap else NOTHING
        return Judged(possible, gap=gap, missing=tuple(dict.fromkeys(missing)))

    def _sources(self, name: str) -> tuple[str, ...]:
        difference = self.differences.get(name)
        return (name,) if difference is None else (difference.minuend, difference.subtrahend)

    def _outcome(self, cells: Cells) -> tuple[int, int]:
        met = gap = holding = 0
        for place, way in enumerate(self.ways):
            if all(self._holds(c, cells) for c in way.conditions):
                holding |= 1 << place
                met, gap = (met, gap | way.grades) if way.is_gap else (met | way.grades, gap)
        return outcome(met, 0, gap, 0), holding

    def _deciding(self, grade: int, *fired: int) -> int:
        places = (self._first(ways, lambda w: w.grades == grade) for ways in fired)
        return next((place for place in places if place != NOTHING), NOTHING)

    def _first(self, fired: int, wanted: Callable[[Way], bool]) -> int:
        return next((p for p, w in enumerate(self.ways) if fired >> p & 1 and wanted(w)), NOTHING)

    def _holds(self, condition: Condition, cells: Cells) -> bool:
        """Say whether a condition holds; a fact that was not stated does not meet it."""
        if isinstance(condition, Flag):
            return self._flag(condition.name, cells) is condition.wanted
        if isinstance(condition, Choice):
            return cells[condition.name] in condition.values
        value = cells[condition.left]
        return value is not None and _HOLDS[condition.operator](value, condition.offset)

    def _flag(self, name: str, cells: Cells) -> bool:
        derived = self.derived.get(name)
        if derived is None:
            return cells[name] is True
        ruled_out = self._all(derived.false_when, cells) if derived.false_when else False
        return not ruled_out and self._all(derived.true_when, cells)

    def _contradicted(self, cells: Cells) -> tuple[str, ...]:
        return next((names for names, conditions in self._exclusive if self._all(conditions, cells)), ())

    def _all(self, conditions: Iterable[str], cells: Cells) -> bool:
        return all(self._holds(parse(c), cells) for c in conditions)

    def _conditions(self) -> Iterator[Condition]:
        for way in self.ways:
            yield from way.conditions
        for when, _ in self.routes:
            yield from when
        for derived in self.rule.derived:
            yield from map(parse, (*derived.true_when, *derived.false_when))


def _ways(rule: CtcaeTermRule) -> Iterator[Way]:
    for band in sorted(rule.band, key=lambda b: b.grade):
        yield _way(bits((band.grade,)), band.when, band_text(band))
    for gap in rule.gap:
        yield _way(bits(gap.grades), gap.when, gap.text, gap.code)


def _way(grades: int, when: Iterable[str], text: str, code: str = "") -> Way:
    return Way(grades, bool(code), tuple(map(parse, when)), text, code)


def _exclusive(rule: CtcaeTermRule) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Yield names and conditions of which no event meets all: they would make one fact both true and false."""
    for derived in rule.derived:
        if derived.true_when and derived.false_when:
            conditions = (*derived.true_when, *derived.false_when)
            yield tuple(dict.fromkeys(_name(parse(c)) for c in conditions)), conditions


def _asked(rule: CtcaeTermRule) -> Iterator[str]:
    """Name every fact in the order in which the bands ask for it."""
    derived: dict[str, DerivedRule] = {d.fact: d for d in rule.derived}
    every = (*(b.when for b in rule.band), *(g.when for g in rule.gap), *(r.when for r in rule.route))
    for text in (t for when in every for t in when):
        name = _name(parse(text))
        if name in derived:
            yield from (_name(parse(t)) for t in (*derived[name].true_when, *derived[name].false_when))
        else:
            yield name


def _name(condition: Condition) -> str:
    return condition.left if isinstance(condition, Comparison) else condition.name


def _stretches(points: Sequence[Decimal], low: Decimal | None, high: Decimal | None) -> Iterator[Decimal]:
    """Yield every point, and one number from each stretch before, between and after them."""
    first, last = points[0], points[-1]
    if low is None or low < first:
        yield first - 1
    yield from points
    yield from ((a + b) / 2 for a, b in pairwise(points))
    if high is None or high > last:
        yield last + 1
