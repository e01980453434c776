"""Whatever is added, replaced, removed, given up or crashes: the kept counts are those of the rows."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.cohorts.store import bulk
from app.cohorts.store.counting import Counting
from app.cohorts.strata import Stratum
from app.statistics.scaling import LARGEST
from app.statistics.tally import Tally
from tests.cohort_rows import DIGITS, FEMALE, MALE, RULES, Facts, counted, kept, row

STRATA = (MALE, FEMALE, Stratum("unknown", "unknown", "unknown", "unknown", "unknown"))
IDS = st.sampled_from([f"P{number}" for number in range(6)])
VALUES = st.dictionaries(
    st.sampled_from(sorted(DIGITS)), st.one_of(st.integers(0, 3), st.integers(-LARGEST, LARGEST)), max_size=3
)
PATIENTS = st.builds(
    lambda patient_id, stratum, values: row(patient_id, stratum, **values), IDS, st.sampled_from(STRATA), VALUES
)
STEPS = st.one_of(
    st.tuples(st.just("add"), st.lists(PATIENTS, max_size=8)),
    st.tuples(st.just("replace"), PATIENTS),
    st.tuples(st.just("remove"), IDS),
    st.tuples(st.just("rederive"), st.sampled_from(STRATA)),
    st.tuples(st.just("look"), st.none()),
)
TRANSACTIONS = st.lists(st.tuples(st.lists(STEPS, max_size=4), st.booleans()), max_size=6)


class GivenUpError(Exception):
    pass


def carry_out(writer, cohort, model, steps) -> dict:
    """Do the steps to the store and to a plain dict."""
    model = dict(model)
    for step, subject in steps:
        if step == "add":
            skipped = []
            writer.add(cohort, subject, skipped.append)
            for patient in subject:
                model.setdefault(patient.patient_id, patient)
            assert len(skipped) == len(subject) - len({id(p) for p in model.values()} & {id(p) for p in subject})
        elif step == "replace" and subject.patient_id in model:
            writer.replace(cohort, subject)
            model[subject.patient_id] = subject
        elif step == "remove" and subject in model:
            writer.remove(cohort, subject)
            del model[subject]
        elif step == "rederive":
            writer.rederive(cohort, lambda p, stratum=subject: Facts(stratum, p.values, p.facts), RULES)
            for patient in model.values():
                patient.derived.stratum = subject
        elif step == "look":
            assert kept(writer, cohort) == counted(model)
    return model


@pytest.mark.parametrize("rows_at_once", [2, 1000])
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(transactions=TRANSACTIONS)
@example([([("add", [row("P1", male=1), row("P1", male=0)]), ("remove", "P1")], True)])
def test_the_kept_counts_are_those_of_the_rows(database_url, open_store, rows_at_once, transactions):
    store = open_store(database_url, digits=DIGITS)
    model: dict = {}
    with pytest.MonkeyPatch.context() as patch, store.write() as writer:
        patch.setattr(bulk, "ROWS", rows_at_once)
        cohort = writer.create("c", None, RULES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk, "ROWS", rows_at_once)
        for steps, commits in transactions:
            before = {key: row(key, p.derived.stratum, **p.derived.values) for key, p in model.items()}
            try:
                with store.write() as writer:
                    after = carry_out(writer, writer.lock(cohort.id), model, steps)
                    if not commits:
                        raise GivenUpError  # noqa: TRY301  # as an import that is refused does
            except GivenUpError:
                model = before
            else:
                model = after
            with store.read() as reader:
                found = reader.cohort(cohort.id)
                assert found.n == len(model)
                assert [p.patient_id for p in reader.patients(cohort)] == list(model)
                assert kept(reader, cohort) == counted(model)
    assert [differed for c, differed in store.rebuild(cohort.id)] == [False]


@given(st.lists(st.tuples(st.sampled_from(STRATA), VALUES), max_size=40), st.integers(1, 20))
def test_counting_in_little_memory_counts_the_same(patients, waiting):
    plain, folding = Counting(DIGITS), Counting(DIGITS, waiting)
    for stratum, values in patients:
        plain.add(stratum.key(), values)
        folding.add(stratum.key(), values)
    rows = {str(i): row(str(i), stratum, **values) for i, (stratum, values) in enumerate(patients)}
    assert (dict(plain.strata), plain.tallies()) == counted(rows)
    assert folding.strata == plain.strata
    assert folding.tallies() == plain.tallies()


@given(VALUES)
def test_a_kept_tally_is_its_bytes(values):
    tally = Tally.from_counts(dict.fromkeys(values.values(), 1), 1)
    assert Tally.from_bytes(tally.to_bytes(), 1) == tally
