"""A weaning schedule as iCalendar (RFC 5545): one event for each dose. Nothing of the child but the doses."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from app.clinical.anakinra.protocol import refusal
from app.clinical.anakinra.weaning import WeanAnswer, WeanStep
from app.clinical.arithmetic import ICALENDAR_LINE_OCTETS, exact, said

MEDIA_TYPE: Final = "text/calendar"
# What a ward must know of the doses; nothing that tells of the child is sent to a calendar.
_NOTES: Final = frozenset(
    {
        "off_label",
        "evidence_limited",
        "dose_capped",
        "wean_from_effective_dose",
        "above_ceiling",
        "rounded_above_ceiling",
        "above_label_maximum",
        "dose_rounding",
        "dose_rounds_to_zero",
        "interval_between_doses",
        "stops_after_discharge",
        "may_stop_after_discharge",
    }
)
_ESCAPED: Final = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})


def calendar(plan: WeanAnswer, now: datetime) -> str:
    """Write a plan as an iCalendar stream: CRLF, lines folded at 75 octets, times in UTC.

    `now` becomes DTSTAMP; all else follows from the plan, the UIDs too, so the same plan gives the same events.
    Raises `RefusedInputError` when the plan has no moments: held, without `starts_at` or without `interval_hours`.
    """
    _refuse_without_moments(plan)
    begins = [step.starts_at for step in plan.steps if step.starts_at is not None]
    ends: list[datetime | None] = [*begins[1:], None]
    identity = _identity(plan, begins)
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Defervesce//Anakinra weaning//EN", "CALSCALE:GREGORIAN"]
    for step, begin, end in zip(plan.steps, begins, ends, strict=True):
        lines += ["BEGIN:VEVENT", f"UID:{identity}-{step.step}@defervesce", f"DTSTAMP:{_utc(now)}"]
        lines += [f"DTSTART:{_utc(begin)}", *([] if end is None else [f"DTEND:{_utc(end)}"])]
        lines += [f"SUMMARY:{_text(_summary(plan, step))}", f"DESCRIPTION:{_text(_description(plan, step))}"]
        lines += ["STATUS:TENTATIVE", "TRANSP:TRANSPARENT", "END:VEVENT"]
    lines.append("END:VCALENDAR")
    return "".join(f"{folded}\r\n" for line in lines for folded in _fold(line))


def _refuse_without_moments(plan: WeanAnswer) -> None:
    if plan.status == "hold":
        message = "The wean is held, so there is no schedule to put in a calendar. Ask for JSON to see the reason."
        raise refusal("/clinically_stable", "no_schedule", message)
    if plan.total_hours is None:
        message = "A calendar needs hours, not windows: send interval_hours, or ask for JSON."
        raise refusal("/interval_hours", "needed_for_calendar", message)
    if plan.stops_at is None:
        message = "A calendar needs starts_at, a date and time with an offset from UTC, or ask for JSON."
        raise refusal("/starts_at", "needed_for_calendar", message)


def _identity(plan: WeanAnswer, begins: list[datetime]) -> str:
    # Before rounding too: children whose weights differ a little are given the same rounded doses.
    doses = (
        f"{s.mg_kg_day}/{s.per_dose_mg}/{s.rounded_per_dose_mg}/{_utc(b)}"
        for s, b in zip(plan.steps, begins, strict=True)
    )
    return hashlib.sha256("|".join([plan.protocol, plan.rules.sha256, *doses]).encode()).hexdigest()


def _summary(plan: WeanAnswer, step: WeanStep) -> str:
    if not step.per_dose_mg:
        return "Anakinra: stop"
    dose, per_day = said(exact(step.rounded_per_dose_mg)), said(exact(step.mg_kg_day))
    return f"Anakinra {per_day} mg/kg/day: {dose} mg IV every {plan.dose_interval_hours} h"


def _description(plan: WeanAnswer, step: WeanStep) -> str:
    first = "Current dose." if step.step == 0 else "Only if a clinician finds the child stable; otherwise hold."
    notes = " ".join(w.message for w in plan.warnings if w.code in _NOTES)
    return (
        f"{first} Calculated by protocol {plan.protocol}, version {plan.rules.version}; a proposal to check.\n{notes}"
    )


def _utc(moment: datetime) -> str:
    in_utc = moment.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat()
    return in_utc.replace("-", "").replace(":", "") + "Z"


def _text(value: str) -> str:
    return value.translate(_ESCAPED)


def _fold(line: str) -> Iterator[str]:
    """Cut a line at 75 octets, never within a character; what follows is led by a space, which counts."""
    piece = ""
    for character in line:
        if len((piece + character).encode()) > ICALENDAR_LINE_OCTETS:
            yield piece
            piece = " "
        piece += character
    yield piece
