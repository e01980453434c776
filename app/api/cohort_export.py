"""An export as a stream: made piece by piece on a thread of its own, from one snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, Literal

from starlette.responses import Response, StreamingResponse

from app.api.cohort_examples import CSV_TYPE
from app.api.etag import etag
from app.api.media import NDJSON_TYPES
from app.cohorts.service import CohortService

ExportFormat = Literal["ndjson", "csv"]
_TYPES: Final = {"ndjson": NDJSON_TYPES[0], "csv": f"{CSV_TYPE}; charset=utf-8; header=present"}


async def export_response(service: CohortService, cohort_id: str, kind: ExportFormat) -> Response:
    """Answer with a cohort's records; an unknown cohort is refused before anything is sent."""
    # A snapshot belongs to the thread that opened it.
    thread = ThreadPoolExecutor(1, thread_name_prefix="export")
    pieces = service.export(cohort_id, kind)
    try:
        version = await _next(thread, pieces)
    except BaseException:
        thread.shutdown(wait=False)
        raise
    headers = {
        "ETag": etag(int(version or b"1")),
        "Content-Disposition": f'attachment; filename="cohort-{cohort_id}.{kind}"',
    }
    return StreamingResponse(_stream(thread, pieces), 200, headers, _TYPES[kind])


async def _stream(thread: ThreadPoolExecutor, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    try:
        while piece := await _next(thread, pieces):
            yield piece
    finally:
        # A client that went away in the middle must not keep the snapshot open.
        thread.submit(pieces.close)  # type: ignore[attr-defined]  # a generator
        thread.shutdown(wait=False)


async def _next(thread: ThreadPoolExecutor, pieces: Iterator[bytes]) -> bytes:
    return await asyncio.get_running_loop().run_in_executor(thread, partial(next, pieces, b""))
