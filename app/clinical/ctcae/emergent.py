"""Adverse events from a course of laboratory values: what is worse than before treatment, judged strictly.

A single value is graded as sent (`grading`); an event that is read from a course must be new. Nothing is assumed of a
baseline that is missing: a value outside its limits may have been so before, and the event stays unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, Protocol

from app.clinical.ctcae.believe import Numbers, known_lower
from app.clinical.ctcae.bounds import order
from app.clinical.ctcae.conditions import BASELINE, NUMBERS
from app.clinical.ctcae.grades import SETS_OF_GRADES, WITHIN_LIMITS, bits, listed
from app.clinical.ctcae.laboratory_terms import LaboratoryTerm, Placement
from app.clinical.ctcae.scales import Scale
from app.clinical.units import Unit

_BASELINE_AT: Final = NUMBERS.index(BASELINE)
_ABNORMAL: Final = "baseline_abnormal"
_KEPT: Final = 8192


class Sample(Protocol):
    """One laboratory value of a course with its limits, in `unit` as sent: a `LabMeasurement` that has a value."""

    @property
    def value(self) -> float | None:
        """The value; never None here."""

    @property
    def unit(self) -> str:
        """Unit of the value and of both limits."""

    @property
    def lower_limit(self) -> float | None:
        """Lower limit of normal."""

    @property
    def upper_limit(self) -> float | None:
        """Upper limit of normal."""


class StrictScale:
    """A scale that remembers what it judged for a pattern of comparisons. It keeps no value of any patient."""

    def __init__(self, scale: Scale) -> None:
        self._scale = scale
        tests = {(t.left, t.reference, t.factor, t.offset): t for t in scale.tests}
        self._tests = tuple(tests)
        self.asks_baseline = any(t.reference == _BASELINE_AT for t in tests.values())
        self._known: dict[tuple[int | bool | None, ...], int] = {}

    def possible(self, numbers: Numbers, *, baseline_abnormal: bool | None) -> int:
        """Return the grades that remain, as bits."""
        pattern = self._pattern(numbers, baseline_abnormal=baseline_abnormal)
        found = self._known.get(pattern)
        if found is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            stated = {_ABNORMAL: baseline_abnormal}
            found = self._known[pattern] = self._scale.judge_strictly(numbers, stated).possible
        return found

    def _pattern(self, numbers: Numbers, *, baseline_abnormal: bool | None) -> tuple[int | bool | None, ...]:
        """Return the order of every two numbers that the scale compares: all that its judgement rests on."""
        found: list[int | bool | None] = [baseline_abnormal]
        for at, reference, factor, offset in self._tests:
            left, right = numbers[at], offset
            if reference is not None:
                limit = numbers[reference]
                if limit is None:
                    found.append(None)
                    continue
                right = factor * limit + offset
            found.append(None if left is None else order(left, right))
        return tuple(found)


class EmergentTerm:
    """One laboratory term, asked of courses."""

    def __init__(self, term: LaboratoryTerm) -> None:
        self.slug = term.rule.slug
        self._term = term
        self._every = bits(term.rule.grades) | WITHIN_LIMITS
        self.rises = term.rule.direction == "high"
        self._scales: dict[Scale, StrictScale] = {s: StrictScale(s) for s in term.scales}
        self._place = lru_cache(maxsize=_KEPT)(term.with_unit)

    def possible(self, samples: Iterable[Sample], before: Sample | None) -> int:
        """Return the grades that remain for the worst of the samples, as bits; 0 bits when there is no sample.

        `before` is the last sample before treatment.
        """
        worst: dict[tuple[str, float | None, float | None], Sample] = {}
        for sample in samples:
            key = (sample.unit, sample.lower_limit, sample.upper_limit)
            other = worst.get(key)
            if other is None or (_value(sample) > _value(other)) is self.rises:
                worst[key] = sample
        found = 0
        for sample in worst.values():
            found = highest(found, self._of(sample, before))
        return found

    def alone(self, sample: Sample) -> int:
        """Return the grades that remain for one sample of whose past nothing is asked."""
        place = self._placed(sample)
        return self._scales[place.scale].possible(self._numbers(place, sample, None), baseline_abnormal=False)

    def _of(self, sample: Sample, before: Sample | None) -> int:
        place = self._placed(sample)
        scale = self._scales[place.scale]
        if not scale.asks_baseline:
            return self._worse(scale.possible(self._numbers(place, sample, None), baseline_abnormal=None), before)
        if before is None:
            return self._without_baseline(sample, place, scale)
        baseline = _value(before) if before.unit == sample.unit else self._converted(before, place)
        return scale.possible(self._numbers(place, sample, baseline), baseline_abnormal=_is_abnormal(before))

    def _without_baseline(self, sample: Sample, place: Placement, scale: StrictScale) -> int:
        """Leave open whether a value outside its limits is new; one within them is no event.

        An abnormal baseline lies above the limit, and the higher it lies the lower the grade: one at the limit itself
        gives the highest that could be.
        """
        alone = self.alone(sample)
        if alone == WITHIN_LIMITS:
            return alone
        abnormal = scale.possible(self._numbers(place, sample, sample.upper_limit), baseline_abnormal=True)
        return (1 << (alone | abnormal).bit_length()) - 1

    def _worse(self, after: int, before: Sample | None) -> int:
        """Keep a grade only where it is higher than the one before treatment."""
        if after == WITHIN_LIMITS:
            return after
        return _higher(after, self._every if before is None else self.alone(before))

    def _placed(self, sample: Sample) -> Placement:
        place = self._place(sample.unit)
        if place is None:
            raise ValueError("a sample's unit must be one of the term's analyte")
        return place

    @staticmethod
    def _numbers(place: Placement, sample: Sample, baseline: float | None) -> Numbers:
        numbers = Numbers(sample.value, known_lower(sample.lower_limit), sample.upper_limit, baseline, None)
        return Numbers(*map(place.place, numbers)) if place.is_converted else numbers

    def _converted(self, before: Sample, place: Placement) -> float:
        own, earlier = _unit(place), _unit(self._placed(before))
        return float(own.from_canonical(earlier.to_canonical(_value(before))))


def _unit(place: Placement) -> Unit:
    if place.unit is None:
        raise ValueError("a sample needs a unit")
    return place.unit


def _value(sample: Sample) -> float:
    value = sample.value
    if value is None:
        raise ValueError("a sample needs a value")
    return value


def _is_abnormal(before: Sample) -> bool | None:
    """Judge the baseline by the limit of its own sample; None leaves it to the limit of the later one."""
    return None if before.upper_limit is None else order(_value(before), before.upper_limit) > 0


@lru_cache(maxsize=SETS_OF_GRADES * SETS_OF_GRADES)
def _higher(after: int, before: int) -> int:
    return bits(grade if grade > was else 0 for grade in listed(after) for was in listed(before))


@lru_cache(maxsize=SETS_OF_GRADES * SETS_OF_GRADES)
def highest(one: int, other: int) -> int:
    """Return what remains for the worse of two, each a set of grades as bits; no bits: not judged."""
    if not one or not other:
        return one | other
    return bits(max(a, b) for a in listed(one) for b in listed(other))
