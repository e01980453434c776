"""Columns against the one-record way: the same judgements, over random records and over records at every bound.

The one-record way is a plain second implementation: it tests one condition after the other, in Python, and compares at
15 significant digits by writing the numbers out.
"""

from __future__ import annotations

import json
import random
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pytest

from app.api.ctcae_columns import answer_columns
from app.api.ctcae_records import Batch, Records
from app.api.ctcae_templates import batch_form
from app.clinical.ctcae.believe import Numbers, believe, contradicted
from app.clinical.ctcae.bulk.columns import Columns, Judgements, judge_columns
from app.clinical.ctcae.grading import Grader, placed
from app.clinical.ctcae.laboratory_terms import LaboratoryTerm, Placement
from app.clinical.ctcae.models import record_model
from app.clinical.refusal import InputError, RefusedInputError
from app.clinical.rulebook import load_rulebook
from app.clinical.warning import Caution

GRADER = Grader(load_rulebook())
RECORD = record_model(GRADER.facts.values(), ())
VERSIONS = tuple(GRADER.versions.all)
ROWS = 36_000
SEED = 20_260_722
# Around a bound: at it, within its sixteenth digit, within its fifteenth, and clearly beside it.
NUDGES = (1, 1, 1, 1 + 1e-15, 1 - 3e-15, 1 + 1e-14, 1 - 1e-6, 1.001, 0.999, 1.3, 0.7)


class Row(NamedTuple):
    place: int
    numbers: tuple[float | None, ...]
    facts: dict[str, bool]


def placements(version: str) -> list[Placement]:
    found = []
    for term in GRADER.versions(version).terms.values():
        if isinstance(term, LaboratoryTerm):
            pairs = [(name, unit) for name, analyte in term.analytes.items() for unit in analyte.units]
            found += [term.with_unit(unit, name) for name, unit in pairs]
            found += [term.without_unit()]
    return [p for p in found if p is not None]


class Maker:
    """Makes random rows of which most lie at or beside a bound of their scale."""

    def __init__(self, version: str, seed: int) -> None:
        self.rng = random.Random(seed)  # noqa: S311  # test data
        self.placements = placements(version)
        self.facts = sorted(GRADER.versions(version).laboratory_facts)

    def row(self) -> Row:
        place = self.rng.randrange(len(self.placements))
        placement = self.placements[place]
        numbers = self._numbers(placement)
        chosen = [n for n in self.facts if self.rng.random() < 0.3]
        return Row(place, (self._value(placement, numbers), *numbers[1:]), {n: self.rng.random() < 0.5 for n in chosen})

    def _numbers(self, placement: Placement) -> list[float | None]:
        low, high = self._span(placement)
        lower = round(self.rng.uniform(low, high) * 0.3 + low, 2)
        upper = round(lower * self.rng.choice((1.1, 1.5, 2, 3.3)) + 0.1, 3)
        baseline = round(self.rng.choice((lower * 1.1, upper * 0.9, upper, upper * 2, upper * 6, lower * 0.5)), 2)
        cutoff = round(upper * self.rng.choice((0.5, 1, 2, 5)), 3)
        sent = (None, lower if self.rng.random() < 0.9 else 0.0, upper, baseline, cutoff)
        return [n if self.rng.random() < 0.7 else None for n in sent]

    def _value(self, placement: Placement, numbers: list[float | None]) -> float | None:
        if self.rng.random() < 0.02:
            return None
        if self.rng.random() < 0.02:
            return self.rng.choice((-1.0, 1e300, 0.0))
        bounds = [b for band in placement.scale.bands for b in band.bounds if b.left == 0]
        right = self.rng.choice(bounds).against([placement.place(n) for n in numbers]) if bounds else None
        if right is None or self.rng.random() < 0.2:
            return round(self.rng.uniform(*self._span(placement)), 3)
        value = right * float(placement.divide) / float(placement.multiply) * self.rng.choice(NUDGES)
        return float(f"{value:.12g}") if self.rng.random() < 0.5 else value

    @staticmethod
    def _span(placement: Placement) -> tuple[float, float]:
        usual = placement.analyte.tiers.usual
        unit = placement.unit
        if unit is None:
            return float(usual.low), float(usual.high)
        return float(unit.from_canonical(usual.low)), float(unit.from_canonical(usual.high))


def bare(row: Row, kept: set[int]) -> Row:
    """Leave out every fact and all numbers but those at some places."""
    return Row(row.place, tuple(n if at in kept else None for at, n in enumerate(row.numbers)), {})


def as_columns(maker: Maker, rows: list[Row]) -> Columns:
    numbers = [np.array([np.nan if (n := r.numbers[i]) is None else n for r in rows]) for i in range(5)]
    facts = {n: np.array([{None: -1, False: 0, True: 1}[r.facts.get(n)] for r in rows], np.int8) for n in maker.facts}
    return Columns(np.array([r.place for r in rows], np.int32), maker.placements, numbers, facts)


def believed(placement: Placement, numbers: Numbers) -> tuple[tuple[Caution, ...], tuple[InputError, ...]]:
    try:
        return believe(placement, numbers, override=False), ()
    except RefusedInputError as refusal:
        return (), refusal.errors


def graded(version: str, sent: dict[str, Any]) -> tuple[dict[str, Any], tuple[InputError, ...]]:
    try:
        return batch_form(GRADER.grade(RECORD.model_validate(sent), version=GRADER.versions(version))), ()
    except RefusedInputError as refusal:
        return {}, refusal.errors


@pytest.mark.parametrize("version", VERSIONS)
def test_columns_judge_as_single_records_do(version: str) -> None:
    maker = Maker(version, SEED)
    rows = [maker.row() for _ in range(ROWS)]
    judged = judge_columns(as_columns(maker, rows), memory={})
    decided = [compared(maker.placements[row.place], row, judged, number) for number, row in enumerate(rows)]
    assert sum(decided) > ROWS / 5


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kept", [{0}, {0, 2}])
def test_columns_that_were_not_sent(version: str, kept: set[int]) -> None:
    maker = Maker(version, SEED + 2)
    rows = [bare(maker.row(), kept) for _ in range(1_000)]
    whole = as_columns(maker, rows)
    numbers = [column if at in kept else None for at, column in enumerate(whole.numbers)]
    judged = judge_columns(Columns(whole.place, whole.placements, numbers, {}), memory={})
    decided = [compared(maker.placements[row.place], row, judged, number) for number, row in enumerate(rows)]
    assert any(decided)
    nothing = judge_columns(Columns(whole.place, whole.placements, [None] * 5, {}))
    assert nothing.possible.tolist() == [maker.placements[row.place].scale.reachable for row in rows]
    assert set(nothing.grade.tolist()) == {-1}


def compared(placement: Placement, row: Row, judged: Judgements, number: int) -> bool:
    """Compare a row's judgement with the one-record way's; return whether a band gave it."""
    numbers = Numbers(*row.numbers)
    numbers = numbers._replace(lower_limit=None if numbers.lower_limit == 0 else numbers.lower_limit)
    if numbers.value is None:
        assert judged.possible[number] == placement.scale.reachable
        return False
    cautions, errors = believed(placement, numbers)
    assert judged.refused.get(number, ()) == errors
    if errors:
        return False
    expected = placement.scale.judge(placed(placement, numbers), row.facts)
    if contradicts_its_baseline(placement, numbers, row.facts):
        assert "stated_and_measured_disagree" in {c.code for c in judged.cautions[number]}
    cautions += contradicted(placement, numbers, row.facts)
    cautions += placement.scale.cautions_of(expected.possible, row.facts)
    assert judged.judged(number) == expected, (placement, row)
    assert judged.possible[number] == expected.possible
    assert (number in judged.cautions or bool(judged.unusual[number])) == bool(cautions)
    return expected.band >= 0


def contradicts_its_baseline(placement: Placement, numbers: Numbers, facts: dict[str, bool]) -> bool:
    """Say in the plainest words whether a statement about the baseline is not what baseline and limit say."""
    said, (baseline, limit) = facts.get("baseline_abnormal"), (numbers.baseline, numbers.upper_limit)
    asked = "baseline_abnormal" in placement.scale.facts
    if not asked or said is None or baseline is None or limit is None:
        return False
    above = Decimal(f"{baseline:.15g}") > Decimal(f"{limit:.15g}")
    return above is not said


def record_of(maker: Maker, version: str, row: Row) -> dict[str, Any]:
    placement = maker.placements[row.place]
    term = next(
        t
        for t in GRADER.versions(version).terms.values()
        if isinstance(t, LaboratoryTerm) and placement.scale in t.scales
    )
    names = ("value", "lower_limit", "upper_limit", "baseline", "mi_cutoff")
    sent = {name: number for name, number in zip(names, row.numbers, strict=True) if number is not None}
    unit = {} if placement.unit is None else {"unit": placement.unit.code}
    return {"term": term.rule.slug, **unit, **sent, **row.facts}


@pytest.mark.parametrize("version", VERSIONS)
def test_contradicted_baselines_are_among_the_rows(version: str) -> None:
    """Without such rows the comparison above would say nothing of the warning."""
    maker = Maker(version, SEED)
    rows = [maker.row() for _ in range(4_000)]
    found = [contradicts_its_baseline(maker.placements[r.place], Numbers(*r.numbers), r.facts) for r in rows]
    assert any(found)


@pytest.mark.parametrize("version", VERSIONS)
def test_batches_answer_what_single_records_answer(version: str) -> None:
    maker = Maker(version, SEED + 1)
    records = [record_of(maker, version, maker.row()) for _ in range(2_000)]
    batch = Batch(GRADER.versions(version), False, True, "/v1/ctcae/grade/batch", "id")
    answers = [
        json.loads(a) for a in Records(GRADER, RECORD).grade([json.dumps(r).encode() for r in records], 0, batch, {})
    ]
    columns = json.loads(b"".join(in_columns(version, records)))
    for index, (sent, answer) in enumerate(zip(records, answers, strict=True)):
        assert answer["index"] == index
        expected, errors = graded(version, sent)
        if errors:
            assert answer["status"] == 422
            assert [e["code"] for e in answer["problem"]["errors"]] == [e.code for e in errors]
            assert all(e.code in columns["problems"][str(index)] for e in errors)
            continue
        assert answer == {"index": index, "status": 200, "result": json.loads(json.dumps(expected))}
        assert columns["grade"][index] == expected["grade"]
        assert columns["possible_grades"][index] == list(expected["possible_grades"])
        said = {w["code"] for w in expected["warnings"]}
        assert said == {code for code, rows in columns["warnings"].items() if index in rows}


def in_columns(version: str, records: list[dict[str, Any]]) -> Any:
    names = dict.fromkeys(name for record in records for name in record)
    sent = {name: msgspec.Raw(json.dumps([r.get(name) for r in records]).encode()) for name in names}
    return answer_columns(GRADER, GRADER.versions(version), sent, override=False, most=len(records))
