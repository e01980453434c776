"""The course of anakinra: doses, age and weight that fit them, start and duration (Table 2 and the text beside it)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple

from app.clinical.growth_curves import Curve, curve_at, curves
from app.clinical.rulebook import load_rulebook
from app.cohorts.study.printed import printed
from app.cohorts.study.roster import Member
from app.cohorts.study.search import Domain, Goal, seeded
from app.cohorts.study.search_continuous import Columns, Plan, continuous, quantiles, rank_sums, refine, started

STARTING: Final = Plan("anakinra.starting_mg_kg_day", 1, Domain(35, 100))
MAXIMUM: Final = Plan("anakinra.maximum_mg_kg_day", 1, Domain(35, 100))
AGE: Final = Plan("age_years", 0, Domain(1, 17), inside=0.0)
SINGLE: Final = Plan("anakinra.maximum_mg_per_dose", 0, Domain(20, 100))
# A whole day cannot give the printed 4.8; 4.75, rounded half up, does.
INITIATION: Final = Plan("anakinra.initiation_hospital_day", 0, Domain(1, 8), inside=1.0, tolerance=0.08)
RESCUE_FROM_DAY: Final = 2  # IVIG must have failed
ADJUNCT_TO_DAY: Final = 5
LONGEST: Final = 168  # tenths of a day
HOLD: Final = 4  # tenths of a day that the dose is held before it is weaned
STEP: Final = 20  # tenths of mg/kg/day: weaning goes by 2 mg/kg/day and a day at least
DOSES_PER_DAY: Final = 4
MONTHS: Final = 12
MIDDLE: Final = 0.5  # a child of 8 completed years is 8.5 on average
ORDINARY: Final = (-1.7, 2.3)  # distances from the median weight, in modified Z, that an invented child may have


class Course(NamedTuple):
    """What the search found; position -> scaled number."""

    starting: Mapping[int, int]
    maximum: Mapping[int, int]
    single: Mapping[int, int]
    age: Mapping[int, int]
    initiation: Mapping[int, int]
    duration: Mapping[int, int]


def course(members: Sequence[Member], columns: Columns) -> Course:
    """Find the doses, bodies and times of all with anakinra, and the ages of everybody. Raises NotFoundError."""
    starting = continuous(STARTING, columns)
    rising = {place: Domain(dose, MAXIMUM.domain.high) for place, dose in starting.items()}
    maximum = continuous(MAXIMUM._replace(at=rising), columns)
    age, single = _bodies(members, columns, maximum)
    return Course(starting, maximum, single, age, _initiation(columns), _duration(columns, maximum))


def _initiation(columns: Columns) -> dict[int, int]:
    late, early = Domain(RESCUE_FROM_DAY, INITIATION.domain.high), Domain(INITIATION.domain.low, ADJUNCT_TO_DAY)
    at = dict.fromkeys(columns["no_shock"], late) | dict.fromkeys(columns["shock"], early)
    return continuous(INITIATION._replace(at=at), columns)


def _duration(columns: Columns, maximum: Mapping[int, int]) -> dict[int, int]:
    at = {place: Domain(HOLD + 10 * -(-dose // STEP), LONGEST) for place, dose in maximum.items()}
    return continuous(Plan("anakinra.duration_days", 1, Domain(min(d.low for d in at.values()), LONGEST), at), columns)


def _bodies(
    members: Sequence[Member], columns: Columns, maximum: Mapping[int, int]
) -> tuple[dict[int, int], dict[int, int]]:
    """Find ages and single doses together, such that the weight that a dose implies is a usual one for the age."""
    growth = Growth()
    return seeded("bodies", lambda rng: _bodies_once(members, columns, maximum, growth, rng))


def _bodies_once(
    members: Sequence[Member], columns: Columns, maximum: Mapping[int, int], growth: Growth, rng: Random
) -> tuple[dict[int, int], dict[int, int]]:
    n = len(members)
    moved = {name: tuple(place + n for place in places) for name, places in columns.items()}
    ages, singles = (list(printed().of(plan.variable)) for plan in (AGE, SINGLE))
    values = [started(place, AGE, ages, columns, rng) for place in range(n)] + [0] * n
    domains = [AGE.domain] * n + [Domain(0, 0)] * n
    for place in maximum:
        values[place + n] = started(place, SINGLE, singles, columns, rng)
        domains[place + n] = SINGLE.domain
    goals: list[Goal] = [
        *quantiles(ages, columns, AGE),
        *quantiles(singles, moved, SINGLE),
        *(Fits(place, place + n, dose, growth, members[place].sex) for place, dose in maximum.items()),
    ]
    refine(values, domains, goals, [*rank_sums(ages, columns), *rank_sums(singles, moved)], rng)
    return dict(enumerate(values[:n])), {place: values[place + n] for place in maximum}


class Growth:
    """Weight for age, from the same reference that the service checks with."""

    def __init__(self) -> None:
        rules = load_rulebook()["growth-limits"]
        self._curves: dict[str, tuple[Curve, ...]] = {s: curves(rules, "weight", s) for s in ("male", "female")}

    def score(self, age_years: int, sex: str, weight_kg: float) -> float:
        """Return the distance from the median weight in modified Z."""
        months = (age_years + MIDDLE) * MONTHS
        return curve_at(self._curves[sex], months).at(months).score(weight_kg)

    def weight(self, age_years: int, sex: str, score: float) -> float:
        """Return the weight, kg, at a distance from the median."""
        months = (age_years + MIDDLE) * MONTHS
        return curve_at(self._curves[sex], months).at(months).at(score)


@dataclass(frozen=True, slots=True)
class Fits:
    """The weight that maximum dose (tenths of mg/kg/day) and single dose (mg) imply is usual for the age."""

    age: int
    single: int
    maximum: int
    growth: Growth
    sex: str

    @property
    def where(self) -> tuple[int, ...]:
        """Positions of age and single dose."""
        return (self.age, self.single)

    def miss(self, values: Sequence[int]) -> float:
        """Return how far outside the usual distances the weight lies."""
        score = self.growth.score(values[self.age], self.sex, weight_kg(values[self.single], self.maximum))
        return max(0.0, ORDINARY[0] - score, score - ORDINARY[1])


def weight_kg(single_mg: int, maximum_tenths: int) -> float:
    """Return the weight, kg to a tenth, at which a dose of so many tenths of mg/kg/day is so many mg every 6 hours."""
    return round(single_mg * DOSES_PER_DAY * 10 / maximum_tenths, 1)
