"""One scale over many rows: what `scales.Scale.judge` does for one record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.clinical.ctcae.bounds import NEAR, Bound, order
from app.clinical.ctcae.bulk.truth import (
    DECIDED,
    GRADE,
    UNKNOWN,
    Bits,
    Facts,
    Floats,
    Mask,
    Places,
    Truth,
    added,
    both,
    remaining,
)
from app.clinical.ctcae.conditions import BASELINE, NUMBERS, VALUE
from app.clinical.ctcae.scales import NOTHING, Band, Derived, Scale


class _View(NamedTuple):
    without_baseline: bool = False
    beyond_baseline: bool = False


_STRICT: Final = _View()
_VIEWS: Final = {
    "baseline_absent": _View(without_baseline=True),
    "limit_beyond_baseline": _View(beyond_baseline=True),
}


_COMPARE: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    ">": np.greater,
    ">=": np.greater_equal,
    "<": np.less,
    "<=": np.less_equal,
}
_VALUE_AT: Final = NUMBERS.index(VALUE)
_BASELINE_AT: Final = NUMBERS.index(BASELINE)


class Rows(NamedTuple):
    """The rows of one scale: numbers in its unit, facts, how many there are, and how far their ties can be trusted.

    `ties`: "exact" for numbers as sent; "shifted" where the unit moved the decimal point only; "rounded" else.
    """

    numbers: Sequence[Floats | None]
    facts: Mapping[str, Facts]
    size: int
    ties: Literal["exact", "shifted", "rounded"]

    def part(self, rows: NDArray[np.intp]) -> Rows:
        """Return some of the rows."""
        numbers = [None if c is None else c[rows] for c in self.numbers]
        return Rows(numbers, {n: c[rows] for n, c in self.facts.items()}, len(rows), self.ties)


class ScaleInColumns:
    """One scale over many rows: `scales.Scale.judge`, in columns.

    `near` are the rows in which a comparison is too close for numbers that were converted by plain arithmetic, `gaps`
    those that may lie where nothing is printed.
    """

    def __init__(self, scale: Scale, rows: Rows) -> None:
        self.scale = scale
        self.rows = rows
        self.numbers = rows.numbers
        self.stated = rows.facts
        self.size = rows.size
        self.near: Mask = np.zeros(self.size, np.bool_)
        self.gaps: Mask = np.zeros(self.size, np.bool_)
        self._right: dict[tuple[int, int | None, float, float], Floats | float | None] = {}

    def judge(self) -> tuple[Bits, Places, Places]:
        """Return what remains possible, the band that gave it, and the assumption that was made."""
        possible, band = self._judge(_STRICT)
        assumption = np.full(self.size, NOTHING, np.int16)
        for place, rule in enumerate(self.scale.assumptions):
            open_rows = ~DECIDED[possible]
            if not open_rows.any():
                break
            rows = np.flatnonzero(open_rows & self._applies(rule.kind, rule.unless))
            if not len(rows):
                continue
            part = ScaleInColumns(self.scale, self.rows.part(rows))
            assumed, fired = part._judge(_VIEWS[rule.kind])
            self.near[rows] |= part.near
            self.gaps[rows] |= part.gaps
            taken = GRADE[assumed] >= rule.minimum_grade
            rows = rows[taken]
            possible[rows], band[rows], assumption[rows] = assumed[taken], fired[taken], place
        return possible, band, assumption

    def contradicted(self) -> Mask:
        """Say which rows state a fact of which their own numbers say the opposite: `Scale.contradicted`, in columns."""
        found = np.zeros(self.size, np.bool_)
        for name in self.scale.facts:
            said, derived = self.stated.get(name), self.scale.derived.get(name)
            if said is not None and derived is not None and (said != UNKNOWN).any():
                follows = self._derive(derived, _STRICT)
                found |= (said != UNKNOWN) & (follows != UNKNOWN) & (said != follows)
        return found

    def cautioned(self, possible: Bits) -> Mask:
        """Say of which rows something is said beside a fact: `Scale.cautions_of`, in columns."""
        found = np.zeros(self.size, np.bool_)
        for rule, _ in self.scale.cautions:
            stated = self.stated.get(rule.fact)
            if stated is not None:
                found |= (stated == 1) & (possible >> np.uint8(rule.minimum_grade) != 0)
        return found

    @property
    def signature(self) -> tuple[object, ...]:
        """Return which columns there are, without which patterns of two calls cannot be compared."""
        return tuple(c is None for c in self.numbers), tuple(self.stated)

    def patterns(self, rows: NDArray[np.intp]) -> Iterator[tuple[int, ...]]:
        """Yield for each of these rows all that `Scale.judge` looks at: rows of one pattern have one judgement."""
        part = ScaleInColumns(self.scale, self.rows.part(rows))
        views = [_STRICT, *(_VIEWS[a.kind] for a in self.scale.assumptions)]
        columns: list[NDArray[Any]] = [np.isnan(c) for c in part.numbers if c is not None]
        columns += part.stated.values()
        for view in views:
            columns += (c for n in self.scale.facts if not isinstance(c := part._fact(n, view), bool))
            truths = (part._all(b.bounds, view) for b in self.scale.bands)
            columns += (t.holds if t.unknown is None else t.holds + 2 * t.unknown.astype(np.int8) for t in truths)
        return zip(*(c.astype(np.int8).tolist() for c in columns), strict=True) if len(rows) else iter(())

    def _applies(self, kind: str, unless: Sequence[str]) -> Mask:
        baseline = self.numbers[_BASELINE_AT]
        absent = np.ones(self.size, np.bool_) if baseline is None else np.isnan(baseline)
        found: Mask = absent if kind == "baseline_absent" else ~absent
        for name in unless:
            if name in self.stated:
                found = found & (self.stated[name] == UNKNOWN)
        return found

    def _judge(self, view: _View) -> tuple[Bits, Places]:
        facts = {name: self._fact(name, view) for name in self.scale.facts if self._is_asked(name)}
        bands = [(p, b, self._band(b, view)) for p, b in enumerate(self.scale.bands) if self._may_hold(b)]
        columns = {n: c for n, c in facts.items() if n not in self.scale.optional and not isinstance(c, bool)}
        possible = np.zeros(self.size, np.uint8)
        fired: list[tuple[int, int, Mask]] = []
        for values in product((False, True), repeat=len(columns)):
            assigned = dict(zip(columns, values, strict=True))
            valid = self._valid(columns, assigned)
            remaining, holding = self._outcome(bands, facts, assigned)
            possible |= remaining if valid is None else np.where(valid, remaining, 0).astype(np.uint8)
            fired += [(p, g, m if valid is None else m & valid) for p, g, m in holding]
        band = np.full(self.size, NOTHING, np.int16)
        for place, grades, mask in sorted(fired, key=lambda f: -f[0]):
            band[mask & (possible == grades)] = place
        return possible, band

    def _is_asked(self, name: str) -> bool:
        return any(f.name == name for b in self.scale.bands if self._may_hold(b) for f in b.facts)

    def _may_hold(self, band: Band) -> bool:
        """Leave out a band that needs an alternative which no row states."""
        optional = self.scale.optional
        return all(
            not f.wanted or f.name not in optional or f.name in self.stated or f.name in self.scale.derived
            for f in band.facts
        )

    @staticmethod
    def _valid(columns: Mapping[str, Facts], assigned: Mapping[str, bool]) -> Mask | None:
        """Say for which rows these facts can be so; None: for all."""
        valid: Mask | None = None
        for name, value in assigned.items():
            fits = columns[name] != int(not value)
            valid = fits if valid is None else valid & fits
        return valid

    def _outcome(
        self, bands: Sequence[tuple[int, Band, Truth]], facts: Mapping[str, Facts | bool], assigned: Mapping[str, bool]
    ) -> tuple[Bits, list[tuple[int, int, Mask]]]:
        met = np.zeros(self.size, np.uint8)
        perhaps: Bits | None = None
        gap: Bits | None = None
        holding = []
        for place, band, truth in bands:
            allowed = self._allowed(band, facts, assigned)
            if allowed is False:
                continue
            holds = truth.holds if allowed is True else truth.holds & allowed
            if band.is_gap:
                gap = added(gap, holds, band.grades)
                self.gaps |= holds
            else:
                met |= holds.view(np.uint8) * np.uint8(band.grades)
                holding.append((place, band.grades, holds))
            if truth.unknown is not None:
                unknown = truth.unknown if allowed is True else truth.unknown & allowed
                perhaps = added(perhaps, unknown, band.grades)
        return remaining(met, perhaps, gap), holding

    def _allowed(self, band: Band, facts: Mapping[str, Facts | bool], assigned: Mapping[str, bool]) -> Mask | bool:
        """Say where a band's facts are met: everywhere, nowhere, or in some rows."""
        allowed: Mask | bool = True
        for flag in band.facts:
            column = assigned[flag.name] if flag.name in assigned else facts[flag.name]
            if isinstance(column, bool):
                if column is not flag.wanted:
                    return False
                continue
            met = (column == 1) if flag.wanted else (column != 1)
            allowed = met if allowed is True else allowed & met
        return allowed

    def _fact(self, name: str, view: _View) -> Facts | bool:
        """Return a fact's column; a plain False for an alternative that no row states and nothing gives."""
        stated = self.stated.get(name)
        derived = self.scale.derived.get(name)
        if derived is not None:
            follows = self._derive(derived, view)
            column: Facts = follows if stated is None else np.where(stated == UNKNOWN, follows, stated)
        elif stated is not None:
            column = stated
        elif name in self.scale.optional:
            return False
        else:
            column = np.full(self.size, UNKNOWN, np.int8)
        return column

    def _derive(self, derived: Derived, view: _View) -> Facts:
        column = np.full(self.size, UNKNOWN, np.int8)
        if derived.true_bounds:
            truth = self._all(derived.true_bounds, view)
            column = truth.holds.astype(np.int8)
            if truth.unknown is not None:
                column[truth.unknown] = UNKNOWN
        if derived.false_bounds or derived.false_facts:
            column[(column == UNKNOWN) & self._ruled_out(derived, view)] = 0
        return column

    def _ruled_out(self, derived: Derived, view: _View) -> Mask:
        found = self._all(derived.false_bounds, view).holds
        for flag in derived.false_facts:
            column = self.stated.get(flag.name)
            found = found & (column == int(flag.wanted)) if column is not None else np.zeros(self.size, np.bool_)
        return found

    def _band(self, band: Band, view: _View) -> Truth:
        return self._all(band.bounds, view)

    def _all(self, bounds: Sequence[Bound], view: _View) -> Truth:
        """AND of comparisons; of none it holds."""
        truth: Truth | None = None
        for test in bounds:
            tested = self._test(test, view)
            truth = tested if truth is None else both(truth, tested)
        return Truth(np.ones(self.size, np.bool_), None) if truth is None else truth

    def _test(self, test: Bound, view: _View) -> Truth:
        left, right = self.numbers[test.left], self._against(test)
        if left is None or right is None:
            return Truth(np.zeros(self.size, np.bool_), self._open(test, None, view))
        holds: Mask = _COMPARE[test.comparison.operator](left, right)
        absent = np.isnan(left) | np.isnan(right)
        return Truth(holds, self._open(test, absent, view) if absent.any() else None)

    def _open(self, test: Bound, absent: Mask | None, view: _View) -> Mask | None:
        """Say where a comparison that lacks a number stays open under a view."""
        absent = np.ones(self.size, np.bool_) if absent is None else absent
        if view.without_baseline and _BASELINE_AT in {test.left, test.reference}:
            absent = absent & ~self._lacks_baseline()
        if view.beyond_baseline and test.left == _VALUE_AT and test.is_against_limit:
            against_baseline = self._test(test._replace(reference=_BASELINE_AT), _STRICT)
            absent = absent & against_baseline.holds
        return absent

    def _lacks_baseline(self) -> Mask:
        baseline = self.numbers[_BASELINE_AT]
        return np.ones(self.size, np.bool_) if baseline is None else np.isnan(baseline)

    def _against(self, test: Bound) -> Floats | float | None:
        """Return the right side of a comparison; where both sides are one number at 15 digits, they are made equal."""
        key = (test.left, test.reference, test.factor, test.offset)
        if key not in self._right:
            right = self._bound(test)
            left = self.numbers[test.left]
            self._right[key] = right if left is None or right is None else self._settled(test, left, right)
        return self._right[key]

    def _settled(self, test: Bound, left: Floats, right: Floats | float) -> Floats | float:
        distance = np.abs(left - right)
        close = distance <= NEAR * np.abs(right)
        if self.rows.ties == "rounded" or (self.rows.ties == "shifted" and test.is_computed):
            self.near |= close
        near = np.flatnonzero(close & (distance > 0))
        if not len(near):
            return right
        self.near[near] = True
        found = np.broadcast_to(np.asarray(right, np.float64), left.shape).copy()
        for row in near:
            if order(float(left[row]), float(found[row])) == 0:
                found[row] = left[row]
        return found

    def _bound(self, test: Bound) -> Floats | float | None:
        if test.reference is None:
            return test.offset
        reference = self.numbers[test.reference]
        if reference is None:
            return None
        scaled = reference if test.factor == 1 else reference * test.factor
        return scaled + test.offset if test.offset else scaled
