"""Tables a clinician can read: every analyte in every unit, how units are spelled, and slips that must not pass."""

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from app.clinical.quantities import LabMeasurement, Quantities
from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import Rulebook, load_rule_file
from app.clinical.rulebook.loader import BUILT_IN

HERE = Path(__file__).parent
SETS = ("quantities", "body-measures")
QUANTITIES = Quantities(Rulebook(load_rule_file(BUILT_IN / f"{name}.toml") for name in SETS))


def rows(name):
    with (HERE / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


CONVERSIONS = rows("quantities_conversions.csv")
SPELLINGS = rows("quantities_spellings.csv")
SLIPS = rows("quantities_slips.csv")
TIERS = [(slug, tier) for slug in QUANTITIES.analytes for tier in ("usual", "plausible", "possible")]


def lab(row, **changes):
    def number(text):
        return float(text) if text else None

    return LabMeasurement(
        analyte=row["analyte"],
        value=float(row["value"]),
        unit=row["unit"],
        lower_limit=number(row.get("lower_limit")),
        upper_limit=number(row.get("upper_limit")),
    ).model_copy(update=changes)


@pytest.mark.parametrize("row", CONVERSIONS, ids=lambda r: f"{r['analyte']} {r['value']} {r['unit']}")
def test_every_analyte_converts_from_every_unit(row):
    measured = QUANTITIES.measure(lab(row), "/labs/0")
    assert (measured.slug, measured.unit) == (row["analyte"], row["canonical_unit"])
    assert measured.value == Decimal(row["expected"])
    assert (measured.conversion is None) == (row["unit"] == row["canonical_unit"])
    if measured.conversion is not None:
        assert measured.conversion.to_value == float(row["expected"])
        assert measured.conversion.from_unit == row["unit"]


def test_no_unit_of_any_analyte_is_missing_from_the_table():
    listed = {(row["analyte"], row["unit"]) for row in CONVERSIONS}
    known = {(slug, code) for slug, analyte in QUANTITIES.analytes.items() for code in analyte.units}
    assert listed == known


@pytest.mark.parametrize("row", SPELLINGS, ids=lambda r: f"{r['analyte']} {r['spelling']}")
def test_spellings_of_units(row):
    analyte = QUANTITIES.analytes[row["analyte"]]
    found = analyte.find_unit(row["spelling"])
    assert ("refused" if found is None else found.code) == row["unit"]


def outcomes(sent):
    try:
        return {c.code for c in QUANTITIES.measure(sent, "/labs/0").cautions} or {"ok"}
    except RefusedInputError as refusal:
        return {e.code for e in refusal.errors}


@pytest.mark.parametrize("row", SLIPS, ids=lambda r: r["what"])
def test_slips(row):
    assert row["outcome"] in outcomes(lab(row))


@pytest.mark.parametrize(("slug", "tier"), TIERS)
@pytest.mark.parametrize("end", ["low", "high"])
def test_each_end_of_each_range_below_at_and_above(slug, tier, end):
    rule = QUANTITIES.analytes[slug].rule
    bound = getattr(getattr(rule, tier), end)
    step = (rule.possible.high - rule.possible.low) / 1_000_000 * (-1 if end == "low" else 1)
    inside, outside = judged(rule, bound), judged(rule, bound + step)
    order = ["usual", "plausible", "possible", "impossible"]
    assert order.index(inside) <= order.index(tier) < order.index(outside)


def judged(rule, value):
    sent = LabMeasurement(analyte=rule.slug, value=float(value), unit=rule.canonical)
    found = outcomes(sent)
    if "out_of_range" in found:
        return "impossible"
    if "implausible" in found:
        return "possible"
    return "plausible" if "value_unusual" in found else "usual"
