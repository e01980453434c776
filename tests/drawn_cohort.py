"""A seeded, made-up cohort as its tallies, for figures and reports: no database, no derivation, any size."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime

from app.clinical.rulebook import load_rulebook
from app.cohorts.analysis.analyse import analyse
from app.cohorts.analysis.answers import Analysis
from app.cohorts.analysis.columns import Counts
from app.cohorts.analysis.selection import Question
from app.cohorts.analysis.service import normal_of
from app.cohorts.store.model import Cohort
from app.cohorts.strata import Stratum
from app.cohorts.variables import CATALOGUE, CYTOKINES, EVENTS, pack_pair
from app.statistics.tally import Tally

MOMENT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
RULEBOOK = load_rulebook(None)
NORMAL = normal_of(RULEBOOK)
Values = dict[str, int]


def patients(n: int, seed: int = 3) -> Iterator[tuple[Stratum, Values]]:
    rng = random.Random(seed)  # noqa: S311  # made-up patients, no secret
    for _ in range(n):
        anakinra, shock = rng.random() < 0.7, rng.random() < 0.5
        steroids = rng.choice(["none", "none", "stress", "inflammatory"]) if anakinra else "none"
        treatment = "ivig_anakinra" if anakinra else "ivig_monotherapy"
        stratum = Stratum(treatment, "yes" if shock else "no", rng.choice(["yes", "no"]), steroids, "male")
        yield stratum, dict(_values(rng, anakinra=anakinra))


def _values(rng: random.Random, *, anakinra: bool) -> Iterator[tuple[str, int]]:
    yield "age_years", rng.randrange(100, 1700)
    yield "male", 1
    for event in EVENTS:
        grade = rng.choice([0, 0, 0, 1, 2, 3, 4])
        if rng.random() < 0.9:
            yield f"ae.{event}", int(grade > 0)
            if event != "rehospitalization":
                yield f"ae.{event}.grade", grade
    for cytokine in CYTOKINES:
        if rng.random() < 0.9:
            yield f"cytokine.{cytokine}", 0 if rng.random() < 0.05 else round(100 * rng.lognormvariate(0.5, 1))
    yield f"defervescence.admission.{rng.choice(['event', 'event', 'censored'])}", rng.randrange(10, 2400)
    if anakinra:
        yield "defervescence.anakinra_start.event", rng.randrange(10, 1200)
        yield "anakinra.starting_mg_kg_day", rng.randrange(400, 1000)
    for measure, low, high in (("lvef", 400, 700), ("strain", -220, -90)):
        if rng.random() < 0.8:
            before, change = rng.randrange(low, high), rng.randrange(-20, 90)
            yield f"{measure}.first", before
            yield f"{measure}.follow_up", before + change
            yield f"{measure}.difference", change
            yield f"{measure}.pair", pack_pair(before, before + change)


def counts_of(n: int, seed: int = 3) -> Counts:
    strata: Counter[str] = Counter()
    counted: defaultdict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for stratum, values in patients(n, seed):
        strata[stratum.key()] += 1
        for name, value in values.items():
            counted[name, stratum.key()][value] += 1
    kept = (
        (name, key, CATALOGUE[name].digits, Tally.from_counts(found, CATALOGUE[name].digits).to_bytes())
        for (name, key), found in sorted(counted.items())
    )
    return Counts(strata, kept)


def cohort_of(n: int, name: str = "A made-up cohort", description: str | None = "Made up by a seed.") -> Cohort:
    rules = tuple(
        {"id": rule.ref.id, "version": rule.ref.version, "sha256": rule.ref.sha256} for rule in list(RULEBOOK.all())[:2]
    )
    return Cohort(1, "made-up", name, description, 3, n, rules, False, MOMENT, MOMENT)


def analysed(n: int, question: Question | None = None, seed: int = 3) -> tuple[Analysis, Counts]:
    counts = counts_of(n, seed)
    return analyse(cohort_of(n), counts, question or Question(), NORMAL), counts
