"""Filling a cohort from what was sent, within one transaction of the caller."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.clinical.refusal import InputError, RefusedInputError
from app.cohorts.collector import calm_collector
from app.cohorts.derivers import Rules
from app.cohorts.errors import DuplicatePatientsError
from app.cohorts.intake.json_stream import JsonBody
from app.cohorts.intake.rows import Rows
from app.cohorts.intake.sent import Sent
from app.cohorts.intake.taking import DuplicateRowsError, Intake
from app.cohorts.pseudonym import trace_of
from app.cohorts.store.model import Cohort
from app.cohorts.summary import CohortChanged, changed

if TYPE_CHECKING:
    from app.cohorts.store import Writer

LONGEST_NAME: Final = 200
LONGEST_DESCRIPTION: Final = 2_000
_LENGTHS: Final = {"name": LONGEST_NAME, "description": LONGEST_DESCRIPTION}
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_LINE: Final = re.compile(r"[\t\n\u2028\u2029]")
# They turn the text around them, so that a page shows another name than the one that is kept.
_TURNING: Final = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
_PERSONAL: Final = "what looks like {}. Nothing about a person belongs there."
# Stands in for the name until the whole body was read: in JSON the name may come after the patients.
_UNTIL_KNOWN: Final = "unnamed"


class Once(NamedTuple):
    """What makes a request the same as an earlier one: route, the caller's key, and a hash of what was sent."""

    scope: str
    key: str
    fingerprint: bytes


class Named(NamedTuple):
    """How a cohort is to be called, where that is not said in what was sent."""

    name: str | None = None
    description: str | None = None


NAMELESS: Final = Named()


def create_named(writer: Writer, rows: Rows, named: Named, intake: Intake, rules: Rules) -> CohortChanged:
    """Create a cohort from rows under a name."""
    name, description = _described(named._asdict())
    cohort = writer.create(name, description, rules)
    return add_to(writer, cohort, rows, intake)


def create_from(writer: Writer, sent: Sent, intake: Intake, rules: Rules, named: Named = NAMELESS) -> CohortChanged:
    """Create a cohort from a JSON body with `name`, perhaps `description`, and perhaps `patients`."""
    body = JsonBody(sent.pieces(), ("name", "description"))
    cohort = writer.create(_UNTIL_KNOWN, None, rules)
    added = fill(writer, cohort, body.rows(), intake)
    said = {name: value for name, value in named._asdict().items() if value is not None}
    name, description = _described(body.members | said)
    writer.describe(cohort, name=name, description=description)
    return _answer(writer, cohort, intake, added)


def add_to(writer: Writer, cohort: Cohort, rows: Rows, intake: Intake) -> CohortChanged:
    """Add rows to a cohort that is locked."""
    return _answer(writer, cohort, intake, fill(writer, cohort, rows, intake))


def fill(writer: Writer, cohort: Cohort, rows: Rows, intake: Intake) -> int:
    """Write rows into a cohort; returns how many were added. Raises DuplicateRowsError, RowsRefusedError."""
    try:
        with calm_collector():
            on_duplicate = intake.duplicate if intake.skips else None
            return writer.add(cohort, intake.patients(rows), on_duplicate, intake.added)
    except DuplicatePatientsError as exc:
        errors = tuple(intake.duplicate_error(found.patient_id, found.line) for found in exc.duplicates)
        raise DuplicateRowsError(errors) from None


def _answer(writer: Writer, cohort: Cohort, intake: Intake, added: int) -> CohortChanged:
    now = writer.cohort(cohort.id)
    return changed(now, writer.strata(now), intake.report(added), intake.hide)


def _described(members: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return name and description, or refuse them."""
    errors = [error for name in _LENGTHS if (error := _fault(name, members.get(name))) is not None]
    if errors:
        raise RefusedInputError(*errors)
    description = members.get("description")
    return members["name"].strip(), description.strip() if description else None


def _fault(name: str, value: object) -> InputError | None:
    if value is None:
        needed = name == "name"
        return InputError("/name", "field_missing", "name is required: a name for the cohort.") if needed else None
    if not isinstance(value, str):
        return InputError(f"/{name}", "not_a_string", f"{name} must be text.")
    if not (value.strip() or name != "name") or len(value) > _LENGTHS[name]:
        return InputError(f"/{name}", "text_length", f"{name} must have 1 to {_LENGTHS[name]} characters.")
    reason = _unseen(name, value)
    if reason is not None:
        return InputError(f"/{name}", "text_pattern", f"{name} must {reason}.")
    trace = trace_of(value)
    return None if trace is None else InputError(f"/{name}", "text_personal", f"{name} holds {_PERSONAL.format(trace)}")


def _unseen(name: str, value: str) -> str | None:
    """Say what is wrong with the characters that nobody sees."""
    if _CONTROL.search(value):
        return "not hold control characters"
    if name == "name" and _LINE.search(value.strip()):
        return "be one line, without tabs"
    if _TURNING.search(value):
        return "not hold characters that turn the direction of writing (U+202A to U+202E, U+2066 to U+2069)"
    return None
