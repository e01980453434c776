"""Batches of CTCAE records: as `records`, as an NDJSON stream or in columns, graded off the event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from functools import partial
from io import BytesIO
from itertools import chain
from typing import Any, Final

import msgspec
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app.api.body import check_json_bulk, explain, parse, read_body
from app.api.bulkhead import Bulkhead
from app.api.context import context_of
from app.api.ctcae_columns import answer_columns, too_many
from app.api.ctcae_records import Batch, Records
from app.api.media import JSON_TYPE, NDJSON_TYPES, negotiated, require_media_type
from app.api.problems import refused
from app.clinical.ctcae.grading import Grader
from app.clinical.ctcae.models import GradeRecord
from app.clinical.refusal import InputError, RefusedInputError

_RECORDS_AT_ONCE: Final = 8_000
_BYTES_AT_ONCE: Final = 1_000_000
_EMPTY: Final = InputError("", "batch_empty", "The batch is empty; send at least one record.")
_NOT_SENT: Final = msgspec.Raw(b"")
_NULL: Final = msgspec.Raw(b"null")


class _Envelope(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A batch as it is sent: records or columns, still raw."""

    version: str | msgspec.UnsetType | None = msgspec.UNSET
    override_plausibility: bool | msgspec.UnsetType = msgspec.UNSET
    records: msgspec.Raw = _NOT_SENT
    columns: dict[str, msgspec.Raw] | msgspec.UnsetType | None = msgspec.UNSET


class _BatchModel(BaseModel):
    """The same for pydantic, which says what is wrong with one that does not fit."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: str | None = None
    override_plausibility: bool = False
    records: list[Any] | None = None
    columns: dict[str, Any] | None = None


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_split_list = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Batches:
    """Answers batches off the event loop, piece by piece, so that small requests beside them stay fast."""

    def __init__(self, grader: Grader, model: type[GradeRecord], heavy: Bulkhead) -> None:
        self._grader = grader
        self._records = Records(grader, model)
        self._heavy = heavy

    async def __call__(self, request: Request, version: str | None) -> Response:
        """Read a batch and answer it."""
        context = context_of(request.scope)
        sent = require_media_type(context.headers, (JSON_TYPE, *NDJSON_TYPES))
        kind = negotiated(context.headers, (JSON_TYPE,) if sent == JSON_TYPE else NDJSON_TYPES)
        raw = await read_body(request, context.limits.body_bytes)
        self._heavy.hold(context)
        read = self._json if sent == JSON_TYPE else self._lines

        def begin() -> tuple[bytes, Iterator[bytes]]:
            pieces = read(raw, request, version)
            return next(pieces, b""), pieces

        first, pieces = await self._heavy.within(begin)
        return StreamingResponse(self._stream(first, pieces), media_type=kind)

    async def _stream(self, first: bytes, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
        piece = first
        while piece:
            yield piece
            piece = await self._heavy.piece(partial(next, pieces, b""))

    def _json(self, raw: bytes, request: Request, version: str | None) -> Iterator[bytes]:
        if version is not None:
            message = "The parameter version is for NDJSON; in JSON it stands beside records or columns."
            raise refused((InputError("/version", "parameter_not_used", message),), location="query")
        envelope = _envelope(raw)
        named = None if envelope.version is msgspec.UNSET else envelope.version
        batch = self._batch(request, named, override=envelope.override_plausibility is True, is_strict=True)
        most = context_of(request.scope).limits.batch_items
        if isinstance(envelope.columns, dict):
            sent = envelope.columns
            check_json_bulk(raw, _members(envelope) + len(sent))
            return answer_columns(self._grader, batch.version, sent, override=batch.override, most=most)
        return self._as_json(_items(envelope.records, "/records", most), batch)

    def _lines(self, raw: bytes, request: Request, version: str | None) -> Iterator[bytes]:
        most = context_of(request.scope).limits.batch_items
        if raw.count(b"\n") > most:
            raise RefusedInputError(too_many("", most))
        batch = self._batch(request, version, override=False, is_strict=version is not None)
        lines = BytesIO(raw)
        first = _lines_of(lines)
        if not first:
            raise RefusedInputError(_EMPTY)
        return self._in_pieces(chain((first,), iter(partial(_lines_of, lines), [])), batch, b"\n", b"\n")

    def _batch(self, request: Request, version: str | None, *, override: bool, is_strict: bool) -> Batch:
        context = context_of(request.scope)
        found = self._grader.versions(version)
        return Batch(found, override, is_strict, context.path, context.request_id)

    def _as_json(self, items: Sequence[bytes], batch: Batch) -> Iterator[bytes]:
        yield b'{"version":' + msgspec.json.encode(batch.version.version) + b',"results":['
        parts = (items[i : i + _RECORDS_AT_ONCE] for i in range(0, len(items), _RECORDS_AT_ONCE))
        for number, piece in enumerate(self._in_pieces(parts, batch, b",", b"")):
            yield b"," + piece if number else piece
        yield b'],"rules":' + batch.version.provenance.model_dump_json().encode() + b"}"

    def _in_pieces(self, parts: Iterable[Sequence[bytes]], batch: Batch, between: bytes, end: bytes) -> Iterator[bytes]:
        memory: dict[tuple[object, ...], Any] = {}
        first = 0
        for items in parts:
            yield between.join(self._records.grade(items, first, batch, memory)) + end
            first += len(items)


def _lines_of(lines: BytesIO) -> list[bytes]:
    """Read the next lines that hold something; none at the end."""
    found: list[bytes] = []
    while not found and (read := lines.readlines(_BYTES_AT_ONCE)):
        found = [line for raw in read if (line := raw.strip(b"\r\n\t "))]
    return found


def _envelope(raw: bytes) -> _Envelope:
    """Decode a batch's outer object, or say what is wrong with it."""
    try:
        if not raw.isascii():
            raw.decode()
        found = _decode_envelope(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        explain(raw)
        parse(raw, _BatchModel)
        raise refused((InputError("", "value_invalid", "The batch is not acceptable."),)) from None
    has_records = found.records not in (_NOT_SENT, _NULL)
    if has_records == isinstance(found.columns, dict):
        message = "Send either records or columns."
        raise refused((InputError("/records", "field_missing", message, ("records", "columns")),))
    return found


def _members(envelope: _Envelope) -> int:
    return sum(1 for v in msgspec.structs.astuple(envelope) if v is not msgspec.UNSET and v != _NOT_SENT)


def _items(records: msgspec.Raw, pointer: str, most: int) -> list[bytes]:
    try:
        items = [bytes(item) for item in _split_list(records)]
    except msgspec.MsgspecError:
        raise RefusedInputError(InputError(pointer, "not_a_list", "records must be a list.")) from None
    _refuse_length(items, pointer, most)
    return items


def _refuse_length(items: Sequence[bytes], pointer: str, most: int) -> None:
    if not items:
        raise RefusedInputError(_EMPTY).under(pointer)
    if len(items) > most:
        raise RefusedInputError(too_many(pointer, most))
