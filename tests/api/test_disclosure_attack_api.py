"""The attack over HTTP: everything that the API publishes of a cohort goes into a solver of integer equations.

Unknown are the patients of each stratum by level of a variable. Each number that any grouping and subset shows is an
equation; of a number that is withheld and small the reader knows the threshold. It must not be told what it is.
"""

from __future__ import annotations

import random
from itertools import islice

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from app.cohorts.analysis.axes import AXES
from app.cohorts.strata import parse
from bench.generate import records
from tests.cohort_api import Api

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
    """Who knows the strata that anybody is in, the threshold, and what is published of one variable."""

    def __init__(self, strata) -> None:
        self.strata = strata
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
            found = milp(sign * row, constraints=[exact, small], integrality=np.ones(row.size), bounds=Bounds(0, 500))
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
        for field, levels in numbers.items():
            row = readers[name].row(by, where, group, levels)
            shown = None if withheld(truth[key][field]) else cell[field]
            readers[name].learn(row, shown)
            if shown is None and 1 <= truth[key][field] <= THRESHOLD:
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
