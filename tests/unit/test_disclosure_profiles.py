"""Disclosure policies: the table of each profile below, at and above its threshold, their order, and how they join."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.api.disclosure import Policies
from app.statistics import disclosure_profiles
from app.statistics.disclosure_policy import OPEN, PROFILES, Disclosure, Policy, parse_tenants
from app.statistics.disclosure_profiles import profiles, read_profiles

TEXT = Path(disclosure_profiles.__file__).with_name("disclosure_profiles.toml").read_text(encoding="utf-8")
# Count, and as it is shown; None: withheld.
SHOWN = {
    "opensafely": [(0, None), (1, None), (7, None), (8, 10), (11, 10), (12, 10), (13, 15), (103, 105)],
    "nhs-hes": [(0, 0), (1, None), (7, None), (8, 10), (12, 10), (13, 15)],
    "cms": [(0, 0), (1, None), (10, None), (11, 11), (12, 12)],
    "pcornet": [(0, 0), (1, None), (10, None), (11, 11)],
}
names = st.sampled_from(sorted(SHOWN))


@pytest.mark.parametrize(("name", "count", "shown"), [(n, *case) for n, cases in SHOWN.items() for case in cases])
def test_a_count_is_shown_as_the_profile_says(name, count, shown):
    policy = profiles()[name]
    assert (policy.rounded(count) if policy.safe(count) else None) == shown


def test_every_profile_is_in_the_file_and_none_is_not():
    assert {*profiles(), "none"} == set(PROFILES)


@pytest.mark.parametrize("missing", ["opensafely", "d47"])
def test_a_number_without_a_source_is_refused(missing):
    with pytest.raises(ValidationError, match="names no source"):
        read_profiles(TEXT.replace(f'key = "{missing}"', 'key = "other"'))


def test_which_profile_is_stricter_is_a_partial_order():
    order = {(a, b) for a, b in product(profiles(), repeat=2) if profiles()[a].covers(profiles()[b])}
    assert order == {(n, n) for n in SHOWN} | {("opensafely", "nhs-hes"), ("cms", "pcornet"), ("pcornet", "cms")}


@given(names, names, st.integers(0, 200))
def test_a_joined_policy_shows_nothing_that_either_withholds(a, b, count):
    first, second = profiles()[a], profiles()[b]
    joined = first.joined(second)
    assert joined.safe(count) <= (first.safe(count) and second.safe(count))
    assert joined.covers(first)
    assert joined.covers(second)
    assert joined.joined(first).rules == joined.rules == second.joined(first).rules


@given(names, st.integers(0, 10_000))
def test_rounding_is_to_the_nearest_multiple_and_repeats(name, count):
    policy = profiles()[name]
    found = policy.rounded(count)
    assert found % policy.rounded_to == 0
    assert abs(found - count) <= policy.rounded_to / 2
    assert policy.rounded(found) == found


def test_a_caller_adds_to_the_servers_profile_and_never_takes_from_it():
    cms = Disclosure.of("cms")
    for asked in ("none", "cms", "pcornet"):
        assert cms.asked(asked) == cms
    both = cms.asked("opensafely")
    assert [policy.name for policy in both.chain] == ["cms", "cms+opensafely"]
    assert both.policy == Policy(("cms", "opensafely"), 10, zero_shown=False, rounded_to=5, tests_shown=False)
    assert OPEN.asked("none") == OPEN
    assert OPEN.policy is None
    assert Disclosure.of("opensafely").asked("nhs-hes") == Disclosure.of("opensafely")


def test_a_tenant_has_its_own_profile_or_the_servers():
    policies = Policies("cms", parse_tenants(["a=opensafely", " b = none "]))
    assert [policies.of(tenant) for tenant in ("a", "b", "c")] == ["opensafely", "none", "cms"]


@pytest.mark.parametrize("text", ["a", "a=", "=cms", "a=loose", "a=cms,a=none"])
def test_tenants_that_cannot_be_read_are_refused(text):
    with pytest.raises(ValueError, match="tenant=profile"):
        parse_tenants(text.split(","))
