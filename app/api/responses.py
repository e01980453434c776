"""What operations declare that they can answer besides success."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from app.api.kinds import (
    AGGREGATES_ONLY,
    CALLERS_UNAVAILABLE,
    CONFLICT,
    DATABASE_UNAVAILABLE,
    IN_PROGRESS,
    NOT_FOUND,
    OVERLOADED,
    READ_ONLY,
    STALE,
    UNCONDITIONAL,
    Kind,
)
from app.api.openapi import REF, RETRY_AFTER
from app.api.problems import PROBLEM_JSON

Responses = dict[int | str, dict[str, Any]]

_KINDS: Final[Mapping[int, tuple[Kind, ...]]] = {
    403: (AGGREGATES_ONLY,),
    404: (NOT_FOUND,),
    409: (CONFLICT, READ_ONLY, IN_PROGRESS),
    412: (STALE,),
    428: (UNCONDITIONAL,),
    503: (DATABASE_UNAVAILABLE, CALLERS_UNAVAILABLE, OVERLOADED),
}
_NOT_MODIFIED: Final = 304
_WITH_RETRY: Final = frozenset({409, 503})


def declared(success: Mapping[int, Mapping[str, Any]], *statuses: int) -> Responses:
    """Return the declaration of an operation's answers: its own, and problems (or 304) by their statuses."""
    found: Responses = {status: dict(answer) for status, answer in success.items()}
    return found | {status: _other(status) for status in statuses}


def _other(status: int) -> dict[str, Any]:
    if status == _NOT_MODIFIED:
        return {"description": "If-None-Match names the current version"}
    kinds = _KINDS[status]
    described: dict[str, Any] = {
        "description": " ".join(dict.fromkeys(f"{kind.meaning} {kind.remedy}" for kind in kinds)),
        "content": {PROBLEM_JSON.decode(): {"schema": {"$ref": REF.format(model="Problem")}}},
    }
    return described | ({"headers": {"Retry-After": RETRY_AFTER}} if status in _WITH_RETRY else {})
