"""A large body on its way in: to memory first, past that to a file without a name, which vanishes with the request.

So a slow sender holds no transaction open, and an import knows its size and its hash before it begins.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import BinaryIO, Final, Protocol, cast

from starlette.requests import Request

from app.api.context import context_of
from app.api.kinds import DATABASE_UNAVAILABLE
from app.api.problems import ProblemError

_IN_MEMORY: Final = 4_000_000
_PIECE: Final = 1_000_000


class _Hash(Protocol):
    def update(self, piece: bytes, /) -> None: ...


@dataclass(slots=True)
class Spooled:
    """A body that has arrived: rewound, with its size and SHA-256."""

    body: BinaryIO
    size: int
    sha256: bytes


@asynccontextmanager
async def spooled(request: Request, limit: int) -> AsyncIterator[Spooled]:
    """Read a body of at most `limit` bytes, or raise the 413 (past the limit) or the 408 (too slow)."""
    body = await receive(request, limit)
    try:
        yield body
    finally:
        body.body.close()


async def receive(request: Request, limit: int) -> Spooled:
    """Read a body; whoever called closes it."""
    context_of(request.scope).body_bytes = limit
    file = cast("BinaryIO", tempfile.SpooledTemporaryFile(_IN_MEMORY))  # noqa: SIM115  # closed by the caller
    try:
        return await _read(request, file)
    except BaseException:
        file.close()
        raise


async def _read(request: Request, file: BinaryIO) -> Spooled:
    digest, size, held = sha256(), 0, bytearray()
    async for chunk in request.stream():
        held += chunk
        if len(held) >= _PIECE:
            size += len(held)
            await asyncio.to_thread(_keep, file, bytes(held), digest)
            held.clear()
    size += len(held)
    if size > _IN_MEMORY:
        await asyncio.to_thread(_keep, file, bytes(held), digest)
    else:
        _keep(file, bytes(held), digest)
    file.seek(0)
    return Spooled(file, size, digest.digest())


def _keep(file: BinaryIO, piece: bytes, digest: _Hash) -> None:
    try:
        file.write(piece)
    except OSError:
        detail = "There is no room to keep the body while it is worked on."
        raise ProblemError(DATABASE_UNAVAILABLE, detail, headers={"Retry-After": "30"}) from None
    digest.update(piece)
