"""The attack over HTTP: everything that the API publishes of a cohort goes into a solver of integer equations.

Unknown are the patients of each stratum by level of a variable. Each number that any grouping and subset shows is an
equation; of a number that is withheld and small the reader knows the threshold. It must not be told what it is.
"""

from __future__ import annotations

import random
from collections import Counter
from itertools import islice

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from app.cohorts.analysis.analyse import analyse
from app.cohorts.analysis.axes import AXES
from app.cohorts.analysis.columns import Counts
from app.cohorts.analysis.selection import Question, parse_where
from app.cohorts.disclosure.release import Releases
from app.cohorts.disclosure.withhold import Teller
from app.cohorts.strata import ALL, parse
from app.cohorts.strata import AXES as STRATA_AXES
from app.statistics.disclosure_policy import Disclosure
from bench.generate import records
from tests.cohort_api import Api
from tests.drawn_cohort import NORMAL, cohort_of

VARIABLES = ("ae.elevated_lfts", "ae.neutropenia", "ae.rash", "outcome.thrombosis")
LEVELS = 3
THRESHOLD = 10
WHERES = (
    {},
    {"where": "treatment:ivig_anakinra"},
    {"where": "sex:male"},
    {"where": "cv_shock:yes,unknown"},
    {"where": ["treatment:ivig_anakinra,anakinra_only", "sex:female"]},
)
COHORTS = 24


@pytest.fixture(scope="module")
def api():
    found = Api("sqlite://", log_level="error")
    yield found
    found.close()


class Reader:
    """Who knows the strata that anybody is in, the threshold, and what is published of one variable.

    `least`: how many each unknown is at least; 1 where an answer tells that somebody is there.
    """

    def __init__(self, strata, least=0) -> None:
        self.strata = strata
        self.least = least
        self.rows, self.totals = [], []

    def row(self, by, where, group, levels):
        """Return which unknowns a number adds up."""
        wanted = [where] if isinstance(where, str) else (where or [])
        parts = [condition.partition(":") for condition in wanted]
        inside = np.array(
            [
                all(AXES[axis].of(s) in values.split(",") for axis, _, values in parts)
                and group in {"all", AXES[by].of(s)}
                for s in self.strata
            ]
        )
        return np.concatenate([inside if level in levels else np.zeros(inside.size) for level in range(LEVELS)])

    def learn(self, row, total):
        if total is not None:
            self.rows.append(row)
            self.totals.append(total)

    def range_of(self, row):
        """Return the least and the largest that a number of 1 to the threshold can be."""
        exact = LinearConstraint(np.array(self.rows), self.totals, self.totals)
        small = LinearConstraint(row[None], 1, THRESHOLD)
        ends = []
        for sign in (1, -1):
            bounds = Bounds(self.least, 500)
            found = milp(sign * row, constraints=[exact, small], integrality=np.ones(row.size), bounds=bounds)
            assert found.success, found.message
            ends.append(round(sign * found.fun))
        return ends


def published(api, path, disclosure):
    """Fetch every grouping and subset; yields by, where, variable and cell."""
    for by in AXES:
        for asked in WHERES if by in {"treatment", "sex"} else WHERES[:1]:
            query = {"by": by, "disclosure": disclosure} | asked
            answer = api.client.get(f"{path}/analysis/adverse_events", params=query)
            assert answer.status_code == 200, answer.text
            for row in answer.json()["adverse_events"]["rows"]:
                if row["variable"] in VARIABLES:
                    for cell in (*row["groups"], row["overall"]):
                        yield by, asked.get("where"), row["variable"], cell


def attacked(cells, truth, strata, withheld):
    """Return how many small numbers are withheld (a sample of them), and how wide the reader's ranges are."""
    readers = {name: Reader(strata) for name in VARIABLES}
    hidden = {}
    for key, cell in cells.items():
        by, where, name, group = key
        where = list(where) if isinstance(where, tuple) else where
        numbers = {"n": (0, 1, 2), "count": (0,), "n_missing": (2,)}
        true = truth.get(key, dict.fromkeys(numbers, 0))  # what nobody is in is not listed where nothing is withheld
        for field, levels in numbers.items():
            row = readers[name].row(by, where, group, levels)
            shown = None if withheld(true[field]) else cell[field]
            readers[name].learn(row, shown)
            if shown is None and 1 <= true[field] <= THRESHOLD:
                hidden[name, row.tobytes()] = (readers[name], row)
    return hidden


def sampled(hidden, rng):
    chosen = rng.sample(sorted(hidden), min(8, len(hidden)))
    return [reader.range_of(row) for reader, row in (hidden[key] for key in chosen)]


def test_no_small_number_can_be_solved_for(api):
    rng = random.Random(11)  # noqa: S311  # which cohorts are made is no secret
    widths, naive = [], []
    stream = records(COHORTS * 140)
    for number in range(COHORTS):
        people = list(islice(stream, rng.choice([15, 30, 45, 60, 90, 140])))
        path = api.create(*({**one, "patient_id": f"A{number}-{place}"} for place, one in enumerate(people)))
        cells, truth = (
            {(by, tuple(where) if isinstance(where, list) else where, name, cell["group"]): cell
             for by, where, name, cell in published(api, path, profile)}
            for profile in ("cms", "none")
        )  # fmt: skip
        with api.app.database.store.read() as reader:
            strata = [parse(key) for key in reader.strata(reader.cohort(path.rpartition("/")[2]))]
        widths += [high - low for low, high in sampled(attacked(cells, truth, strata, lambda _: False), rng)]
        if number < 4:
            simple = attacked(truth, truth, strata, lambda n: 1 <= n <= THRESHOLD)
            naive += [high - low for low, high in sampled(simple, rng)]
    assert len(widths) >= 100
    assert min(widths) >= 1
    assert 0 in naive  # withholding small numbers alone gives some of them back to this solver


NAMES = {
    "male": ("sex", ("male",)),
    "phenotype.cv_shock": ("cv_shock", ("yes",)),
    "phenotype.kd_like": ("kd_like", ("yes",)),
}
GIVEN = ("ivig_anakinra", "anakinra_only")


def sizes(api, path, disclosure, strata):
    """Yield every number of patients that is published of groups of strata: which strata, and how many."""
    for by in AXES:
        for asked in WHERES if by in {"treatment", "sex"} else WHERES[:1]:
            query = {"by": by, "disclosure": disclosure} | asked
            where = asked.get("where")
            row = Reader(strata)
            for section, given in (("characteristics", False), ("anakinra", True)):
                found = api.client.get(f"{path}/analysis/{section}", params=query).json()[section]
                inside = np.array([not given or s.treatment in GIVEN for s in strata])
                groups = {
                    head["group"]: row.row(by, where, head["group"], (0,))[: inside.size] for head in found["groups"]
                }
                groups["all"] = row.row(by, where, "all", (0,))[: inside.size]
                for head in (*found["groups"], {"group": "all", "n": found["n"]}):
                    yield groups[head["group"]] * inside, head["n"]
                for line in found["rows"]:
                    for cell in (*line["groups"], line["overall"]) if line["variable"] in NAMES else ():
                        axis, values = NAMES[line["variable"]]
                        named = np.array([AXES[axis].of(s) in values for s in strata])
                        yield groups[cell["group"]] * inside * named, cell["count"]
    detail = api.client.get(path, params={"disclosure": disclosure}).json()["counts"]
    for axis, counted in detail.items():
        for value, n in counted.items():
            yield np.array([float(AXES[axis].of(s) == value) for s in strata]), n


def test_no_small_group_can_be_solved_for(api):
    """Sizes of groups: from both kinds of table, from rows that groups are named by, and from the cohort itself."""
    rng = random.Random(5)  # noqa: S311  # which cohorts are made is no secret
    widths = []
    stream = records(6 * 300)
    for number in range(6):
        people = list(islice(stream, rng.choice([30, 60, 120])))
        path = api.create(*({**one, "patient_id": f"B{number}-{place}"} for place, one in enumerate(people)))
        with api.app.database.store.read() as opened:
            counted = opened.strata(opened.cohort(path.rpartition("/")[2]))
        strata, truth = [parse(key) for key in counted], np.array(list(counted.values()))
        reader, hidden = Reader(strata), {}
        for row, n in sizes(api, path, "cms", strata):
            assert n is None or n == truth @ row
            reader.learn(row, n)
            if n is None and 1 <= truth @ row <= THRESHOLD:
                hidden[row.tobytes()] = row
        for key in rng.sample(sorted(hidden), min(8, len(hidden))):
            low, high = reader.range_of(hidden[key])
            widths.append(high - low)
    assert len(widths) >= 30
    assert min(widths) >= 1


SPREAD = ("anakinra_only", "other", "unknown")


def spread_cohort(rng):
    """Make two large groups, and one of a few more patients than the threshold, nearly each in a stratum of its own."""
    found = Counter()
    for treatment in ("ivig_monotherapy", "ivig_anakinra"):
        places = rng.sample([key for key in ALL if key.startswith(f"{treatment}/")], rng.randint(1, 4))
        found.update({key: rng.randint(11, 30) for key in places})
    treatment = rng.choice(SPREAD)
    places = rng.sample([key for key in ALL if key.startswith(f"{treatment}/")], rng.randint(THRESHOLD, 14))
    found.update(places)
    found[rng.choice(places)] += rng.randint(0, 2)
    return found


def answered(strata, profile):
    """Return what is told of how many patients each stratum holds by itself, and each group of every axis."""
    counts = Counts(strata, ())
    teller = Teller(Releases(counts, Disclosure.of(profile)))
    alone = [teller.count(int(n), np.arange(counts.n.size) == place) for place, n in enumerate(counts.n)]
    groups = [np.array([axis.of(s) == group for s in ALL.values()]) for axis in AXES.values() for group in axis.labels]
    groups.append(np.ones(counts.n.size, bool))
    return counts.n, alone, [(group, teller.count(int(counts.n[group].sum()), group)) for group in groups]


def test_which_strata_are_empty_cannot_be_used_to_solve_for_the_others():
    """Where one empty stratum of a group answers 0 and others null, null is no less than 1: that is in the solver."""
    rng = random.Random(7)  # noqa: S311  # which cohorts are made is no secret
    widths, told = [], 0
    for _ in range(400):
        n, alone, groups = answered(spread_cohort(rng), "cms")
        hidden = np.array([found is None for found in alone])
        reader = Reader(tuple(ALL.values()), np.zeros(n.size))
        for group, total in groups:
            reader.learn(group.astype(float), total)
            if total is not None and n[group & hidden].all() and (n[group & ~hidden] == 0).any():
                reader.least[group & hidden] = 1
        for place in np.flatnonzero(~hidden):
            reader.learn((np.arange(n.size) == place).astype(float), alone[place])
        told += bool(reader.least.any())
        small = np.flatnonzero(hidden & (n >= 1) & (n <= THRESHOLD))
        if small.size:
            low, high = reader.range_of((np.arange(n.size) == rng.choice(small.tolist())).astype(float))
            widths.append(high - low)
    assert len(widths) >= 300
    assert min(widths) >= THRESHOLD - 1
    assert told == 0


@pytest.mark.parametrize("profile", ["opensafely", "nhs-hes", "cms", "pcornet"])
def test_an_empty_stratum_answers_as_one_with_a_patient_in_it(profile):
    """Eleven patients, each in a stratum of its own: the answers of all strata are alike, cautions and groups too."""
    rng = random.Random(3)  # noqa: S311  # which cohorts are made is no secret
    others = [key for key in ALL if key.startswith("other/")]
    held = rng.sample(others, 11)
    counts = Counts({"ivig_monotherapy/no/no/none/male": 40, "ivig_anakinra/yes/no/none/male": 40}
                    | dict.fromkeys(held, 1), ())  # fmt: skip
    answers = set()
    for key in (*held, *rng.sample(sorted({*others} - {*held}), 20)):
        where = parse_where([f"{axis}:{value}" for axis, value in zip(STRATA_AXES, key.split("/"), strict=True)])
        for by in ("treatment", "treatment_corticosteroids"):  # the one group that is left possible
            question = Question(by, where, disclosure=Disclosure.of(profile), sections=("characteristics",))
            found = analyse(cohort_of(91), counts, question, NORMAL).model_dump_json(exclude={"where"})
            answers.add((by, found))
    assert len(answers) == 2
    assert '"n":null' in next(iter(answers))[1]


def test_groups_are_listed_whether_anybody_is_in_them_or_not():
    counts = Counts({"ivig_monotherapy/no/no/none/male": 40, "other/no/no/none/male": 11}, ())
    for profile in ("opensafely", "nhs-hes", "cms", "pcornet"):
        question = Question("sex", parse_where(["treatment:other,unknown"]), disclosure=Disclosure.of(profile))
        found = analyse(cohort_of(51), counts, question, NORMAL)
        assert [head.group for head in found.groups] == ["male", "female", "unknown"]
    assert [head.group for head in analyse(cohort_of(51), counts, Question("sex"), NORMAL).groups] == ["male"]
