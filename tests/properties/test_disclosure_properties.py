"""Laws of disclosure control over whole analyses: stricter shows less, nested groups differ by safe numbers."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from app.cohorts.analysis.analyse import analyse
from app.cohorts.analysis.axes import AXES
from app.cohorts.analysis.selection import Question, parse_where
from app.cohorts.disclosure.described import described
from app.statistics.disclosure_policy import Disclosure
from tests.drawn_cohort import NORMAL, cohort_of, counts_of

WHERES = ((), ("treatment:ivig_anakinra",), ("cv_shock:yes",), ("treatment:ivig_anakinra", "cv_shock:no"))
SAFE = 11
STACKED = (
    ((), ("cms",)),
    (("cms",), ("cms", "opensafely")),
    (("nhs-hes",), ("nhs-hes", "opensafely")),
    (("opensafely",), ("opensafely", "cms")),
)


def asked(counts, by, where=(), *profiles, **more):
    question = Question(by, parse_where(where), disclosure=Disclosure.of(*profiles), **more)
    return analyse(cohort_of(int(counts.n.sum())), counts, question, NORMAL)


def numbers(node, path=()):
    """Yield every number of an answer and where it stands, null ones too."""
    if isinstance(node, dict):
        key = node.get("group", node.get("variable"))
        for name, value in node.items():
            yield from numbers(value, (*path, key, name) if key else (*path, name))
    elif isinstance(node, list | tuple):
        for place, value in enumerate(node):
            yield from numbers(value, path if isinstance(value, dict) and "group" in value else (*path, place))
    elif node is None or isinstance(node, int | float):
        yield path, node


@pytest.mark.parametrize("n", [30, 400])
@pytest.mark.parametrize(("loose", "strict"), STACKED)
def test_a_stricter_policy_never_shows_more(n, loose, strict):
    counts = counts_of(n)
    for by in ("treatment",):
        less = [dict(numbers(asked(counts, by, (), *names).model_dump(mode="json"))) for names in (strict, loose)]
        # Without a policy groups without anybody are not listed; under one they are, so that this is not told.
        listed = {path[:-1] for path in less[1]}
        unlisted = {path for path in less[0] if "groups" in path and not loose and path[:-1] not in listed}
        assert all(less[0][path] in {None, 0} for path in unlisted if path[-1] != "exact")
        told = (path for path, value in less[0].items() if value is not None and path not in unlisted)
        shown = {path for path in told if path[0] not in {"disclosure", "methods"}}
        seen = {path for path, value in less[1].items() if value is not None}
        curves = {path for path in shown if "curve" in path or "degrees_of_freedom" in path}
        assert shown - curves <= seen | {path for path in shown if path[-1] in ("in_tests", "exact")}


@pytest.mark.parametrize("profile", ["cms", "opensafely", "nhs-hes"])
def test_asking_twice_changes_nothing(profile):
    counts = counts_of(200)
    once, twice = (asked(counts, "treatment", (), *[profile] * times) for times in (1, 2))
    assert once == twice


@pytest.mark.parametrize("n", [60, 400])
def test_nested_groups_differ_by_safe_numbers(n):
    """Whatever two groups are asked for, subsets included: what one has more than the other is 0 or no small number."""
    counts = counts_of(n, seed=n)
    found: dict[str, list[tuple[np.ndarray, float]]] = {}
    for by in AXES:
        for where in WHERES:
            answer = asked(counts, by, where, "cms")
            question = Question(by, parse_where(where))
            inside = np.array([question.selects(s) for s in counts.strata])
            flags = {g: inside & np.array([AXES[by].of(s) == g for s in counts.strata]) for g in AXES[by].labels}
            flags["all"] = inside
            for name, group, value in shown(answer):
                found.setdefault(name, []).append((flags[group], value))
    checked = 0
    for pairs in found.values():
        for (a, x), (b, y) in combinations(pairs, 2):
            for small, large, rest in ((a, b, y - x), (b, a, x - y)):
                if (small <= large).all():
                    checked += 1
                    assert rest == 0 or rest >= SAFE
    assert checked > 50


def shown(answer):
    """Yield what is counted of a group: variable and level, group, and how many."""
    for section in (answer.characteristics, answer.adverse_events):
        for row in section.rows:
            for cell in (*row.groups, row.overall):
                told = ((name, getattr(cell, name)) for name in ("n_missing", "count"))
                yield from ((f"{row.variable} {name}", cell.group, n) for name, n in told if n is not None)
    for head in answer.groups:
        if head.n is not None:
            yield "n", head.group, head.n
    yield from graded(answer.adverse_events.grades)
    yield from stepped(answer.defervescence.from_admission.curves)


def graded(rows):
    for row in rows:
        for cell in (*row.groups, row.overall):
            yield from ((f"{row.variable} {g}", cell.group, k) for g, k in enumerate(cell.counts) if k is not None)


def stepped(curves):
    for curve in curves:
        if curve.events is not None:
            yield "events", curve.group, curve.events
        for point in curve.curve:
            for name in ("events", "censored", "at_risk"):
                yield f"{name} at {point.time}", curve.group, getattr(point, name)


def test_steps_of_a_curve_leave_a_safe_rest():
    answer = asked(counts_of(600), "treatment", (), "cms")
    curves = [curve for curve in answer.defervescence.from_admission.curves if curve.curve]
    assert curves
    for curve in curves:
        events, left = (sum(getattr(point, name) for point in curve.curve) for name in ("events", "censored"))
        assert curve.events - events == 0 or curve.events - events >= SAFE
        assert curve.n - curve.events - left == 0 or curve.n - curve.events - left >= SAFE
        assert curve.curve[-1].survival == pytest.approx(_survival(curve))
        assert all(point.time % 24 == 0 for point in curve.curve)
        assert (curve.median.low, curve.median.high, curve.restricted_mean.estimate) == (None, None, None)


def _survival(curve):
    found = 1.0
    for point in curve.curve:
        found *= 1 - point.events / point.at_risk
    return found


@pytest.mark.parametrize("profile", ["cms", "opensafely", "nhs-hes"])
def test_a_cohorts_own_counts_are_those_of_its_analysis(profile):
    counts = counts_of(300)
    strata = {s.key(): int(n) for s, n in zip(counts.strata, counts.n, strict=True)}
    told = described(strata, Disclosure.of(profile))
    for by in ("treatment", "cv_shock", "kd_like", "phenotype"):
        for head in asked(counts, by, (), profile, sections=("characteristics",)).groups:
            assert told.counts[by][head.group] == head.n
