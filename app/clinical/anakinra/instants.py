"""A moment with its offset from UTC: a wean in local time without one could be hours off."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Final

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from app.clinical.refusal import InputError, RefusedInputError

_RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})?"
)
_HOW: Final = "Write it like 2020-06-01T08:00:00-04:00."


def _read(value: object) -> datetime:
    """Read an RFC 3339 moment; a naive one is refused, and so is one that UTC cannot express."""
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise PydanticCustomError("not_a_datetime", f"This must be a date and time with an offset from UTC. {_HOW}")
    try:
        moment = datetime.fromisoformat(value.upper())
        if moment.tzinfo is not None:
            moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise PydanticCustomError("not_a_datetime", f"There is no such date and time. {_HOW}") from None
    if moment.tzinfo is None:
        text = f"The offset from UTC is missing, so the moment could be hours off. {_HOW}"
        raise PydanticCustomError("offset_missing", text)
    return moment


Instant = Annotated[
    datetime,
    PlainValidator(_read),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2020-06-01T08:00:00-04:00"]}),
]


def after(start: datetime, hours: Decimal, pointer: str) -> datetime:
    """Return the moment so many hours later: elapsed hours, shown with the offset that was sent.

    Raises `RefusedInputError` when the calendar ends before that.
    """
    try:
        moment = start + timedelta(hours=float(hours))
        moment.astimezone(UTC)
    except OverflowError:
        message = f"{pointer[1:]} lies too close to the end of the calendar for the plan that follows it."
        raise RefusedInputError(InputError(pointer, "out_of_range", message)) from None
    return moment
