"""What an import notices, counted by code, with the first patients it holds for: bounded whatever is sent."""

from __future__ import annotations

from collections.abc import Iterable

from app.cohorts.summary import LISTED_PATIENTS, Noticed


class Notices:
    """Counts patients by what was noticed of them."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[str, list[str]]] = {}
        self._counts: dict[str, int] = {}

    def add(self, patient_id: str, noticed: Iterable[tuple[str, str]]) -> None:
        """Count a patient once for each code of these (code, message) pairs."""
        for code, message in dict(noticed).items():
            _, patients = self._found.setdefault(code, (message, []))
            self._counts[code] = self._counts.get(code, 0) + 1
            if len(patients) < LISTED_PATIENTS:
                patients.append(patient_id)

    def all(self) -> tuple[Noticed, ...]:
        """Return what was noticed, in the order in which it first was."""
        return tuple(
            Noticed(code=code, message=message, n_patients=self._counts[code], patient_ids=tuple(patients))
            for code, (message, patients) in self._found.items()
        )
