"""Facts that a record states and that its own data say differently, counted over a cohort."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import Final

from app.cohorts.figures.numbers import count
from app.cohorts.report.view import Disagreement
from app.cohorts.store.model import Patient

MOST_PATIENTS: Final = 20_000
"""So many patients are looked at; past that the page says so, and its making stays within bounds."""


WITHHELD: Final[tuple[tuple[Disagreement, ...], str]] = (
    (),
    "How many patients have a stated fact that their own data contradict is withheld under the disclosure profile.",
)


def counted(patients: Iterable[Patient]) -> tuple[tuple[Disagreement, ...], str]:
    """Count the patients of each disagreement, most frequent first, and say it in a sentence. No values, no ids."""
    found: Counter[tuple[str, str]] = Counter()
    seen = 0
    for patient in islice(patients, MOST_PATIENTS):
        seen += 1
        found.update({(told["field"], told["message"]) for told in patient.disagreements})
    lines = (
        Disagreement(name, message, count(n))
        for (name, message), n in sorted(found.items(), key=lambda item: (-item[1], item[0]))
    )
    return tuple(lines), _told(seen)


def _told(n: int) -> str:
    if not n:
        return (
            "Wherever a record states a fact and also holds the data to derive it, the two agree, or a side is unknown."
        )
    if n >= MOST_PATIENTS:
        return f"At least {count(n)} patients have a stated fact that their own data contradict; these were counted."
    patients = "1 patient has" if n == 1 else f"{count(n)} patients have"
    return f"{patients} a stated fact that their own data contradict. Both are kept."
