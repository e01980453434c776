"""How an invented child comes to hospital: signs, circulation and organs that fit the phenotype, for the record."""

from __future__ import annotations

from random import Random
from typing import Any, Final

from app.cohorts.study.roster import Member
from app.cohorts.study.search import draw, shuffled

SIGNS: Final = ("conjunctival_injection", "oral_changes", "rash", "extremity_changes", "cervical_lymphadenopathy")
COMPLETE: Final = 4  # signs of complete Kawasaki disease at least; others have one at most
KD_FEVER: Final = (126, 168)  # hours of fever before admission: more than five days, and less than five
OTHER_FEVER: Final = (60, 108)
ADOLESCENT: Final = 10
INVOLVED: Final = {  # how often an organ is involved where the phenotype does not say
    "cardiac": 0.5,
    "renal": 0.2,
    "respiratory": 0.3,
    "hematologic": 1,
    "gastrointestinal": 1,
    "mucocutaneous": 0.4,
    "neurologic": 0.2,
}
PALS_BASE, PALS_PER_YEAR, PALS_ADOLESCENT = 70, 2, 90  # the limits of systolic pressure that the service judges by
AGENTS: Final = (("epinephrine", (0.03, 0.05, 0.08, 0.1)), ("norepinephrine", (0.04, 0.05, 0.1, 0.12)))


def presentation(member: Member, age: int, maximum_celsius: float, rng: Random) -> dict[str, Any]:
    """Return the `presentation` of a record."""
    low, high = KD_FEVER if member.kd else OTHER_FEVER
    return {
        "hospitalized": True,
        "alternative_diagnosis": False,
        "microbial_cause": False,
        "fever": {
            "maximum_celsius": maximum_celsius,
            "duration_hours": low + 6 * draw(rng, (high - low) // 6 + 1),
            "subjective": False,
        },
        "kawasaki_signs": _signs(member, rng),
        "hemodynamics": _circulation(member, age, rng),
        "organ_involvement": _organs(member, rng),
        "sars_cov_2": {"pcr_positive": member.pcr_positive, "serology_positive": True},
    }


def _signs(member: Member, rng: Random) -> dict[str, bool]:
    n = COMPLETE + draw(rng, 2) if member.kd else draw(rng, 2)
    present = set(shuffled(SIGNS, rng)[:n])
    return {sign: sign in present for sign in SIGNS}


def _circulation(member: Member, age: int, rng: Random) -> dict[str, Any]:
    limit = PALS_ADOLESCENT if age >= ADOLESCENT else PALS_BASE + PALS_PER_YEAR * age
    if not member.shock:
        return {
            "systolic_bp_mmhg": limit + 12 + draw(rng, 16),
            "fluid_bolus_ml_kg": 10 * draw(rng, 3),
            "vasoactive_infusions": [],
        }
    running = shuffled(AGENTS, rng)[: 1 + draw(rng, 2)]
    return {
        "systolic_bp_mmhg": limit - 5 - draw(rng, 12),
        "fluid_bolus_ml_kg": 40 + 10 * draw(rng, 3),
        "vasoactive_infusions": [{"agent": agent, "rate": rates[draw(rng, len(rates))]} for agent, rates in running],
    }


def _organs(member: Member, rng: Random) -> dict[str, bool]:
    known = {"cardiac": member.shock, "mucocutaneous": member.kd, "hematologic": True, "gastrointestinal": True}
    return {organ: known.get(organ, False) or rng.random() < share for organ, share in INVOLVED.items()}
