"""Batches of independent items: `{"items": [...]}` or NDJSON in, one answer per item out, and no item fails another.

The body is read whole (its size is limited), cut into items without parsing them, and answered in a stream: a few items
at a time in a thread, so that neither memory nor the event loop holds the whole batch.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from app.api.body import check_json, parse, read_body, require_media_type
from app.api.bulkhead import Bulkhead
from app.api.context import RequestContext, context_of
from app.api.exceptions import problem_of_item
from app.api.media import JSON_TYPE, NDJSON_TYPES, negotiated
from app.api.problems import Problem, ProblemError, document, refused
from app.clinical.refusal import InputError, RefusedInputError

ITEMS_AT_A_TIME: Final = 25
_WHITE_SPACE: Final = (b" ", b"\n", b"\r", b"\t")
_ENVELOPE: Final = len(b'{"items":[]}')

I = TypeVar("I", bound=BaseModel)  # noqa: E741 - an item
R = TypeVar("R", bound=BaseModel)
Items = Sequence[bytes | msgspec.Raw]


class ItemAnswer(BaseModel, Generic[R]):
    """The answer to one item: its result, or the problem it has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: int = Field(ge=0, description="Place of the item in the batch, from 0")
    status: Literal[200, 422] = Field(description="200 with a `result`, 422 with a `problem`")
    result: R | None = Field(default=None, description="What the single call answers")
    problem: Problem | None = Field(default=None, description="Why this item was refused")


class BatchAnswer(BaseModel, Generic[R]):
    """The answers in the order of the items."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: tuple[ItemAnswer[R], ...] = Field(description="One answer per item")


class _Envelope(msgspec.Struct, forbid_unknown_fields=True):
    items: list[msgspec.Raw]


class _StrictEnvelope(BaseModel):
    """The batch's outside, for pydantic to say what is wrong with it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    items: list[Any] = Field(description="The items, each as in the single call")


_BODY: Final = "The body "
_decode: Final = msgspec.json.Decoder(_Envelope).decode


class ItemBatch(Generic[I, R]):
    """Answers a batch of items by the function that answers one and the one that writes an answer."""

    def __init__(self, item: type[I], answer: Callable[[I], R], write: Callable[[R], bytes], heavy: Bulkhead) -> None:
        self._item = TypeAdapter(item)
        self._answer = answer
        self._write = write
        self._heavy = heavy

    async def __call__(self, request: Request) -> Response:
        """Read a batch and answer it as JSON or NDJSON, by `Accept`, else as it came.

        Refused as a whole: an unreadable body, an empty batch, more items than the service takes.
        """
        context = context_of(request.scope)
        sent = require_media_type(context.headers, (JSON_TYPE, *NDJSON_TYPES))
        offered = (JSON_TYPE, NDJSON_TYPES[0]) if sent == JSON_TYPE else (NDJSON_TYPES[0], JSON_TYPE)
        media_type = negotiated(context.headers, offered)
        raw = await read_body(request, context.limits.body_bytes)
        self._heavy.hold(context)
        items = await self._heavy.within(partial(items_of_json if sent == JSON_TYPE else items_of_lines, raw))
        _check_count(len(items), context.limits.batch_items, "/items" if sent == JSON_TYPE else "")
        lines = self._lines(items, context)
        stream = _as_json(lines) if media_type == JSON_TYPE else lines
        return StreamingResponse(stream, media_type=media_type)

    async def _lines(self, items: Items, context: RequestContext) -> AsyncIterator[bytes]:
        """Yield the answers a few at a time, each on its line."""
        numbered = enumerate(items)
        while some := list(islice(numbered, ITEMS_AT_A_TIME)):
            yield await self._heavy.piece(partial(self._some, some, context))

    def _some(self, numbered: Sequence[tuple[int, bytes | msgspec.Raw]], context: RequestContext) -> bytes:
        return b"".join([self._one(index, bytes(raw), context) for index, raw in numbered])

    def _one(self, index: int, raw: bytes, context: RequestContext) -> bytes:
        try:
            result = self._write(self._answer(parse(raw, self._item)))
        except (ProblemError, RefusedInputError) as refusal:
            return b'{"index":%d,"status":422,"problem":%s}\n' % (index, _problem(refusal, context))
        return b'{"index":%d,"status":200,"result":%s}\n' % (index, result)


def items_of_json(raw: bytes) -> Items:
    """Cut `{"items": [...]}` into its items, unparsed; raises `ProblemError` when it is not of that form."""
    try:
        items = _decode(raw).items
        if not raw.isascii():
            raw.decode()  # the items are not looked into, and a body that is not UTF-8 is no JSON
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return [msgspec.json.encode(item) for item in parse(raw, _StrictEnvelope).items]
    if _solid(raw) - sum(map(_solid, items)) != _ENVELOPE + max(len(items) - 1, 0):
        check_json(raw)  # something besides the items is in there: `items` twice, or its name written in escapes
    return items


def items_of_lines(raw: bytes) -> Items:
    """Cut NDJSON into its items; blank lines do not count."""
    return [line for line in raw.split(b"\n") if line.strip()]


def _solid(raw: bytes | msgspec.Raw) -> int:
    """Count the bytes that are not white space."""
    text = bytes(raw)
    return len(text) - sum(map(text.count, _WHITE_SPACE))


def _check_count(count: int, most: int, pointer: str) -> None:
    if not count:
        raise refused([InputError(pointer, "batch_empty", "The batch is empty: send at least one item.")])
    if count > most:
        message = f"The batch has more than {most} items, the most taken at once: send it in parts."
        raise refused([InputError(pointer, "batch_too_large", message)])


async def _as_json(lines: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Write the lines as one JSON object."""
    before = b'{"items":['
    async for some in lines:
        yield before + some.rstrip(b"\n").replace(b"\n", b",\n")
        before = b",\n"
    yield b"]}\n"


def _problem(refusal: Exception, context: RequestContext) -> bytes:
    """Write an item's problem."""
    written = document(problem_of_item(refusal), context.path, context.request_id)
    for error in written["errors"]:
        error["message"] = _of_item(error["message"])
    return msgspec.json.encode(written)


def _of_item(message: str) -> str:
    return "The item " + message.removeprefix(_BODY) if message.startswith(_BODY) else message


def request_body(schema: str, example: Mapping[str, Any]) -> dict[str, Any]:
    """Describe the two bodies of a batch for OpenAPI; `schema` is the item's name among the components."""
    reference = {"$ref": f"#/components/schemas/{schema}"}
    items = {"type": "array", "items": reference, "minItems": 1, "description": "The items"}
    envelope = {"type": "object", "properties": {"items": items}, "required": ["items"], "additionalProperties": False}
    line = msgspec.json.encode(example).decode() + "\n"
    content = {
        JSON_TYPE: {"schema": envelope, "example": {"items": [example]}},
        NDJSON_TYPES[0]: {"schema": {"type": "string", "description": "One item on each line"}, "example": line},
    }
    return {"requestBody": {"required": True, "content": content}}


def lines_answer(description: str) -> dict[int | str, dict[str, Any]]:
    """Describe the NDJSON form of the answer for OpenAPI."""
    text = {"schema": {"type": "string", "description": "One answer on each line"}}
    return {200: {"description": description, "content": {NDJSON_TYPES[0]: text}}}
