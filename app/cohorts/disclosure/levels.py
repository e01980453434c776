"""What has to be safe before a variable is shown: its own counts, and those that follow from what stands beside it.

Rows of a table of levels are patients by stratum. Variables from whose numbers one another's could be reckoned (event
and grade, four races of one patient, the heart's measurements) are a family: they are shown together or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import numpy as np

from app.cohorts.analysis.columns import Counts, Flags, Integers, places
from app.cohorts.analysis.division import GIVEN_ANAKINRA
from app.cohorts.analysis.fever import NOT_MISSING
from app.cohorts.variables import CATALOGUE, EVENTS, EXCLUDED

_EXCLUSIVE: Final[tuple[tuple[str, ...], ...]] = (
    ("race.african_american", "race.latin_american", "race.caucasian", "race.other"),
    ("anakinra.adjunct", "anakinra.rescue"),
)
_PHENOTYPE: Final = ("phenotype.non_specific", "phenotype.kd_like", "phenotype.cv_shock", "phenotype.kdss_like")
_HEART: Final = ("lvef", "strain")
FAMILY: Final[Mapping[str, str]] = {
    **{name: names[0] for names in (*_EXCLUSIVE, _PHENOTYPE) for name in names},
    **{
        f"{heart}.{part}": f"{heart}.first" for heart in _HEART for part in ("first", "follow_up", "difference", "pair")
    },
    "lvef.reduced": "lvef.first",
}
"""The first of a family stands for all of it."""
NAMED: Final = frozenset(
    {"male", "treatment.ivig", "corticosteroids.inflammatory", "corticosteroids.stress", _PHENOTYPE[0]}
)
"""Variables (or families) that the names of groups tell of: all of `male` are male."""
# What the levels of a variable are made of beside its family.
_BESIDE: Final[Mapping[str, tuple[str, ...]]] = {
    "echo.follow_up_day": tuple(f"{heart}.{part}" for heart in _HEART for part in ("first", "follow_up", "difference")),
    **{f"ae.{event}.grade": (f"ae.{event}",) for event in EVENTS},
}
GRADE: Final = ".grade"
FEVER: Final = "defervescence.admission"
DAY_HOURS: Final = 24
_GRADES: Final = 6


def needed(names: Iterable[str]) -> Iterator[str]:
    """Yield variables, and all that it depends on what is shown of them."""
    for name in names:
        yield name
        yield from (member for member, family in FAMILY.items() if family == FAMILY.get(name))
        yield from _BESIDE.get(name, ())


class Strata:
    """A cohort's patients by stratum and level, of the strata that `cells` flags."""

    def __init__(self, counts: Counts, cells: Flags) -> None:
        self._counts, self._cells = counts, cells
        self.n = counts.n[cells]
        self.with_anakinra = GIVEN_ANAKINRA[cells]

    def within(self, name: str) -> Flags:
        """Return the strata to whose patients a variable applies, whether or not anybody is in them."""
        return self.with_anakinra if CATALOGUE[name].applies == "anakinra" else np.ones(self.n.size, bool)

    def applying(self, name: str) -> Integers:
        """Return the patients to whom a variable applies."""
        return np.where(self.within(name), self.n, 0)

    def known(self, name: str, value: int | None = None) -> Integers:
        """Return the patients of whom a variable is known, or has one value."""
        column = self._counts.columns.get(name)
        if column is None:
            return np.zeros(self.n.size, np.int64)
        here = np.ones(column.values.size, bool) if value is None else column.values == value
        found = np.bincount(column.strata[here], weights=column.counts[here], minlength=self._cells.size)
        return found.astype(np.int64)[self._cells]

    def missing(self, name: str) -> Integers:
        """Return the patients of whom a variable is not known though it applies."""
        return self.applying(name) - self.known(name)

    def by_day(self, name: str) -> Integers:
        """Return patients by the day that ends next after their time, one row per day."""
        column, unit = self._counts.columns.get(name), DAY_HOURS * 10 ** CATALOGUE[name].digits
        if column is None:
            return np.zeros((1, self.n.size), np.int64)
        days = np.maximum(-(-column.values // unit), 0)
        found = np.zeros((int(days.max(initial=0)) + 1, self._cells.size), np.int64)
        np.add.at(found, (days, column.strata), column.counts)
        return found[:, self._cells]

    def phenotypes(self) -> Iterator[Integers]:
        """Yield the patients of each pair of flags that there may be."""
        kd_like, cv_shock = (places(axis)[self._cells] for axis in ("kd_like", "cv_shock"))
        for kd, shock in sorted(set(zip(kd_like.tolist(), cv_shock.tolist(), strict=True))):
            yield np.where((kd_like == kd) & (cv_shock == shock), self.n, 0)


def whole(strata: Strata, name: str) -> Integers:
    """Return all that must be safe before everything about a variable is shown."""
    return np.array(list(_whole(strata, FAMILY.get(name, name))), dtype=np.int64)


def part(strata: Strata, name: str) -> Integers | None:
    """Return what must be safe before a count is shown without what is missing, or quartiles without a count.

    None: of this variable nothing is shown in part.
    """
    if name in FAMILY or name.endswith(GRADE) or name == "echo.follow_up_day":
        return None
    if CATALOGUE[name].kind == "binary":
        yes = strata.known(name, 1)
        return np.array([yes, strata.applying(name) - yes])
    return np.array([strata.known(name)])


def _whole(strata: Strata, name: str) -> Iterator[Integers]:
    if name == _PHENOTYPE[0]:
        yield from _phenotype(strata)
    elif name.endswith(".first"):
        yield from _heart(strata, name.removesuffix(".first"))
    elif name == "echo.follow_up_day":
        yield from _day(strata)
    elif name.endswith(GRADE):
        yield from _graded(strata, name)
    elif CATALOGUE[name].kind == "binary":
        yield from next((_exclusive(strata, names) for names in _EXCLUSIVE if name in names), _binary(strata, name))
    else:
        yield from (strata.known(name), strata.missing(name))


def _binary(strata: Strata, name: str) -> Iterator[Integers]:
    yes, known = strata.known(name, 1), strata.known(name)
    yield from (yes, known - yes, strata.missing(name))


def _exclusive(strata: Strata, names: tuple[str, ...]) -> Iterator[Integers]:
    """Yield also what is left when those with any of the traits are counted together."""
    total, first = sum(strata.known(name, 1) for name in names), names[0]
    for name in names:
        yield from _binary(strata, name)
        yield strata.missing(name) - strata.missing(first)
    yield from (total - strata.known(first), total - strata.applying(first))


def _phenotype(strata: Strata) -> Iterator[Integers]:
    """Yield the classes that the four rows make, those of unknown flags included."""
    yield from strata.phenotypes()
    for name in _PHENOTYPE:
        yield from _binary(strata, name)


def _graded(strata: Strata, name: str) -> Iterator[Integers]:
    """Yield the grades, and what event and grade say differently (an event without a grade)."""
    event = name.removesuffix(GRADE)
    grades = [strata.known(name, grade) for grade in range(_GRADES)]
    yield from grades
    yield strata.missing(name)
    yield strata.known(event, 1) - sum(grades[1:])
    yield strata.known(event, 0) - grades[0]
    yield strata.missing(name) - strata.missing(event)


def _heart(strata: Strata, heart: str) -> Iterator[Integers]:
    """Yield pairs, those without a follow-up, those without anything, and for LVEF who was reduced."""
    first, pairs = strata.known(f"{heart}.first"), strata.known(f"{heart}.difference")
    yield from (pairs, first, first - pairs, strata.n - first, strata.n - pairs)
    yield from (strata.known(f"{heart}.pair") - pairs, strata.known(f"{heart}.follow_up") - pairs)
    yield strata.missing(f"{heart}.follow_up")
    if heart == "lvef":
        yield from _binary(strata, "lvef.reduced")
        yield strata.known("lvef.reduced") - first


def _day(strata: Strata) -> Iterator[Integers]:
    """Yield who has a follow-up at all, and how that differs from who has one of each measurement."""
    known = strata.known("echo.follow_up_day")
    yield from (known, strata.n - known)
    for heart in _HEART:
        yield from (known - strata.known(f"{heart}.{part}") for part in ("difference", "follow_up", "first"))


def fever(strata: Strata) -> tuple[Integers, Integers]:
    """Return the outcomes of the fever from admission: with who is left out and who is missing apart, and together."""
    event, censored = (strata.known(f"{FEVER}.{outcome}") for outcome in ("event", "censored"))
    reasons = [strata.known("defervescence.excluded", EXCLUDED[reason]) for reason in NOT_MISSING]
    excluded = np.sum(reasons, axis=0)
    on_curve = event + censored
    return (
        np.array([event, censored, excluded, strata.n - on_curve - excluded]),
        np.array([event, censored, strata.n - on_curve]),
    )
