"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the same request sent twice is carried out once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final

from fastapi import Header

from app.api.kinds import IN_PROGRESS
from app.api.problems import ProblemError, refused
from app.clinical.refusal import InputError

_KEY: Final = re.compile(r'"([\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x5b\x5d-\x7e]{1,255})')
_LONGEST: Final = 300
REPLAYED: Final = "Idempotency-Replayed"

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=_LONGEST,
        description="A key of your own (a UUID, say) that makes it safe to send this request again within 24 hours: "
        "the first answer is repeated. With another body: 422; while the first is still being answered: 409",
    ),
]
HEADER: Final[dict[str, Any]] = {
    REPLAYED: {"description": "`true` when an earlier answer was repeated", "schema": {"type": "string"}}
}


def key_of(header: str | None) -> str | None:
    """Return the key, which may stand in quotes, or refuse what is none."""
    if header is None:
        return None
    found = _KEY.fullmatch(header.strip())
    if found is None:
        message = "The key must be 1 to 255 visible ASCII characters without spaces, best a UUID."
        raise refused([InputError("/idempotency-key", "key_invalid", message)], location="header")
    return found[1] or found[2]


class UnderWay:
    """The keys that this process is answering at the moment."""

    def __init__(self) -> None:
        self._keys: set[tuple[str, str, str]] = set()

    @contextmanager
    def hold(self, tenant: str, scope: str, key: str | None) -> Iterator[None]:
        """Hold a key while its request is answered, or refuse the second request: 409."""
        if key is None:
            yield
            return
        held = tenant, scope, key
        if held in self._keys:
            detail = "The first request with this Idempotency-Key is still being answered."
            raise ProblemError(IN_PROGRESS, detail, headers={"Retry-After": "1"})
        self._keys.add(held)
        try:
            yield
        finally:
            self._keys.discard(held)
