"""Large bodies of long lists of numbers, decoded in pieces: no single step holds the interpreter for long.

One call into a decoder keeps every other thread waiting until it returns, the event loop among them: for a million
numbers a tenth of a second and more. So the long lists are cut out, what is left is checked and validated as any body,
and the lists piece by piece, by the same rules. Whatever is not plainly sound goes the ordinary way, which names the
fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeVar, get_args

import msgspec
from pydantic import BaseModel, TypeAdapter, ValidationError

from app.api.body import parse
from app.api.context import fresh_id
from app.api.problems import ProblemError
from app.api.strict_json import check_json
from app.statistics.models import LongLists

T = TypeVar("T")
_LONG: Final = 100_000
_PIECE: Final = 50_000
_MOST_BRACKETS: Final = 1_000
_LARGEST_REST: Final = 1_000_000
_decode: Final = msgspec.json.Decoder().decode

Path = tuple[str | int, ...]
Span = tuple[int, int]


class _Cut(NamedTuple):
    """A body without its long lists: the parts around them, and from where to where each list's items are."""

    parts: list[bytes]
    lists: list[Span]

    def with_each(self, stand_ins: Sequence[bytes]) -> bytes:
        """Return the body with something else in the place of each long list."""
        pairs = zip(self.parts, (*stand_ins, b""), strict=True)
        return b"".join(part + stand_in for part, stand_in in pairs)


class _NotPlainError(Exception):
    """The body is not one that is plainly sound."""


def parse_large(raw: bytes, adapter: TypeAdapter[T]) -> T:
    """Parse a large body, in pieces where that is possible. Refusals are those of `parse`."""
    try:
        return _in_pieces(raw, adapter)
    except (_NotPlainError, ProblemError, ValidationError):
        return parse(raw, adapter)


def _in_pieces(raw: bytes, adapter: TypeAdapter[T]) -> T:
    cut = _cut(raw)
    token = fresh_id()
    named = cut.with_each([b'["%b",%d]' % (token.encode(), number) for number in range(len(cut.lists))])
    if not cut.lists or len(named) > _LARGEST_REST:
        raise _NotPlainError
    # A list that stood inside a text is found out here: its stand-in's quotes break the text.
    check_json(named)
    places = dict(_places(_decode(named), token))
    found: Any = adapter.validator.validate_json(cut.with_each([b"[]"] * len(cut.lists)), strict=True)
    if not isinstance(found, LongLists) or len(places) != len(cut.lists):
        raise _NotPlainError
    for number, span in enumerate(cut.lists):
        found = _filled(found, places[number], raw, span)
    if not found.holds_together():
        raise _NotPlainError
    whole: T = found
    return whole


def _cut(raw: bytes) -> _Cut:
    """Cut out the long lists that hold no text, list or object."""
    cut, kept, start, end = _Cut([], []), 0, raw.find(b"["), -1
    for _ in range(_MOST_BRACKETS):
        if start < 0:
            break
        end = end if end > start else raw.find(b"]", start)
        following = raw.find(b"[", start + 1)
        if end < 0:
            raise _NotPlainError
        is_plain = not 0 < following < end and end - start > _LONG
        if is_plain and raw.find(b'"', start, end) < 0 and raw.find(b"{", start, end) < 0:
            cut.parts.append(raw[kept:start])
            cut.lists.append((start + 1, end))
            kept = end + 1
        start = following
    cut.parts.append(raw[kept:])
    return cut


def _places(node: object, token: str, path: Path = ()) -> Iterator[tuple[int, Path]]:
    """Yield of each stand-in its number and where it stands."""
    if isinstance(node, dict):
        for name, inner in node.items():
            yield from _places(inner, token, (*path, name))
    elif isinstance(node, list):
        if node and node[0] == token:
            yield node[1], path
        for index, inner in enumerate(node):
            yield from _places(inner, token, (*path, index))


def _filled(model: Any, path: Path, raw: bytes, span: Span) -> Any:  # noqa: ANN401  # a model, or a list of models
    """Return a model with a list in its place, and everything around it as it was."""
    step, further = path[0], path[1:]
    if isinstance(model, list) and isinstance(step, int):
        return [*model[:step], _filled(model[step], further, raw, span), *model[step + 1 :]]
    if not isinstance(model, BaseModel) or not isinstance(step, str) or step not in type(model).model_fields:
        raise _NotPlainError
    inner = _filled(getattr(model, step), further, raw, span) if further else _items(type(model), step, raw, span)
    return model.model_copy(update={step: inner})


def _items(model: type[BaseModel], name: str, raw: bytes, span: Span) -> list[Any]:
    """Read the items of a field's list, as the field would."""
    adapter, most = _field(model, name)
    found: list[Any] = []
    for piece in _pieces(raw, *span):
        if not piece.strip() or len(found) > most:
            raise _NotPlainError
        whole = b"[" + piece + b"]"
        check_json(whole)
        found += adapter.validator.validate_json(whole, strict=True)
    if len(found) > most:
        raise _NotPlainError
    return found


def _pieces(raw: bytes, start: int, end: int) -> Iterator[bytes]:
    """Cut items at commas into pieces of some thousand."""
    while True:
        comma = raw.find(b",", min(start + _PIECE, end), end)
        if comma < 0:
            yield raw[start:end]
            return
        yield raw[start:comma]
        start = comma + 1


@lru_cache(maxsize=64)
def _field(model: type[BaseModel], name: str) -> tuple[TypeAdapter[list[Any]], int]:
    """Return what reads a piece of a field's list, and how many items the list may have."""
    field = model.model_fields[name]
    most = [rule.max_length for rule in field.metadata if hasattr(rule, "max_length")]
    if len(field.metadata) != len(most) or not most or not get_args(field.annotation):
        raise _NotPlainError
    listed: Any = list[get_args(field.annotation)[0]]  # type: ignore[misc]  # a type made at run time
    return TypeAdapter(listed), min(most)
