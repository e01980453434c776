"""From what the searches found to 46 patient records, as they are posted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from random import Random
from typing import Any, Final

from app.cohorts.study.dosing import doses
from app.cohorts.study.laboratory import labs
from app.cohorts.study.picture import presentation
from app.cohorts.study.roster import count
from app.cohorts.study.search import draw, seeded, shuffled
from app.cohorts.study.search_course import Growth, weight_kg
from app.cohorts.study.solution import Solution
from app.cohorts.study.temperatures import temperatures

NAME: Final = "Synthetic study cohort (46 invented patients)"
DESCRIPTION: Final = (
    "Synthetic: no patient here exists. 46 records invented so that their counts, medians, quartiles and p-values are "
    "those that Dizon BLP et al., Pediatr Rheumatol 2023;21:76 (doi 10.1186/s12969-023-00858-z) print for 46 children "
    "with MIS-C, where print does not contradict itself. For examples and tests, not for research."
)
# Event -> column -> grades of those who have it; how many have it is Table 3's count.
GRADES: Final[Mapping[str, Sequence[int]]] = {
    "elevated_lfts": (1, 1, 1, 1, 1, 2, 1),
    "neutropenia": (2, 2, 3, 2, 2),
    "hemolytic_anemia": (2,),
    "rash": (1, 1),
}
IVIG_HOURS: Final = (2, 10)
GRAMS_PER_KG: Final = 2
FIRST_ECHO_DAYS: Final = (1, 1, 2)
SIL_2R_LIMIT: Final = 1000  # U/mL
TENTHS: Final = 10
STEROIDS: Final = {"stress": "hydrocortisone", "inflammatory": "methylprednisolone"}


def cohort(solution: Solution) -> dict[str, Any]:
    """Return the cohort: name, description, and the records in an order that tells nothing."""
    order = seeded("order", lambda rng: shuffled(range(len(solution.members)), rng))
    events = seeded("events", lambda rng: _events(solution, rng))
    growth = Growth()
    patients = [
        {"patient_id": f"SYN-{number:02d}"}
        | seeded(f"patient {place}", partial(_record, place, solution, events[place], growth))
        for number, place in enumerate(order, start=1)
    ]
    return {"name": NAME, "description": DESCRIPTION, "patients": patients}


def _events(solution: Solution, rng: Random) -> list[dict[str, int]]:
    found: list[dict[str, int]] = [{} for _ in solution.members]
    for event, grades in GRADES.items():
        for column in ("ivig", "no_cs", "cs"):
            n = count(f"ae.{event}", column)
            for place, grade in zip(shuffled(solution.columns[column], rng)[:n], grades, strict=False):
                found[place][event] = grade
    return found


def _record(place: int, found: Solution, events: Mapping[str, int], growth: Growth, rng: Random) -> dict[str, Any]:
    member, age = found.members[place], found.course.age[place]
    start = found.start_hour.get(place)
    end = found.fever_hour[place]
    series = temperatures(end, set() if start is None else {start - 1, start}, age, rng)
    numbers = found.numbers
    stated = {"troponin_i": numbers["lab.troponin_i"].get(place), "bnp": numbers["lab.bnp"].get(place)}
    return {
        "age_years": age,
        "sex": member.sex,
        "race_ethnicity": [member.race],
        "weight_kg": _weight(place, found, growth, rng),
        "icu_level_of_care": member.shock,
        "presentation": presentation(member, age, max(t["celsius"] for t in series), rng),
        "sars_cov_2_pcr_positive": member.pcr_positive,
        "treatment": _treatment(place, found),
        "temperatures": series,
        "echocardiograms": _echocardiograms(place, found, rng),
        "labs": labs(stated, events, IVIG_HOURS[0] if start is None else start, rng),
        "cytokines": _cytokines(place, numbers),
        "adverse_events": [{"term": event, "grade": grade} for event, grade in events.items()],
        "outcome": {
            "died": False,
            "thrombosis": False,
            "readmitted": False,
            "length_of_stay_days": found.stay_days[place],
        },
    }


def _weight(place: int, found: Solution, growth: Growth, rng: Random) -> float:
    if place in found.course.single:
        return weight_kg(found.course.single[place], found.course.maximum[place])
    return round(growth.weight(found.course.age[place], found.members[place].sex, 1.5 * rng.random() - 0.5), 1)


def _treatment(place: int, found: Solution) -> dict[str, Any]:
    member = found.members[place]
    started, ended = IVIG_HOURS
    purpose = member.corticosteroids
    return {
        "ivig": {"dose_g_kg": GRAMS_PER_KG, "started_hour": started, "ended_hour": ended},
        "aspirin": True,
        "anakinra": _anakinra(place, found) if place in found.start_hour else False,
        "corticosteroids": [] if purpose == "none" else [{"purpose": purpose, "agent": STEROIDS[purpose]}],
    }


def _anakinra(place: int, found: Solution) -> dict[str, Any]:
    course, start, stop = found.course, found.start_hour[place], found.stop_hour(place)
    starting, maximum = course.starting[place], course.maximum[place]
    return {
        "role": "adjunct" if found.members[place].shock else "rescue",
        "started_hour": start,
        "stopped_hour": stop,
        "initiation_hospital_day": course.initiation[place],
        "starting_mg_kg_day": starting / TENTHS,
        "maximum_mg_kg_day": maximum / TENTHS,
        "maximum_mg_per_dose": course.single[place],
        "duration_days": course.duration[place] / TENTHS,
        "doses": doses(start, stop, starting, maximum),
    }


def _echocardiograms(place: int, found: Solution, rng: Random) -> list[dict[str, Any]]:
    if place not in found.heart.gap:
        return []
    first = FIRST_ECHO_DAYS[draw(rng, len(FIRST_ECHO_DAYS))]
    echoes: list[dict[str, Any]] = [{"day": first}, {"day": first + found.heart.gap[place]}]
    for echo, lvef in zip(echoes, found.heart.lvef[place], strict=True):
        echo["lvef_percent"] = lvef
    for echo, strain in zip(echoes, found.heart.strain.get(place, ()), strict=False):
        echo["ap4_strain_percent"] = strain / TENTHS
    return echoes


def _cytokines(place: int, numbers: Mapping[str, Mapping[int, int]]) -> dict[str, Any]:
    folds = {name.removeprefix("cytokine."): of[place] for name, of in numbers.items() if name.startswith("cytokine.")}
    found: dict[str, Any] = {name: {"fold": fold / TENTHS} for name, fold in folds.items()}
    found["sil_2r"] = {
        "value": folds["sil_2r"] * SIL_2R_LIMIT // TENTHS,
        "unit": "U/mL",
        "upper_limit": SIL_2R_LIMIT,
    }
    return found
