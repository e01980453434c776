"""An analysis from tallies is what a plain computation over the rows gives, for every axis and every narrowing.

The plain computation below knows neither tallies nor sums of strata: it filters a list of patients, group by group, and
asks numpy, scipy and lifelines wherever these are exact.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from datetime import UTC, datetime
from itertools import product

import numpy as np
import pytest
from lifelines import KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test
from scipy import stats

from app.cohorts import strata
from app.cohorts.analysis.analyse import analyse
from app.cohorts.analysis.answers import SECTIONS
from app.cohorts.analysis.axes import AXES
from app.cohorts.analysis.columns import Counts
from app.cohorts.analysis.heart import Normal
from app.cohorts.analysis.selection import Question, parse_where
from app.cohorts.store.model import Cohort
from app.cohorts.strata import Stratum
from app.cohorts.variables import CATALOGUE, EXCLUDED, pack_pair
from app.statistics.mann_whitney import mann_whitney
from app.statistics.signed_rank import signed_rank
from app.statistics.tally import Tally

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NORMAL = Normal(55, -21.4)
WHERE = (
    [],
    ["treatment:ivig_anakinra,ivig_monotherapy"],
    ["cv_shock:yes", "sex:male,unknown"],
    ["treatment:anakinra_only", "kd_like:no"],
)


def drawn_patient(draw):
    """One patient: the stratum, and the scaled values that are known."""
    stratum = Stratum(
        draw.choices(strata.TREATMENT, (5, 7, 1, 1, 1))[0],
        draw.choice(strata.FLAG),
        draw.choices(strata.FLAG, (4, 4, 1))[0],
        draw.choices(strata.CORTICOSTEROIDS, (6, 2, 2, 1))[0],
        draw.choice(strata.SEX),
    )
    values = {}
    for name, variable in CATALOGUE.items():
        given = variable.applies == "all" or stratum.treatment in strata.WITH_ANAKINRA
        if name.startswith(("defervescence", "lvef", "strain")) or not given or draw.random() < 0.25:
            continue
        if variable.kind == "binary":
            values[name] = int(draw.random() < 0.4)
        else:
            values[name] = draw.randint(0, 5) if variable.kind == "category" else draw.randint(1, 30)
    for zero in ("admission", "anakinra_start"):
        if zero == "admission" or stratum.treatment in strata.WITH_ANAKINRA:
            follow(draw, values, zero)
    for name in ("lvef", "strain"):
        heart(draw, values, name, -1 if name == "strain" else 1)
    return stratum, values


def follow(draw, values, zero):
    luck = draw.random()
    excluded = "defervescence.excluded" if zero == "admission" else "defervescence.anakinra_start.excluded"
    if luck < 0.2:
        values[excluded] = draw.choice(list(EXCLUDED.values()))
    elif luck < 0.9:
        values[f"defervescence.{zero}.{draw.choice(('event', 'event', 'censored'))}"] = draw.randint(5, 60) * 10


def heart(draw, values, name, sign):
    if draw.random() < 0.8:
        values[f"{name}.first"] = before = sign * draw.randint(200, 210)
        if draw.random() < 0.8:
            values[f"{name}.follow_up"] = after = sign * draw.randint(202, 214)
            values[f"{name}.difference"] = after - before
            values[f"{name}.pair"] = pack_pair(before, after)
        if name == "lvef":
            values["lvef.reduced"] = int(before < 205)


def counted(patients):
    """Return what the store would hold of these patients."""
    sizes = Counter(stratum.key() for stratum, _ in patients)
    cells = {}
    for stratum, values in patients:
        for name, value in values.items():
            cells.setdefault((name, stratum.key()), Counter())[value] += 1
    return Counts(
        sizes,
        [
            (name, key, CATALOGUE[name].digits, Tally.from_counts(counts, CATALOGUE[name].digits).to_bytes())
            for (name, key), counts in sorted(cells.items())
        ],
    )


def analysed(patients, **asked):
    cohort = Cohort(1, "c", "C", None, 3, len(patients), (), False, NOW, NOW)
    return analyse(cohort, counted(patients), Question(**asked), NORMAL)


def cohort_of(seed, size=44):
    draw = random.Random(seed)  # noqa: S311  # data for a test
    return [drawn_patient(draw) for _ in range(size)]


def near(ours, theirs, tolerance=1e-9):
    if ours is None or theirs is None:
        assert ours is theirs
    else:
        assert math.isclose(ours, theirs, rel_tol=tolerance, abs_tol=1e-12), (ours, theirs)


def selected(patients, where, *, anakinra=False):
    return [
        (stratum, values)
        for stratum, values in patients
        if all(AXES[axis].of(stratum) in allowed for axis, allowed in where)
        and not (anakinra and stratum.treatment not in strata.WITH_ANAKINRA)
    ]


def rows_of(patients, by, group, name):
    """Return the known values of one group in the variable's unit, and how many patients it applies to."""
    here = [
        values
        for stratum, values in patients
        if (group == "all" or AXES[by].of(stratum) == group)
        and (CATALOGUE[name].applies == "all" or stratum.treatment in strata.WITH_ANAKINRA)
    ]
    return [v[name] / 10 ** CATALOGUE[name].digits for v in here if name in v], len(here)


def check_cell(cell, kind, values, n):
    assert (cell.n, cell.n_missing) == (n, n - len(values))
    if kind == "binary":
        assert cell.count == sum(values)
        near(cell.percent, 100 * sum(values) / len(values) if values else None)
        return
    if not values:
        assert (cell.median, cell.q1, cell.q3) == (None, None, None)
        return
    for ours, share in ((cell.median, 0.5), (cell.q1, 0.25), (cell.q3, 0.75)):
        near(ours, float(np.quantile(values, share, method="weibull")))


def check_test(row, groups):
    """Compare the test of a row with that of the groups with known values: two that are not all alike, or no p."""
    known = [values for values in groups if values]
    if row.test is None:
        return
    if len(known) < 2 or len(set().union(*known)) == 1:
        assert row.test.p_value is None
        assert row.test.reason
    elif row.kind == "binary":
        table = [[int(sum(values)), len(values) - int(sum(values))] for values in known]
        near(row.test.p_value, freeman_halton(table))
        if len(known) == 2:
            near(row.test.p_value, stats.fisher_exact(table).pvalue)
        else:
            near(row.pearson_chi_square.p_value, stats.chi2_contingency(table, correction=False).pvalue)
    elif len(known) == 2:
        near(row.test.p_value, mann_whitney(*map(Tally.from_numbers, known)).p_value)
    else:
        near(row.test.p_value, stats.kruskal(*known).pvalue)
        near(row.test.statistic, stats.kruskal(*known).statistic)


def freeman_halton(table):
    """Sum the probabilities of all tables with these margins that are no likelier, one table after another."""
    sizes, total = [sum(line) for line in table], sum(line[0] for line in table)

    def ways(firsts):
        return math.prod(math.comb(n, k) for n, k in zip(sizes, firsts, strict=True))

    seen = ways([line[0] for line in table])
    spread = [range(min(n, total) + 1) for n in sizes[:-1]]
    found = [(*firsts, total - sum(firsts)) for firsts in product(*spread) if 0 <= total - sum(firsts) <= sizes[-1]]
    return sum(w for w in map(ways, found) if w <= seen) / math.comb(sum(sizes), total)


@pytest.mark.parametrize("where", WHERE, ids=str)
@pytest.mark.parametrize("by", AXES)
def test_tables_are_those_of_the_rows(by, where):
    patients, conditions = cohort_of(len(by)), parse_where(where)
    found = analysed(patients, by=by, where=conditions)
    for name in ("characteristics", "anakinra", "adverse_events", "cytokines", "labs"):
        section = getattr(found, name)
        here = selected(patients, conditions, anakinra=name == "anakinra")
        assert section.n == len(here)
        assert {g.group: g.n for g in section.groups if g.n} == dict(Counter(AXES[by].of(s) for s, _ in here))
        tested = [g.group for g in section.groups if g.group != AXES[by].unknown and g.n]
        for row in section.rows:
            for cell in (*row.groups, row.overall):
                check_cell(cell, row.kind, *rows_of(here, by, cell.group, row.variable))
            check_test(row, [rows_of(here, by, group, row.variable)[0] for group in tested])
            formed = row.variable in AXES[by].forms
            assert (row.test is None) == (formed or len(tested) < 2)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("by", AXES)
def test_curves_are_those_of_the_rows(by, seed):
    patients = cohort_of(seed)
    found = analysed(patients, by=by).defervescence
    for zero, curves in (("admission", found.from_admission), ("anakinra_start", found.from_anakinra_start)):
        rows = {
            head.group: [
                (values[f"defervescence.{zero}.{what}"] / 10, what == "event")
                for stratum, values in patients
                if AXES[by].of(stratum) == head.group
                for what in ("event", "censored")
                if f"defervescence.{zero}.{what}" in values
            ]
            for head in curves.groups
        }
        for curve in curves.curves:
            check_curve(curve, rows[curve.group])
        tested = [h.group for h in curves.groups if h.in_tests and rows[h.group]]
        if len(tested) < 2:
            assert curves.log_rank is None
            continue
        times, events, labels = zip(*((t, e, g) for g in tested for t, e in rows[g]), strict=True)
        if curves.log_rank.degrees_of_freedom == len(tested) - 1:
            plain = multivariate_logrank_test(times, labels, events)
            near(curves.log_rank.statistic, plain.test_statistic, 1e-8)
            gehan = multivariate_logrank_test(times, labels, events, weightings="wilcoxon")
            near(curves.gehan_breslow.statistic, gehan.test_statistic, 1e-8)
        assert (curves.hazard_ratio is not None) == (len(tested) == 2)


def check_curve(curve, rows):
    assert (curve.n, curve.events) == (len(rows), sum(event for _, event in rows))
    assert [point.time for point in curve.curve] == sorted({time for time, _ in rows})
    if rows:
        times, events = zip(*rows, strict=True)
        plain = KaplanMeierFitter().fit(times, events).survival_function_at_times([p.time for p in curve.curve])
        for point, survival in zip(curve.curve, plain, strict=True):
            near(point.survival, float(survival), 1e-9)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("by", ["treatment", "sex"])
def test_the_heart_is_that_of_the_rows(by, seed):
    patients = cohort_of(seed)
    found = analysed(patients, by=by).cardiac
    for measure in (found.lvef, found.strain):
        for group in (*measure.groups, measure.overall):
            here = [v for s, v in patients if group.group == "all" or AXES[by].of(s) == group.group]
            pairs = [
                (v[f"{measure.variable}.first"] / 10, v[f"{measure.variable}.follow_up"] / 10)
                for v in here
                if f"{measure.variable}.follow_up" in v
            ]
            assert (group.n, group.n_pairs) == (len(here), len(pairs))
            assert group.n_first == sum(f"{measure.variable}.first" in v for v in here)
            assert Counter({(a, b): n for a, b, n in group.pairs}) == Counter(pairs)
            differences = Tally.from_numbers([round(b - a, 1) for a, b in pairs])
            near(group.test.p_value, signed_rank(differences).p_value)
            if pairs:
                near(group.paired_first.median, float(np.median([a for a, _ in pairs])))
                near(group.difference.median, float(np.median([round(b - a, 1) for a, b in pairs])))


@pytest.mark.parametrize("by", AXES)
def test_missing_is_counted_as_in_the_rows(by):
    patients = cohort_of(5)
    found = analysed(patients, by=by).missing
    plain = [row for row in found.rows if not row.variable.startswith("defervescence")]
    for row in plain:
        for cell in (*row.groups, row.overall):
            values, n = rows_of(patients, by, cell.group, row.variable)
            assert (cell.n, cell.n_missing) == (n, n - len(values))
            near(cell.percent, 100 * (n - len(values)) / n if n else None)


def test_a_split_cohort_gives_the_same_answer_bit_for_bit():
    patients = cohort_of(9, 200)
    shuffled = random.Random(1).sample(patients, len(patients))  # noqa: S311  # as above
    assert analysed(patients, adjust="holm") == analysed(shuffled, adjust="holm")


@pytest.mark.parametrize("size", [0, 1, 2, 3])
@pytest.mark.parametrize("by", [None, *AXES])
def test_small_cohorts_have_defined_answers(by, size):
    found = analysed(cohort_of(size + 40, size), by=by, sustained=True)
    text = found.model_dump_json()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert all(getattr(found, name) is not None for name in SECTIONS)
    assert ("no_patients" in {w.code for w in found.warnings}) == (size == 0)


def test_a_cohort_of_which_nothing_is_known():
    unknown = [(Stratum("unknown", "unknown", "unknown", "unknown", "unknown"), {}) for _ in range(4)]
    found = analysed(unknown)
    assert {g.group: g.n for g in found.groups} == {"ivig_monotherapy": 0, "ivig_anakinra": 0, "unknown": 4}
    assert all(row.overall.n_missing == 4 and row.test is None for row in found.characteristics.rows)
    assert "nothing_to_compare" in {w.code for w in found.warnings}
    assert found.anakinra.n == 0
