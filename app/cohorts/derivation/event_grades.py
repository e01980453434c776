"""Grades of adverse events that are stated by their facts, by the same grader as `POST /v1/ctcae/grade`."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from pydantic import ValidationError

from app.clinical.ctcae.grading import Grader
from app.clinical.ctcae.models import GradeAnswer, GradeRecord, record_model
from app.clinical.refusal import InputError, RefusedInputError
from app.clinical.rulebook import Rulebook
from app.cohorts.derivation.terms import EventTerm
from app.cohorts.records import AdverseEvent

_NOT_A_FACT = "This is not a field of POST /v1/ctcae/grade, or not of its kind."

_NO_FACTS = ("term", "analyte", "version", "grade")


class EventGrades:
    """Grades by facts. The grader is built with the first event that needs it."""

    def __init__(self, rulebook: Rulebook, version: str) -> None:
        self._rulebook = rulebook
        self._version = version

    def __call__(self, event: AdverseEvent, term: EventTerm) -> int | None:
        """Return the grade of an event's facts, None where they do not decide it.

        Raises `RefusedInputError` with pointers below the event ("/facts/body_surface_percent").
        """
        if term.slug == term.event and term.slug not in self._terms:
            raise RefusedInputError(
                InputError("/facts", "field_not_of_term", "This event has no CTCAE term of its own.")
            )
        facts = event.facts or {}
        if named := [name for name in _NO_FACTS if name in facts]:
            # They would grade another event than the one that is named, or by another version.
            raise RefusedInputError(*(InputError(f"/facts/{name}", "fact_unknown", _NOT_A_FACT) for name in named))
        try:
            record = self._model.model_validate({"term": term.slug, "version": self._version, **facts})
        except ValidationError as error:
            raise RefusedInputError(*_faults(error)) from None
        try:
            answer = self._grader.grade(record)
        except RefusedInputError as refusal:
            raise refusal.under("/facts") from None
        return answer.grade if isinstance(answer, GradeAnswer) else None

    @cached_property
    def _grader(self) -> Grader:
        return Grader(self._rulebook)

    @cached_property
    def _model(self) -> type[GradeRecord]:
        return record_model(self._grader.facts.values(), ())

    @property
    def _terms(self) -> Any:  # noqa: ANN401 - the mapping of terms
        return self._grader.versions(self._version).terms


def _faults(error: ValidationError) -> list[InputError]:
    return [
        InputError("/facts/" + "/".join(str(step) for step in one["loc"]), "fact_unknown", _NOT_A_FACT)
        for one in error.errors(include_url=False, include_context=False, include_input=False)
    ]
