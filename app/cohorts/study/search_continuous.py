"""Continuous variables whose quartiles and Mann-Whitney p are printed: a search for each, seeded by its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from statistics import NormalDist
from typing import Final, NamedTuple

from app.cohorts.study.printed import Row, Shown, printed
from app.cohorts.study.search import Domain, Goal, NotFoundError, draw, search, seeded
from app.cohorts.study.search_goals import INSIDE, Quantile, Quartiles, RankSum
from app.statistics.mann_whitney import mann_whitney
from app.statistics.tally import Tally

ATTEMPTS: Final = 20
TOLERANCE: Final = 0.02  # of z, at first; each attempt corrects its middle by the exact p
PLACES: Final = 6
PRINTED_ORDER: Final = (2, 1, 3)  # a cell prints the median, then the first and the third quartile
Columns = Mapping[str, Sequence[int]]


class Plan(NamedTuple):
    """How a variable is kept: its decimals, and the domain in which numbers are looked for."""

    variable: str
    digits: int
    domain: Domain
    at: Mapping[int, Domain] = {}  # positions with a domain of their own
    inside: float = INSIDE
    tolerance: float = TOLERANCE  # of z

    def domain_at(self, place: int) -> Domain:
        """Return the domain of a position."""
        return self.at.get(place, self.domain)


def continuous(plan: Plan, columns: Columns) -> dict[int, int]:
    """Return position -> scaled number for every position of a printed column, such that print comes out.

    Raises NotFoundError.
    """
    return seeded(plan.variable, lambda rng: _once(plan, columns, rng))


def _once(plan: Plan, columns: Columns, rng: Random) -> dict[int, int]:
    rows = [row for row in printed().of(plan.variable) if row.kind in {"quartiles", "median"}]
    places = sorted({place for row in rows for column in row.cells for place in columns[column]})
    values = [0] * (max(places) + 1)
    for place in places:
        values[place] = started(place, plan, rows, columns, rng)
    domains = [plan.domain_at(place) if place in places else Domain(0, 0) for place in range(len(values))]
    refine(values, domains, quantiles(rows, columns, plan), rank_sums(rows, columns, plan.tolerance), rng)
    return {place: values[place] for place in places}


def started(place: int, plan: Plan, rows: Sequence[Row], columns: Columns, rng: Random) -> int:
    """Return a number to start from, drawn between the quartiles of the smallest printed column with the place."""
    cells = [(len(columns[c]), row.shown(c)) for row in rows for c in row.cells if place in columns[c]]
    shown = [number.value * 10.0**plan.digits for number in min(cells, key=lambda cell: cell[0])[1]]
    median, q1, q3 = shown if len(shown) > 1 else (shown[0], shown[0] * 0.5, shown[0] * 2)
    domain = plan.domain_at(place)
    low, high = max(domain.low, 2 * q1 - median), min(domain.high, 2 * q3 - median)
    knots = [low, q1, median, q3, high]
    quarter = draw(rng, 4)
    return domain.nearest(knots[quarter] + rng.random() * (knots[quarter + 1] - knots[quarter]))


def quantiles(rows: Sequence[Row], columns: Columns, plan: Plan) -> list[Quartiles]:
    """Return a goal for the quartiles that each column prints."""
    return [
        Quartiles(tuple(columns[column]), tuple(_wanted(row.shown(column), plan.digits)), plan.inside)
        for row in rows
        for column in row.cells
    ]


def _wanted(shown: Sequence[Shown], digits: int) -> Iterator[Quantile]:
    for quarter, number in zip(PRINTED_ORDER, shown, strict=False):
        yield wanted(quarter, number, digits)


def wanted(quarter: int, shown: Shown, digits: int) -> Quantile:
    """Return a printed quartile in units of 10**-digits."""
    return Quantile(quarter, scaled(shown.value, digits), shown.half * 10.0**digits)


def scaled(number: float, digits: int) -> float:
    """Return a printed number in units of 10**-digits."""
    return round(number * 10.0**digits, PLACES)


class PrintedP(NamedTuple):
    """A printed p, and the goal that leads to it."""

    shown: Shown
    goal: RankSum

    def exact(self, values: Sequence[int]) -> float:
        """Return the exact Mann-Whitney p of the numbers."""
        x, y = ([values[place] for place in group] for group in (self.goal.x, self.goal.y))
        p = mann_whitney(Tally.from_numbers(x), Tally.from_numbers(y), "exact").p_value
        if p is None:
            raise NotFoundError("the exact p is not defined")
        return p

    def corrected(self, p: float) -> bool:
        """Say whether p prints as the printed one; if not, move the goal's z by what it is off."""
        if abs(p - self.shown.value) < INSIDE * self.shown.half:
            return True
        self.goal.target = max(0.0, round(self.goal.target + z_of(self.shown.value) - z_of(p), PLACES))
        return False


def rank_sums(rows: Sequence[Row], columns: Columns, tolerance: float = TOLERANCE) -> list[PrintedP]:
    """Return a goal for each printed p."""
    return [
        PrintedP(Shown(row.p), RankSum(tuple(columns[x]), tuple(columns[y]), z_of(float(row.p)), tolerance))
        for row in rows
        if row.p is not None
        for x, y in (row.by,)
    ]


def z_of(p: float) -> float:
    """Return the size of a standard normal with this two-sided p, to a fixed number of places."""
    return round(-NormalDist().inv_cdf(min(max(p, 1e-12), 1.0) / 2), PLACES) if p < 1 else 0.0


def refine(
    values: list[int], domains: Sequence[Domain], goals: Sequence[Goal], tested: Sequence[PrintedP], rng: Random
) -> None:
    """Search until the quartiles and the exact p all print right. Raises NotFoundError."""
    for _ in range(ATTEMPTS):
        search(values, domains, [*goals, *(p.goal for p in tested)], rng)
        if not [p for p in tested if not p.corrected(p.exact(values))]:
            return
    raise NotFoundError("the exact p stay off")
