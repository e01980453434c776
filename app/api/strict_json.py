"""Strict JSON: what RFC 8259 leaves to chance is refused, with the place of the culprit.

Refused as malformed (400): an empty body, a byte order mark, bytes that are not UTF-8, broken syntax, nesting deeper
than 64. Refused as a bad field (422): a key that occurs twice in one object, NaN and Infinity, a number that no double
holds, a lone surrogate.

Sound bodies take the fast way: a decoder in C that refuses all of these but duplicate keys, and a count that proves
that there are none. Whatever the fast way cannot vouch for goes the slow way, which finds the reason.
"""

from __future__ import annotations

import json
import math
import re
import sys
from array import array
from collections.abc import Callable, Iterator
from itertools import accumulate, islice
from typing import Any, Final

import msgspec

from app.api.kinds import MALFORMED
from app.api.messages import step
from app.api.problems import LISTED_ERRORS, ProblemError, refused
from app.clinical.refusal import InputError

DEEPEST: Final = 64
_BOM: Final = b"\xef\xbb\xbf"
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_SIGNS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # read as signed bytes: one level up, one level down
# A whole string; an unterminated one runs to the end, so that every start matches and the scan stays linear.
_STRING: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
_ESCAPED_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_DIGITS_OF_A_DOUBLE: Final = 309
_LARGEST: Final = int(sys.float_info.max)

_decode = msgspec.json.Decoder().decode


class _SuspiciousError(Exception):
    """The fast way cannot vouch for the body."""


class _Pairs(list[tuple[str, Any]]):
    """An object as its members in the order they were sent, so that a repeated key can be seen."""


class _Bad:
    """Stands in the parsed tree where a number was that cannot be."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message


_NOT_FINITE: Final = _Bad(
    "not_finite", "NaN and Infinity are not numbers that JSON knows; leave the field out or send null."
)
_TOO_BIG: Final = _Bad("number_too_large", "This number is too large for a double (about 1.8e308).")


def check_json(raw: bytes) -> None:
    """Refuse a body that is not strict JSON: 400 if it cannot be read, 422 naming each field at fault."""
    try:
        members = _members(_decode(raw), DEEPEST)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, _SuspiciousError):
        explain(raw)
        raise _malformed("The body is not well-formed JSON.") from None
    if not provably_unique(raw, members):
        explain(raw)


def check_json_bulk(raw: bytes, members: int) -> None:
    """Refuse duplicate keys in a body that msgspec has already decoded into typed structs.

    `members` is how many object members the decoder kept in all (fields that are not UNSET, with the envelope's own).
    When the body holds no more than that many colons outside strings, no key can have been sent twice, and nothing is
    parsed again. Otherwise the whole body is read once more, which takes some 2 microseconds a record: call it in a
    thread. A body that msgspec refused as malformed goes to `explain` directly.
    """
    if not provably_unique(raw, members):
        explain(raw)


def provably_unique(raw: bytes, members: int) -> bool:
    """Say whether counting alone proves that no key occurs twice in an object; False means *not proved*.

    Each member sent holds a colon outside strings, so members kept <= members sent <= colons, and with as many colons
    as members kept none was lost. Colons in values ("loinc:1988-5", times) would spoil the count; where no colon
    follows white space, only those right behind a quote can divide key from value.
    """
    if raw.count(b":") == members:
        return True
    return raw.count(b'":') == members and not any(space in raw for space in (b" :", b"\t:", b"\n:", b"\r:"))


def explain(raw: bytes) -> None:
    """Find out slowly why a body is not strict JSON, and refuse it; return when nothing is wrong with it after all."""
    text = _text(raw)
    _refuse_depth(raw)
    tree, suspicious = _parse(text, keep_all=_ESCAPED_SURROGATE.search(raw) is not None)
    if suspicious:
        errors = list(islice(_culprits(tree, ""), LISTED_ERRORS + 1))
        if errors:
            raise refused(errors)


def _members(node: object, deepest: int) -> int:
    """Count the members of all objects in a tree; what lies too deep or is too large sends the body the slow way."""
    if type(node) is dict:
        count, inner = len(node), list(node.values())
    elif type(node) is list:
        count, inner = 0, node
    else:
        return 0
    if not deepest:
        raise _SuspiciousError
    for value in inner:
        kind = type(value)
        if kind is dict or kind is list:
            count += _members(value, deepest - 1)
        elif kind is int and not -_LARGEST <= value <= _LARGEST:
            raise _SuspiciousError
    return count


def _text(raw: bytes) -> str:
    if not raw.strip():
        raise _malformed("The body is empty; a JSON value is needed.")
    if raw.startswith(_BOM):
        raise _malformed("The body starts with a byte order mark; send plain UTF-8 without it.")
    try:
        return raw.decode()
    except UnicodeDecodeError as exc:
        raise _malformed(f"The body is not UTF-8: byte {exc.start} cannot be read.") from None


def _refuse_depth(raw: bytes) -> None:
    """Count the brackets outside strings, so that no parser has to go as deep as the body does."""
    if raw.count(b"[") + raw.count(b"{") <= DEEPEST:
        return
    brackets = _STRING.sub(b"", raw).translate(_SIGNS, _NOT_BRACKETS)
    if max(accumulate(array("b", brackets)), default=0) > DEEPEST:
        raise _malformed(f"The body is nested deeper than {DEEPEST} levels.")


def _parse(text: str, *, keep_all: bool) -> tuple[Any, bool]:
    """Parse and say whether anything is suspicious; until something is, objects are dropped as soon as they are read.

    So a large sound body costs no tree. An object around a culprit is read after it, and is kept.
    """
    found = keep_all

    def suspect(bad: _Bad) -> _Bad:
        nonlocal found
        found = True
        return bad

    def members(pairs: list[tuple[str, Any]]) -> _Pairs | None:
        nonlocal found
        found = found or len({key for key, _ in pairs}) != len(pairs)
        return _Pairs(pairs) if found else None

    decoder = json.JSONDecoder(
        object_pairs_hook=members,
        parse_constant=lambda _: suspect(_NOT_FINITE),
        parse_float=lambda digits: None if math.isfinite(float(digits)) else suspect(_TOO_BIG),
        parse_int=lambda digits: None if len(digits) < _DIGITS_OF_A_DOUBLE else _whole(digits, suspect),
    )
    try:
        return decoder.decode(text), found
    except json.JSONDecodeError as exc:
        raise _malformed(f"The body is not well-formed JSON: line {exc.lineno}, column {exc.colno}.") from None


def _whole(digits: str, suspect: Callable[[_Bad], _Bad]) -> _Bad | None:
    return None if math.isfinite(float(digits)) else suspect(_TOO_BIG)


def _culprits(node: object, pointer: str) -> Iterator[InputError]:
    """Yield everything in a tree that strict JSON refuses."""
    if isinstance(node, _Bad):
        yield InputError(pointer, node.code, node.message)
    elif isinstance(node, str):
        if _SURROGATE.search(node):
            yield InputError(
                pointer, "lone_surrogate", "This text holds half of a surrogate pair; send whole characters."
            )
    elif isinstance(node, _Pairs):
        yield from _culprits_of_object(node, pointer)
    elif isinstance(node, list):
        for index, inner in enumerate(node):
            yield from _culprits(inner, f"{pointer}/{index}")


def _culprits_of_object(pairs: _Pairs, pointer: str) -> Iterator[InputError]:
    seen: set[str] = set()
    for key, inner in pairs:
        if _SURROGATE.search(key):
            yield InputError(pointer, "lone_surrogate", "A key of this object holds half of a surrogate pair.")
            continue
        if key in seen:
            yield InputError(pointer + step(key), "duplicate_key", "This key occurs more than once in its object.")
        seen.add(key)
        yield from _culprits(inner, pointer + step(key))


def _malformed(detail: str) -> ProblemError:
    return ProblemError(MALFORMED, detail)
