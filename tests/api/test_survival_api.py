"""`/v1/statistics/kaplan-meier`, `/log-rank` and `/restricted-mean` through HTTP."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from app.statistics.survival_answers import answer_kaplan_meier
from app.statistics.survival_models import KaplanMeierAnswer
from app.statistics.survival_requests import KaplanMeierRequest, LogRankRequest

MAINTAINED, NOT = LogRankRequest.model_config["json_schema_extra"]["examples"][0]["groups"]
ONE = {"durations": MAINTAINED["durations"], "events": MAINTAINED["events"]}
PATHS = ("kaplan-meier", "log-rank", "restricted-mean")


def ask(client, what, body):
    return client.post(f"/v1/statistics/{what}", json=body)


def pair(**changes):
    return {"groups": [{**MAINTAINED, **changes}, NOT]}


def test_kaplan_meier(client):
    answer = ask(client, "kaplan-meier", ONE | {"interval": "log"}).json()
    assert answer["method"] == "Kaplan-Meier; Greenwood's variance, log limits"
    assert (answer["n"], answer["n_missing"], answer["events"], answer["censored"]) == (11, 0, 7, 4)
    assert answer["median"]["estimate"] == 31
    assert (answer["median"]["low"], answer["median"]["high"]) == (18, None)
    assert len(answer["curve"]) == 10
    assert answer["curve"][0] == {
        "time": 9,
        "survival": pytest.approx(10 / 11),
        "low": pytest.approx(0.7541338),
        "high": 1,
        "at_risk": 11,
        "events": 1,
        "censored": 0,
    }


def test_missing_values_are_left_out_and_counted(client):
    body = {"durations": [*ONE["durations"], None, 5], "events": [*ONE["events"], True, None]}
    answer, plain = ask(client, "kaplan-meier", body).json(), ask(client, "kaplan-meier", ONE).json()
    assert answer["n_missing"] == 2
    assert answer["curve"] == plain["curve"]
    answer = ask(client, "log-rank", pair(**body)).json()
    assert answer["n_missing"] == answer["groups"][0]["n_missing"] == 2


def test_log_rank(client):
    answer = ask(client, "log-rank", pair()).json()
    assert answer["p_value"] == pytest.approx(0.0653393220405)
    assert answer["chi_square"] == pytest.approx(3.396388698977)
    assert answer["degrees_of_freedom"] == 1
    assert answer["exact"] is False
    assert answer["method"].startswith("Log-rank test")
    first = answer["groups"][0]
    assert (first["label"], first["n"], first["events"]) == ("maintained", 11, 7)
    assert first["expected"] == pytest.approx(10.6893359923)
    assert first["median"]["estimate"] == 31
    ratio = answer["hazard_ratio"]
    assert (ratio["of"], ratio["to"]) == ("maintained", "not maintained")
    assert ratio["estimate"] == pytest.approx(0.3982815144)


def test_gehan_breslow_and_three_groups(client):
    body = {"groups": [*pair()["groups"], {"label": "third", "durations": [1, 2], "events": [True, False]}]}
    answer = ask(client, "log-rank", body | {"weights": "gehan_breslow"}).json()
    assert answer["method"].startswith("Gehan-Breslow")
    assert answer["degrees_of_freedom"] == 2
    assert answer["hazard_ratio"] is None


def test_cox_is_answered_by_lifelines(client):
    ratio = ask(client, "log-rank", pair() | {"hazard_ratio": "cox"}).json()["hazard_ratio"]
    assert "lifelines" in ratio["method"]
    assert ratio["estimate"] == pytest.approx(0.4003033777)


def test_without_events_there_is_a_reason_and_no_p(client):
    body = {"groups": [{**group, "events": [False] * len(group["events"])} for group in pair()["groups"]]}
    answer = ask(client, "log-rank", body).json()
    assert (answer["p_value"], answer["chi_square"], answer["reason"]) == (None, None, "There are no events.")
    assert [warning["code"] for warning in answer["warnings"]] == ["no_events"]
    assert answer["hazard_ratio"]["estimate"] is None


def test_empty_groups_are_answered(client):
    empty = {"label": "nobody", "durations": [], "events": []}
    answer = ask(client, "log-rank", {"groups": [empty, MAINTAINED]}).json()
    assert answer["p_value"] is None
    assert answer["groups"][0]["median"]["reason"] == "There are no patients."
    assert ask(client, "kaplan-meier", {"durations": [], "events": []}).json()["curve"] == []
    answer = ask(client, "restricted-mean", {"groups": [empty]}).json()
    assert answer["groups"][0]["reason"] == "There are no patients."
    assert answer["horizon"] is None


def test_restricted_mean(client):
    answer = ask(client, "restricted-mean", pair() | {"horizon": 30}).json()
    assert answer["horizon"] == 30
    assert [group["label"] for group in answer["groups"]] == ["maintained", "not maintained"]
    a, b = answer["groups"]
    assert answer["difference"]["estimate"] == pytest.approx(a["estimate"] - b["estimate"])
    assert ask(client, "restricted-mean", pair()).json()["horizon"] == 45
    assert ask(client, "restricted-mean", {"groups": [MAINTAINED]}).json()["difference"] is None


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        (ONE | {"events": [True]}, "/events", "unequal_lengths"),
        ({"durations": [-1], "events": [True]}, "/durations/0", "out_of_range"),
        ({"durations": [1e16], "events": [True]}, "/durations/0", "out_of_range"),
        ({"durations": ["1"], "events": [True]}, "/durations/0", "not_a_number"),
        ({"durations": [True], "events": [True]}, "/durations/0", "not_a_number"),
        ({"durations": [1], "events": [1]}, "/events/0", "not_a_boolean"),
        ({"durations": [1], "events": ["yes"]}, "/events/0", "not_a_boolean"),
        ({"durations": [1]}, "/events", "field_missing"),
        (ONE | {"confidence": 0}, "/confidence", "out_of_range"),
        (ONE | {"confidence": 1}, "/confidence", "out_of_range"),
        (ONE | {"confidence": 95}, "/confidence", "out_of_range"),
        (ONE | {"interval": "loglog"}, "/interval", "value_not_allowed"),
        (ONE | {"weights": "log_rank"}, "/weights", "unknown_field"),
    ],
)
def test_what_kaplan_meier_refuses(client, body, pointer, code):
    answer = ask(client, "kaplan-meier", body)
    assert answer.status_code == 422
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(pointer, code)]


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"groups": [MAINTAINED]}, "/groups", "list_length"),
        ({"groups": []}, "/groups", "list_length"),
        ({"groups": [MAINTAINED, MAINTAINED]}, "/groups", "repeated_label"),
        (pair(durations=[1]), "/groups/0/events", "unequal_lengths"),
        (pair(label=""), "/groups/0/label", "text_length"),
        (pair() | {"weights": "peto"}, "/weights", "value_not_allowed"),
        (pair() | {"hazard_ratio": "both"}, "/hazard_ratio", "value_not_allowed"),
        ({"groups": [{**NOT, "label": str(place)} for place in range(51)]}, "/groups", "list_length"),
    ],
)
def test_what_log_rank_refuses(client, body, pointer, code):
    answer = ask(client, "log-rank", body)
    assert answer.status_code == 422
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(pointer, code)]


def test_too_many_rows_in_all_are_refused(client):
    half = {"durations": [1] * 500_001, "events": [True] * 500_001}
    body = {"groups": [{"label": name, **half} for name in "ab"]}
    answer = ask(client, "log-rank", body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "too_many_rows"


@pytest.mark.parametrize("horizon", [0, -1, "30"])
def test_what_restricted_mean_refuses(client, horizon):
    assert ask(client, "restricted-mean", pair() | {"horizon": horizon}).status_code == 422


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e400"])
def test_numbers_that_json_does_not_know_are_refused(client, number):
    body = b'{"durations": [%s], "events": [true]}' % number
    answer = client.post("/v1/statistics/kaplan-meier", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/durations/0"


def test_a_long_curve_comes_in_pieces_and_is_the_same(client):
    times = list(range(1, 12_002))
    body = {"durations": times, "events": [time % 3 > 0 for time in times]}
    answer = ask(client, "kaplan-meier", body)
    assert "content-length" not in answer.headers
    asked = KaplanMeierRequest.model_validate(body)
    head, curve = answer_kaplan_meier(asked)
    whole = KaplanMeierAnswer.model_validate({**head.model_dump(), "curve": list(curve.rows())})
    assert answer.json() == json.loads(whole.model_dump_json())


def test_every_answer_is_the_documented_model(client):
    for body in (ONE, {"durations": [5], "events": [True]}, {"durations": [0, 0], "events": [False, True]}):
        KaplanMeierAnswer.model_validate_json(ask(client, "kaplan-meier", body).content)


def test_numpy_is_not_loaded_before_the_first_question():
    code = (
        "import sys; from app.main import create_app; from app.settings import load_settings; "
        "create_app(load_settings({})); "
        "print(sorted({'numpy', 'scipy', 'pandas', 'lifelines', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
