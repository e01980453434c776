"""What must hold of every dose and every wean, whatever the child."""

import json
from decimal import Decimal
from itertools import pairwise
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.clinical.anakinra.course import WeanNext, WeanNextRequest
from app.clinical.anakinra.dose import DoseRequest, StartingDose
from app.clinical.anakinra.protocol import Protocols
from app.clinical.anakinra.schedule import ladder
from app.clinical.anakinra.titration import Titration, TitrationRequest
from app.clinical.anakinra.weaning import Weaning, WeanRequest
from app.clinical.patient import PatientCheck
from app.clinical.rulebook import load_rulebook

RULEBOOK = load_rulebook()
PROTOCOLS = Protocols(RULEBOOK)
PARTS = RULEBOOK, PROTOCOLS, PatientCheck(RULEBOOK)
DOSE, TITRATION, WEAN, NEXT = StartingDose(*PARTS), Titration(*PARTS), Weaning(*PARTS), WeanNext(*PARTS)
PROTOCOL = PROTOCOLS.chosen(None)
STEP, RESIDUE, CAP, CEILING = (float(x) for x in (PROTOCOL.step, PROTOCOL.residue, PROTOCOL.cap, PROTOCOL.ceiling))


def numbers(low, high, places=2):
    """Numbers as they are written: so many decimals, no more."""
    scale = 10**places
    return st.integers(round(low * scale), round(high * scale)).map(lambda n: n / scale)


WEIGHTS = numbers(0.5, 200)
DOSES = numbers(0.05, 48)
TARGETS = numbers(0.05, CEILING)
STEPS = numbers(0.5, 2)
INTERVALS = st.one_of(st.none(), numbers(24, 48, 1))
TRUTHS = st.sampled_from([True, False, None])


def plan(weight, current, step=None, interval=None, strategy="fixed"):
    request = WeanRequest(
        weight_kg=weight,
        current_mg_kg_day=current,
        clinically_stable=True,
        step_mg_kg_day=step,
        interval_hours=interval,
        strategy=strategy,
    )
    return WEAN(request)


def every_number(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key != "rules":
                yield from every_number(value)
    elif isinstance(node, list):
        for value in node:
            yield from every_number(value)
    elif isinstance(node, float):
        yield node


def decimals(number):
    return max(0, -Decimal(repr(number)).as_tuple().exponent)


@given(WEIGHTS, WEIGHTS, TARGETS)
def test_a_dose_grows_with_the_weight_until_the_cap_and_never_falls(one, other, target):
    low, high = sorted((one, other))
    small, large = (DOSE(DoseRequest(weight_kg=w, target_mg_kg_day=target)).options[0] for w in (low, high))
    assert small.per_dose_mg <= large.per_dose_mg <= CAP
    assert small.rounded_per_dose_mg <= large.rounded_per_dose_mg <= CAP
    if not large.capped and high > low + 0.1:
        assert small.daily_mg < large.daily_mg


@given(WEIGHTS, TRUTHS, st.one_of(st.none(), TARGETS))
def test_per_dose_times_doses_is_daily_and_daily_is_weight_times_effective(weight, critically_ill, target):
    answer = DOSE(DoseRequest(weight_kg=weight, critically_ill=critically_ill, target_mg_kg_day=target))
    for o in (*answer.options, *([answer.midpoint] if answer.midpoint else [])):
        assert o.per_dose_mg * o.doses_per_day == pytest.approx(o.daily_mg, abs=4e-4)
        assert o.nominal_daily_mg == pytest.approx(weight * o.mg_kg_day, abs=1e-3)
        assert o.daily_mg == pytest.approx(weight * o.effective_mg_kg_day, abs=weight * 1e-4)
        assert o.effective_mg_kg_day <= o.mg_kg_day
        assert o.capped == (o.effective_mg_kg_day < o.mg_kg_day or o.nominal_daily_mg > o.daily_mg)
        assert o.doses_per_day * o.interval_hours == 24
        assert o.volume_ml == pytest.approx(o.rounded_per_dose_mg * 0.0067, abs=1e-4)


@given(WEIGHTS, TARGETS)
def test_rounding_moves_a_dose_by_at_most_half_a_step(weight, target):
    option = DOSE(DoseRequest(weight_kg=weight, target_mg_kg_day=target)).options[0]
    assert abs(option.rounded_per_dose_mg - option.per_dose_mg) <= 0.5
    assert option.rounded_per_dose_mg == int(option.rounded_per_dose_mg)


@given(WEIGHTS, st.one_of(st.none(), TARGETS))
def test_with_critically_ill_unknown_the_answer_holds_both_answers(weight, target):
    unknown = DOSE(DoseRequest(weight_kg=weight, target_mg_kg_day=target))
    ends = [o for o in unknown.options if o.at != "target"]
    known = [DOSE(DoseRequest(weight_kg=weight, critically_ill=c)).options for c in (False, True)]
    assert ends == [*known[0], *known[1]]
    assert unknown.missing == ("critically_ill",)


@given(WEIGHTS, DOSES, STEPS, INTERVALS, st.sampled_from(["fixed", "equalised"]))
def test_a_wean_strictly_falls_by_no_more_than_the_step_and_ends_at_nothing(weight, current, step, interval, strategy):
    answer = plan(weight, current, step, interval, strategy)
    doses = [s.mg_kg_day for s in answer.steps]
    falls = [a - b for a, b in pairwise(doses)]
    assert doses[-1] == 0
    assert all(d > 0 for d in doses[:-1])
    assert all(fall > 0 for fall in falls)
    slack = RESIDUE if strategy == "fixed" else 0
    assert all(fall <= step + 1e-3 for fall in falls[:-1])
    assert falls[-1] <= step + slack + 1e-3
    if falls[-1] > step + 1e-3:
        assert doses[-2] <= step + RESIDUE + 1e-3


@given(WEIGHTS, DOSES, numbers(24, 48, 1))
def test_a_wean_is_never_faster_than_the_interval(weight, current, interval):
    answer = plan(weight, current, interval=interval)
    assert all(b.from_hour - a.from_hour == pytest.approx(interval) for a, b in pairwise(answer.steps))
    assert all(a.until_hour == b.from_hour for a, b in pairwise(answer.steps))
    assert answer.earliest_stop_hour <= answer.total_hours <= answer.latest_stop_hour
    assert answer.steps[-1].from_hour == answer.total_hours


@given(WEIGHTS, DOSES)
def test_without_an_interval_every_step_is_a_window_of_the_protocol(weight, current):
    answer = plan(weight, current)
    for number, step in enumerate(answer.steps):
        assert (step.from_hour, step.latest_from_hour) == (24 * number, 48 * number)
    assert answer.total_hours is None


@given(WEIGHTS, DOSES)
def test_a_wean_starts_from_what_the_child_really_gets(weight, current):
    answer = plan(weight, current)
    first = answer.steps[0]
    assert first.mg_kg_day == pytest.approx(min(current, 4 * CAP / weight), abs=1e-4)
    assert first.per_dose_mg <= CAP
    assert first.per_dose_mg * 4 == pytest.approx(first.daily_mg, abs=4e-4)
    assert first.daily_mg == pytest.approx(weight * first.mg_kg_day, abs=weight * 1e-4)


@given(WEIGHTS, TARGETS)
def test_dose_titration_and_wean_agree_on_the_effective_dose(weight, target):
    effective = DOSE(DoseRequest(weight_kg=weight, target_mg_kg_day=target)).options[0].effective_mg_kg_day
    assert plan(weight, target).steps[0].mg_kg_day == effective
    titration = TITRATION(TitrationRequest(weight_kg=weight, current_mg_kg_day=target))
    assert titration.current is not None
    assert titration.current.effective_mg_kg_day == effective


@given(WEIGHTS, DOSES, STEPS)
def test_the_next_step_of_a_stable_course_is_the_second_rung_of_its_plan(weight, current, step):
    request = {
        "weight_kg": weight,
        "current_mg_kg_day": current,
        "hours_since_last_step": 24,
        "clinically_stable": True,
        "step_mg_kg_day": step,
        "stability": {"fever": False, "vasoactive_support": False, "organ_function_worsening": False},
    }
    answer = NEXT(WeanNextRequest.model_validate(request))
    assert answer.status == "advance"
    assert answer.next is not None
    assert answer.next.mg_kg_day == plan(weight, current, step).steps[1].mg_kg_day


@given(WEIGHTS, DOSES, st.one_of(st.none(), TARGETS))
def test_titration_never_leads_above_ceiling_or_cap(weight, current, target):
    answer = TITRATION(TitrationRequest(weight_kg=weight, current_mg_kg_day=current, target_mg_kg_day=target))
    assert answer.highest is not None
    assert answer.highest.effective_mg_kg_day <= CEILING
    assert answer.headroom_mg_kg_day is not None
    assert 0 <= answer.headroom_mg_kg_day <= CEILING
    if answer.proposed is not None:
        assert answer.proposed.effective_mg_kg_day <= answer.highest.effective_mg_kg_day
        assert answer.proposed.per_dose_mg <= CAP


FACTS = st.fixed_dictionaries(
    {"fever": TRUTHS, "vasoactive_support": TRUTHS, "organ_function_worsening": TRUTHS, "clinically_stable": TRUTHS}
)
HOURS = st.sampled_from([None, 12, 24, 36])


def moved(facts, hours):
    stability = {k: v for k, v in facts.items() if k != "clinically_stable"}
    request = {
        "weight_kg": 25,
        "current_mg_kg_day": 6,
        "previous_mg_kg_day": 8,
        "hours_since_last_step": hours,
        "clinically_stable": facts["clinically_stable"],
        "stability": stability,
    }
    return NEXT(WeanNextRequest.model_validate(request))


@given(FACTS, HOURS)
def test_a_wean_advances_only_when_all_is_known_to_be_well(facts, hours):
    answer = moved(facts, hours)
    ill = [facts["fever"], facts["vasoactive_support"], facts["organ_function_worsening"]]
    well = ill == [False, False, False] and facts["clinically_stable"] is True
    assert (answer.status == "advance") == (well and hours is not None and hours >= 24)
    assert (answer.status == "step_back_up") == (True in ill)
    assert answer.next is None or answer.status != "hold"


@given(FACTS, HOURS, st.data())
def test_knowing_less_never_moves_the_dose_the_other_way(facts, hours, data):
    hidden = data.draw(st.sets(st.sampled_from(sorted(facts))))
    less = moved({k: None if k in hidden else v for k, v in facts.items()}, hours).status
    assert less in {"hold", moved(facts, hours).status}


@given(WEIGHTS, TRUTHS, st.one_of(st.none(), TARGETS), DOSES, INTERVALS)
def test_no_answer_shows_binary_noise(weight, critically_ill, target, current, interval):
    answers = (
        DOSE(DoseRequest(weight_kg=weight, critically_ill=critically_ill, target_mg_kg_day=target)),
        TITRATION(TitrationRequest(weight_kg=weight, current_mg_kg_day=current, target_mg_kg_day=target)),
        plan(weight, current, interval=interval),
    )
    for answer in answers:
        for number in every_number(json.loads(answer.model_dump_json())):
            assert decimals(number) <= 4, number
            assert str(number) != "-0.0"


@given(numbers(0.01, 60, 3), numbers(0.5, 2), numbers(0.05, 0.5))
def test_the_ladder_in_decimals_keeps_every_bound_exactly(start, step, residue):
    start, step, residue = (Decimal(repr(x)) for x in (start, step, residue))
    fixed = ladder(start, step, residue, "fixed").doses
    assert all(a - b == step for a, b in pairwise(fixed[:-1]))
    assert fixed[-1] == 0
    assert fixed[-2] <= step + residue
    equal = ladder(start, step, residue, "equalised").doses
    assert equal[-1] == 0
    assert all(0 < a - b <= step + Decimal("1e-12") for a, b in pairwise(equal))
    assert len(equal) - 1 == ceil(start / step)
