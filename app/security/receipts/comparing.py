"""Where two answers differ: JSON pointers (RFC 6901), never values."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from app.security.canonical_json import canonical

LISTED: Final = 50


def differences(one: Any, other: Any) -> tuple[str, ...]:  # noqa: ANN401  # any JSON
    """Return the pointers of the smallest parts that differ, at most 50."""
    return tuple(islice(_differing(one, other, ""), LISTED))


def _differing(one: Any, other: Any, at: str) -> Iterator[str]:  # noqa: ANN401  # as above
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(one.keys() | other.keys()):
            yield from _member(one, other, name, f"{at}/{name.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(one, list) and isinstance(other, list):
        for index in range(max(len(one), len(other))):
            yield from _item(one, other, index, f"{at}/{index}")
    elif canonical(one) != canonical(other):
        yield at


def _member(one: dict[str, Any], other: dict[str, Any], name: str, at: str) -> Iterator[str]:
    if name in one and name in other:
        yield from _differing(one[name], other[name], at)
    else:
        yield at


def _item(one: list[Any], other: list[Any], index: int, at: str) -> Iterator[str]:
    if index < min(len(one), len(other)):
        yield from _differing(one[index], other[index], at)
    else:
        yield at
