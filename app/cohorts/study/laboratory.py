"""Laboratory values of an invented child: on admission, and since treatment began as the adverse events want them."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Final, NamedTuple

from app.cohorts.study.search import draw

ON_ADMISSION: Final = 1  # hour
LATER: Final = (30, 78, 126)  # hours after treatment began


class Test(NamedTuple):
    """An analyte with unit, limits, decimals, and where values without an event lie (scaled)."""

    analyte: str
    unit: str
    digits: int
    usual: tuple[int, int]
    lower_limit: float | None = None
    upper_limit: float | None = None


ADMISSION: Final = (
    Test("crp", "mg/dL", 1, (62, 320), upper_limit=0.5),
    Test("esr", "mm/h", 0, (38, 110), upper_limit=20),
    Test("ferritin", "ng/mL", 0, (180, 1900), upper_limit=140),
    Test("d_dimer_feu", "ug/mL{FEU}", 1, (12, 90), upper_limit=0.5),
    Test("albumin", "g/dL", 1, (21, 36), 3.5, 5.2),
    Test("platelets", "10*3/uL", 0, (90, 240), 150, 450),
    Test("wbc", "10*3/uL", 1, (80, 190), 4.5, 13.5),
    Test("lymphocytes", "10*3/uL", 1, (4, 14), 1.0, 5.0),
    Test("sodium", "mmol/L", 0, (128, 137), 135, 145),
    Test("creatinine", "mg/dL", 2, (25, 85)),
)
SERIAL: Final = (
    Test("alt", "U/L", 0, (14, 38), upper_limit=40),
    Test("ast", "U/L", 0, (18, 42), upper_limit=45),
    Test("neutrophils", "10*3/uL", 1, (28, 120), lower_limit=1.5),
    Test("hemoglobin", "g/dL", 1, (112, 130), 11.0, 15.5),
)
TROPONIN: Final = Test("troponin_i", "ng/mL", 2, (1, 5), upper_limit=0.04)
BNP: Final = Test("bnp", "pg/mL", 0, (90, 1400), upper_limit=1157)
# CTCAE grade -> values (scaled) that have it: ALT in U/L, neutrophils in hundreds per microlitre.
ALT_OF_GRADE: Final = {1: (52, 112), 2: (126, 190)}
NEUTROPHILS_OF_GRADE: Final = {2: (11, 14), 3: (6, 9)}
HEMOLYSED: Final = (88, 99)
EVENT_AT: Final = 1  # which of the later times shows the event


def labs(
    stated: Mapping[str, int | None], grades: Mapping[str, int], treated_from: int, rng: Random
) -> list[dict[str, Any]]:
    """Return the `labs` of a record.

    `stated`: troponin and BNP (scaled; None draws one); `grades`: event -> CTCAE grade since `treated_from` (hour).
    """
    found = [_result(test, _draw(test.usual, rng), ON_ADMISSION) for test in (*ADMISSION, *SERIAL)]
    for test in (TROPONIN, BNP):
        known = stated[test.analyte]
        found.append(_result(test, _draw(test.usual, rng) if known is None else known, ON_ADMISSION))
    for number, after in enumerate(LATER):
        for test in SERIAL:
            ends = _event(test.analyte, grades) if number == EVENT_AT else None
            found.append(_result(test, _draw(ends or test.usual, rng), treated_from + after))
    return found


def _event(analyte: str, grades: Mapping[str, int]) -> tuple[int, int] | None:
    if analyte == "alt" and "elevated_lfts" in grades:
        return ALT_OF_GRADE[grades["elevated_lfts"]]
    if analyte == "neutrophils" and "neutropenia" in grades:
        return NEUTROPHILS_OF_GRADE[grades["neutropenia"]]
    return HEMOLYSED if analyte == "hemoglobin" and "hemolytic_anemia" in grades else None


def _draw(ends: tuple[int, int], rng: Random) -> int:
    return ends[0] + draw(rng, ends[1] - ends[0] + 1)


def _result(test: Test, scaled: int, hour: int) -> dict[str, Any]:
    value = scaled / 10**test.digits if test.digits else scaled
    found = {"analyte": test.analyte, "value": value, "unit": test.unit, "hour": hour}
    limits = {"lower_limit": test.lower_limit, "upper_limit": test.upper_limit}
    return found | {name: limit for name, limit in limits.items() if limit is not None}
