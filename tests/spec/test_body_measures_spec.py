"""What is believed of a measurement: each range at both its ends and one step beyond, in body_measures.csv."""

import csv
from decimal import Decimal
from pathlib import Path

import pytest

from app.clinical.quantities import Quantities
from app.clinical.refusal import RefusedInputError
from app.clinical.rulebook import load_rulebook

CASES = list(csv.DictReader((Path(__file__).parent / "body_measures.csv").read_text(encoding="utf-8").splitlines()))
QUANTITIES = Quantities(load_rulebook())


def outcome(name, value):
    try:
        cautions = QUANTITIES.check(name, Decimal(value), "/x")
    except RefusedInputError as refusal:
        return refusal.errors[0].code
    return "unusual" if cautions else "usual"


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c['rule']} {c['value']}")
def test_case(case):
    name = case["rule"].split("/")[1].rsplit(".", 1)[0]
    assert outcome(name, case["value"]) == case["outcome"]
