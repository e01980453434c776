"""First and follow-up echocardiograms: Figure 1C and D and what the text adds of the supplement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from random import Random
from typing import Final, NamedTuple

from app.cohorts.study.printed import Row, Shown, printed
from app.cohorts.study.roster import Member
from app.cohorts.study.search import Domain, Goal, search, seeded, shuffled
from app.cohorts.study.search_continuous import Columns, Plan, continuous, scaled, wanted, z_of
from app.cohorts.study.search_goals import Quartiles, SignedRank

MEDIAN: Final = 2
HALF: Final = 0.5
SPREAD: Final = 0.5  # of the domain, about the printed median, to start from
INSIDE: Final = 0.95  # of the interval that prints as the printed p
Plans = Mapping[tuple[str, bool], int]  # (phenotype, with corticosteroids) -> patients
# 27 first echocardiograms of 32 are printed (10 are 37%); who had none is ours, and so are all counts of strain.
WITHOUT_ECHO: Final[Plans] = {("non_specific", False): 2, ("cv_shock", False): 3}
WITHOUT_STRAIN: Final = {"ivig": 3, "no_cs": 2, "cs": 1}
# The medians 49 (CV shock), 49 (KDSS-like) and 51 (corticosteroids) leave little room for the ten below 55%.
REDUCED: Final[Plans] = {
    ("cv_shock", False): 2,
    ("cv_shock", True): 2,
    ("kdss_like", False): 3,
    ("kdss_like", True): 3,
}
BELOW: Final = Domain(32, 54)
ABOVE: Final = Domain(55, 70)
GAP: Final = Plan("echo.follow_up_day", 0, Domain(4, 35))


class Measure(NamedTuple):
    """LVEF or strain: decimals, and where the first and the follow-up are looked for."""

    variable: str
    digits: int
    first: Domain
    follow_up: Domain
    at: Mapping[int, Domain] = {}  # patients whose first has a domain of its own


LVEF: Final = Measure("lvef", 0, Domain(32, 70), Domain(44, 72))
STRAIN: Final = Measure("strain", 1, Domain(-225, -70), Domain(-245, -100))


class Heart(NamedTuple):
    """Position -> (first, follow-up), scaled, and days between the two."""

    lvef: Mapping[int, tuple[int, int]]
    strain: Mapping[int, tuple[int, int]]
    gap: Mapping[int, int]


def heart(members: Sequence[Member], columns: Columns) -> Heart:
    """Find the echocardiograms. Raises NotFoundError."""
    return seeded("heart", lambda rng: _once(members, columns, rng))


def _once(members: Sequence[Member], columns: Columns, rng: Random) -> Heart:
    seen = set(columns["all"]) - _drawn(WITHOUT_ECHO, members, columns["anakinra"], rng)
    strained = seen - {p for name, n in WITHOUT_STRAIN.items() for p in _some(columns[name], seen, n, rng)}
    looked_at = _among(columns, seen)
    reduced = _drawn(REDUCED, members, looked_at["anakinra"], rng)
    lvef = LVEF._replace(at={p: BELOW if p in reduced else ABOVE for p in seen})
    gap = continuous(GAP, {"all": looked_at["all"]})
    return Heart(
        seeded(lvef.variable, partial(_pairs, lvef, looked_at)),
        seeded(STRAIN.variable, partial(_pairs, STRAIN, _among(columns, strained))),
        gap,
    )


def _drawn(plan: Plans, members: Sequence[Member], places: Sequence[int], rng: Random) -> set[int]:
    """Draw so many patients of each phenotype, without or with corticosteroids."""
    found: set[int] = set()
    for (phenotype, with_cs), n in plan.items():
        alike = {
            p for p in places if members[p].phenotype == phenotype and (members[p].corticosteroids != "none") == with_cs
        }
        found.update(_some(places, alike, n, rng))
    return found


def _some(places: Sequence[int], allowed: set[int], n: int, rng: Random) -> list[int]:
    return shuffled([p for p in places if p in allowed], rng)[:n]


def _among(columns: Columns, places: set[int]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(p for p in column if p in places) for name, column in columns.items()}


def _pairs(measure: Measure, columns: Columns, rng: Random) -> dict[int, tuple[int, int]]:
    """Search the first, then the follow-up to them: positions 0 to n - 1 are the first, n to 2 n - 1 the follow-up."""
    rows = list(printed().of(measure.variable, "pair"))
    n = max(columns["all"]) + 1
    values = [0] * (2 * n)
    for moved, wide, goals in (
        (0, measure.first, [_median(row, 0, measure, columns, 0) for row in rows]),
        (n, measure.follow_up, [goal for row in rows for goal in _risen(row, measure, columns, n)]),
    ):
        domains = [Domain(0, 0)] * (2 * n)
        for place in columns["all"]:
            middle = _middles(place, rows, columns, measure.digits)[min(moved, 1)]
            domain = wide if moved else measure.at.get(place, wide)
            domains[place + moved] = domain
            values[place + moved] = domain.nearest(middle + (rng.random() - HALF) * SPREAD * (wide.high - wide.low))
        search(values, domains, goals, rng)
    return {p: (values[p], values[p + n]) for p in columns["all"]}


def _risen(row: Row, measure: Measure, columns: Columns, n: int) -> list[Goal]:
    (name,) = row.cells
    p = Shown(row.p or "")
    reach, better = INSIDE * p.half, 1 if measure.first.high > 0 else -1
    pairs = tuple((q, q + n) for q in columns[name])
    return [
        _median(row, 1, measure, columns, n),
        SignedRank(pairs, p.value - reach, p.value + reach, better * z_of(p.value)),
    ]


def _median(row: Row, which: int, measure: Measure, columns: Columns, moved: int) -> Quartiles:
    (name,) = row.cells
    places = tuple(place + moved for place in columns[name])
    return Quartiles(places, (wanted(MEDIAN, row.shown(name)[which], measure.digits),))


def _middles(place: int, rows: Sequence[Row], columns: Columns, digits: int) -> list[float]:
    """Return the medians of the smallest printed group that the patient is in."""
    mine = [(len(columns[name]), row.shown(name)) for row in rows for name in row.cells if place in columns[name]]
    return [scaled(shown.value, digits) for shown in min(mine, key=lambda cell: cell[0])[1]]
