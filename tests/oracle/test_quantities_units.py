"""Every conversion factor against dimensions and molar masses worked out here from the elements."""

import re
from fractions import Fraction

import pytest

from app.clinical.quantities import Quantities
from app.clinical.rulebook import Rulebook, load_rule_file
from app.clinical.rulebook.loader import BUILT_IN

SETS = ("quantities", "body-measures")
Q = Quantities(Rulebook(load_rule_file(BUILT_IN / f"{name}.toml") for name in SETS))

ELEMENTS = {"C": 12.011, "H": 1.008, "N": 14.007, "O": 15.999, "Ca": 40.078, "Mg": 24.305, "P": 30.974}
FORMULAS = {
    "glucose": "C6H12O6",
    "creatinine": "C4H7N3O",
    "urine_protein_creatinine_ratio": "C4H7N3O",
    "bilirubin_total": "C33H36N4O6",
    "cholesterol": "C27H46O",
    "triglycerides": "C57H104O6",  # triolein, the usual stand-in
    "uric_acid": "C5H4N4O3",
    "calcium_total": "Ca",
    "calcium_corrected": "Ca",
    "calcium_ionized": "Ca",
    "magnesium": "Mg",
    "phosphate": "P",
}
MASSES = {"hemoglobin": 64458 / 4}  # the monomer
CHARGES = {"calcium_ionized": 2, "magnesium": 2, "sodium": 1, "potassium": 1, "bicarbonate": 1}
PREFIX = {"": 0, "d": -1, "m": -3, "u": -6, "n": -9, "p": -12, "k": 3}
ATOMS = ("mol", "Eq", "kat", "[IU]", "U", "g", "L")


def molar_mass(slug):
    if slug in MASSES:
        return MASSES[slug]
    parts = re.findall(r"([A-Z][a-z]?)(\d*)", FORMULAS[slug])
    return sum(ELEMENTS[symbol] * int(count or 1) for symbol, count in parts)


def size(token, slug):
    """Return one side of a unit in grams, units or litres, and whether a molar mass was needed."""
    if token in {"", "(24.h)", "[HPF]"}:
        return Fraction(1), False
    power = re.fullmatch(r"10\*(\d)", token)
    if power:
        return Fraction(10) ** int(power[1]), False
    atom = next(a for a in ATOMS if token.endswith(a))
    scale = Fraction(10) ** PREFIX[token.removesuffix(atom)]
    if atom == "kat":
        return scale * 60_000_000, False  # 1 kat = 1 mol/s, 1 U = 1 umol/min
    if atom in {"mol", "Eq"}:
        charge = CHARGES[slug] if atom == "Eq" else 1
        if slug not in FORMULAS | MASSES:
            return scale / charge, False
        return scale / charge * Fraction(molar_mass(slug)), True
    return scale, False


def ratio(code, canonical, slug):
    """Return how many canonical units one unit is, and whether a molar mass was needed."""
    worked = [size(t, slug) for u in (code, canonical) for t in re.sub(r"\{.*?\}", "", u).split("/", 1)]
    (top, a), (bottom, b), (top_to, c), (bottom_to, d) = worked
    return (top / bottom) / (top_to / bottom_to), (a or b) != (c or d) or a or b or c or d


CASES = [
    (slug, code, analyte.rule.canonical)
    for slug, analyte in Q.analytes.items()
    for code in analyte.units
    if code != analyte.rule.canonical
]


@pytest.mark.parametrize(("slug", "code", "canonical"), CASES)
def test_factor(slug, code, canonical):
    unit = Q.analytes[slug].units[code]
    expected, by_mass = ratio(code, canonical, slug)
    found = Fraction(unit.multiply) / Fraction(unit.divide)
    if by_mass:
        assert float(found) == pytest.approx(float(expected), rel=1e-3)
    else:
        assert found == expected


PUBLISHED = [  # AMA Manual of Style: SI value = conventional value x factor
    ("bilirubin_total", "umol/L", 17.1),
    ("calcium_total", "mmol/L", 0.2495),
    ("cholesterol", "mmol/L", 0.02586),
    ("creatinine", "umol/L", 88.4),
    ("glucose", "mmol/L", 0.05551),
    ("magnesium", "mmol/L", 0.4114),
    ("phosphate", "mmol/L", 0.3229),
    ("triglycerides", "mmol/L", 0.01129),
    ("uric_acid", "umol/L", 59.48),
    ("hemoglobin", "mmol/L", 0.62063),
    ("fibrinogen", "g/L", 0.01),
]


@pytest.mark.parametrize(("slug", "code", "factor"), PUBLISHED)
def test_published_factor(slug, code, factor):
    assert float(Q.analytes[slug].units[code].from_canonical(1.0)) == pytest.approx(factor, rel=5e-4)
