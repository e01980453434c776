"""The token buckets: what is left, what is owed, when it is back, and how many callers are remembered."""

from __future__ import annotations

import pytest

from app.api.context import Limits, RequestContext
from app.api.problems import ProblemError
from app.api.rate import RateLimit, caller_of, cost_of
from app.security.caller import Caller


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


def context(path: str = "/v1/anakinra/dose", **headers: str) -> RequestContext:
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return RequestContext({"headers": sent, "path": path}, Limits())


def scope(address: str = "10.0.0.1", method: str = "POST"):
    return {"client": (address, 1), "method": method}


def test_headers_are_written_as_the_draft_says(clock):
    limit = RateLimit(60, clock=clock)
    assert limit.admit(scope(), context()) == [
        (b"ratelimit-policy", b'"default";q=60;w=60'),
        (b"ratelimit", b'"default";r=59;t=1'),
    ]


def test_a_caller_who_has_nothing_left_is_refused_and_told_when(clock):
    limit = RateLimit(3, clock=clock)
    for _ in range(3):
        limit.admit(scope(), context())
    with pytest.raises(ProblemError) as caught:
        limit.admit(scope(), context())
    assert caught.value.kind.status == 429
    assert caught.value.headers == {
        "Retry-After": "20",
        "RateLimit-Policy": '"default";q=3;w=60',
        "RateLimit": '"default";r=0;t=60',
    }
    assert limit.refused == 1
    clock.now = 19.9
    assert limit.spend("10.0.0.1", 1) is None
    clock.now = 20.1
    assert limit.spend("10.0.0.1", 1) is not None


def test_others_have_buckets_of_their_own(clock):
    limit = RateLimit(1, clock=clock)
    assert limit.spend("a", 1) is not None
    assert limit.spend("a", 1) is None
    assert limit.spend("b", 1) is not None


def test_a_bucket_holds_no_more_than_one_window(clock):
    limit = RateLimit(5, clock=clock)
    clock.now = 1e6
    assert [limit.spend("a", 1) is not None for _ in range(6)] == [True] * 5 + [False]


def test_what_costs_more_than_is_left_is_taken_and_owed_up_to_one_bucket(clock):
    limit = RateLimit(60, clock=clock)
    assert limit.spend("a", 1) is not None
    assert limit.spend("a", 1_000_000) is not None
    assert limit.spend("a", 1) is None
    clock.now = 1.5
    assert limit.spend("a", 1) is None, "still owed"
    clock.now = 2.1
    assert limit.spend("a", 1) is not None


@pytest.mark.parametrize(
    ("method", "path", "length", "cost"),
    [
        ("POST", "/v1/anakinra/dose", "41", 1),
        ("GET", "/v1/cohorts", None, 1),
        ("POST", "/v1/ctcae/grade/batch", "8000000", 801),
        ("POST", "/v1/cohorts/a/patients", "9999", 1),
        ("POST", "/v1/cohorts/a/patients", "10000", 2),
        ("GET", "/v1/cohorts/a/analysis", None, 10),
        ("GET", "/v1/cohorts/a/figures/lvef.svg", None, 10),
        ("GET", "/v1/cohorts/a/report", None, 10),
        ("GET", "/v1/cohorts/a/export", None, 10),
        ("POST", "/v1/cohorts/a/rederive", "2", 10),
        ("POST", "/v1/anakinra/dose", "nonsense", 1),
    ],
)
def test_a_batch_is_not_one_dose(method, path, length, cost):
    sent = {} if length is None else {"content_length": length}
    assert cost_of(method, context(path, **sent)) == cost


def test_a_body_of_a_size_not_told_is_charged_when_it_has_come(clock):
    limit = RateLimit(100, clock=clock)
    limit.admit(scope(), context(transfer_encoding="chunked"))
    limit.charge(scope(), context(), 500_000)
    assert limit.spend("10.0.0.1", 1).left == 48
    limit.charge(scope(), context(), 10**12)
    clock.now = 60
    assert limit.spend("10.0.0.1", 1) is None
    clock.now = 61
    assert limit.spend("10.0.0.1", 1) is not None


def test_balancers_and_monitors_are_never_refused(clock):
    limit = RateLimit(1, clock=clock)
    assert limit.spend("10.0.0.1", 5) is not None
    for path in ("/livez", "/readyz", "/metrics", "/version"):
        assert limit.admit(scope(), context(path)) == []


def test_callers_are_told_apart_by_id_and_strangers_by_address():
    known = context()
    known.caller = Caller("clinic-7", "t", frozenset())
    assert caller_of(scope("10.0.0.1"), known) == caller_of(scope("10.0.0.2"), known) == "caller clinic-7"
    assert caller_of(scope("10.0.0.1"), context()) != caller_of(scope("10.0.0.2"), context())
    assert caller_of({"client": None}, context()) == caller_of(scope("testclient"), context())
    # One site has as many addresses of IPv6 as it likes.
    assert caller_of(scope("2001:db8::1"), context()) == caller_of(scope("2001:db8:0:0:ffff::2"), context())
    assert caller_of(scope("2001:db8:0:1::1"), context()) != caller_of(scope("2001:db8::1"), context())


def test_few_callers_are_remembered_and_none_is_forgiven_for_it(clock):
    limit = RateLimit(10, most_callers=3, clock=clock)
    assert limit.spend("greedy", 10) is not None
    for number in range(1000):
        limit.spend(f"flood-{number}", 1)
    assert limit.callers <= 4
    assert limit.spend("greedy", 1) is None
    # The flood shares one bucket, once there is no room.
    assert limit.spend("flood-1000", 1) is None
    clock.now = 120
    assert limit.spend("newcomer", 1) is not None
    assert limit.callers <= 4
