"""The phenotype's two flags without Findings equal the statuses of the Findings, on 20,000 random children.

Values lie just below, at and above the bounds of the rule files, in several units; everything may be missing.
"""

import random

from app.clinical.evidence import MET, NOT_MET, UNKNOWN
from app.clinical.flags import Flags
from app.clinical.phenotype import PhenotypeClassifier
from app.clinical.presentation import Presentation
from app.clinical.quantities import Quantities
from app.clinical.rulebook import load_rulebook
from app.cohorts.derivation.lab_entries import LabEntries

RULEBOOK = load_rulebook()
CLASSIFIER = PhenotypeClassifier(RULEBOOK)
FLAGS = Flags(RULEBOOK)
ENTRIES = LabEntries(Quantities(RULEBOOK))
STATUS = {MET: True, NOT_MET: False, UNKNOWN: None}
CHILDREN = 20_000
YES_NO = (True, False)

AGES = (0, 0.02, 0.05, 0.08, 0.3, 0.49, 0.5, 0.99, 1, 1.5, 2, 4.9, 5, 8.3, 9.99, 10, 11, 12, 14.9, 15, 15.2, 17)
PARTS = {
    "fever": {"duration_hours": (0, 60, 95.9, 96, 119.9, 120, 167.9, 168, 168.1, 200), "subjective": YES_NO},
    "kawasaki_signs": dict.fromkeys(
        ("oral_changes", "conjunctival_injection", "rash", "extremity_changes", "cervical_lymphadenopathy"), YES_NO
    ),
    "echocardiogram": {
        "lvef_percent": (54.9, 55, 60),
        "lad_z": (0, 1.99, 2, 2.49, 2.5, 5),
        "rca_z": (0, 1.99, 2, 2.49, 2.5, 9),
        "lad_mm": (3, 7.9, 8),
        "rca_mm": (3, 7.9, 8),
        "coronary_aneurysm": YES_NO,
        "mitral_regurgitation": YES_NO,
        "pericardial_effusion": YES_NO,
        "ventricular_dysfunction": YES_NO,
    },
    "hemodynamics": {
        "systolic_bp_mmhg": (59, 60, 69, 70, 71, 72, 75, 86, 87, 89, 90, 110),
        "hypotension": YES_NO,
        "fluid_bolus_ml_kg": (20, 39.9, 40, 60),
        "fluid_refractory": YES_NO,
        "vasoactive_support": YES_NO,
    },
}
LABS = {
    "crp": (("mg/dL", (1, 2.9, 3, 3.1)), ("mg/L", (29, 29.9, 30, 31))),
    "esr": (("mm/h", (10, 39, 40)),),
    "hemoglobin": (("g/dL", (8, 9.4, 9.5, 10.4, 10.5, 11, 11.4, 11.5, 12, 12.9, 13)), ("g/L", (94, 105, 115, 130))),
    "platelets": (("10*3/uL", (300, 449, 450)), ("/uL", (449000, 450000))),
    "albumin": (("g/dL", (2.9, 3, 3.1)), ("g/L", (29, 30, 31))),
    "alt": (("U/L", (30, 40, 41, 60)),),
    "wbc": (("10*3/uL", (14.9, 15, 20)), ("/uL", (14900, 15000))),
    "urine_wbc_hpf": (("/[HPF]", (5, 9, 10)),),
}
LIMITS = {"alt": ("upper_limit", (40, 41)), "hemoglobin": ("lower_limit", (0, 9.5, 11.5))}


def part(draw, fields, present):
    return {name: draw.choice(values) for name, values in fields.items() if draw.random() < present}


def lab(draw, slug):
    unit, values = draw.choice(LABS[slug])
    sent = {"analyte": slug, "unit": unit, "value": draw.choice(values)}
    name, limits = LIMITS.get(slug, ("", ()))
    if limits and draw.random() < 0.6:
        sent[name] = draw.choice(limits) * (10 if unit == "g/L" else 1)
    return sent


def child(draw):
    """Draw a child; how much is known differs from child to child."""
    present = draw.choice((0.3, 0.7, 0.95, 1))
    sent = {"age_years": draw.choice(AGES), "override_plausibility": True}
    sent |= part(draw, {"sex": ("male", "female"), "alternative_diagnosis": YES_NO}, present)
    for name, fields in PARTS.items():
        if draw.random() < 0.9:
            sent[name] = part(draw, fields, present)
    if "hemodynamics" in sent and draw.random() < present:
        agents = draw.sample(("milrinone", "dopamine", "epinephrine"), draw.randrange(4))
        sent["hemodynamics"]["vasoactive_infusions"] = [
            {"agent": agent, "rate": draw.choice((None, 0, 0.05, 0.5))} for agent in agents
        ]
    sent["labs"] = [lab(draw, slug) for slug in LABS if draw.random() < present]
    return Presentation.model_validate(sent)


def plainly(child):
    results = [(entry, one) for one in child.labs if (entry := ENTRIES.find(one, ""))]
    levels = {entry.slug: entry.level(one) for entry, one in results}
    return FLAGS.judge(child, child.echocardiogram, child.age_years, child.sex, levels)


def in_full(child):
    facts, _ = CLASSIFIER._admit(child)
    return (
        STATUS[CLASSIFIER._kawasaki.judge(facts).kd_like.status],
        STATUS[CLASSIFIER._shock.judge(facts).cv_shock.status],
    )


def test_the_flags_are_those_of_the_classifier():
    draw = random.Random(20260101)  # noqa: S311  # drawn for a test
    seen = set()
    for number in range(CHILDREN):
        one = child(draw)
        expected = in_full(one)
        assert plainly(one) == expected, (number, one.model_dump_json(exclude_none=True))
        seen.add(expected)
    assert len(seen) == 9, "every pair of truths is drawn"


def test_the_classifier_answers_by_the_same_parts():
    draw = random.Random(7)  # noqa: S311  # drawn for a test
    for _ in range(200):
        one = child(draw)
        answer = CLASSIFIER.classify(one)
        assert in_full(one) == (STATUS[answer.kd_like.status], STATUS[answer.cv_shock.status])
