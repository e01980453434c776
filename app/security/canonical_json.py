"""JSON in the one form that is hashed and signed: RFC 8785 (JCS), so that any language can check what we claim.

Members sorted by their UTF-16 code units, no white space, numbers as ECMAScript writes a double. Whole numbers beyond
2**53, which the RFC does not have, are written out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any, Final

# ECMAScript writes numbers from 1e-6 up to 1e21 without an exponent.
_LONGEST_WHOLE: Final = 21
_SMALLEST_PLAIN: Final = -6


def canonical(value: object) -> bytes:
    """Return JSON values (as `json.loads` makes them) in canonical form; ValueError for NaN and infinity."""
    return _written(value).encode()


def digest(value: object) -> str:
    """Return the SHA-256 of the canonical form, in hexadecimal."""
    return sha256(canonical(value)).hexdigest()


def _written(value: Any) -> str:  # noqa: ANN401  # any JSON
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        members = sorted(value.items(), key=lambda member: member[0].encode("utf-16-be"))
        return "{" + ",".join(f"{json.dumps(name, ensure_ascii=False)}:{_written(one)}" for name, one in members) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_written, value)) + "]"
    raise TypeError(f"{type(value).__name__} is no JSON")


def _number(value: float) -> str:
    """Write a double as ECMAScript does: the shortest digits that give it back, which are also Python's."""
    if not math.isfinite(value):
        raise ValueError("JSON has no such number")
    sign, parts, exponent = Decimal(repr(value)).as_tuple()
    if not isinstance(exponent, int) or value == 0:
        return "0"
    digits = "".join(map(str, parts)).rstrip("0")
    point = len(parts) + exponent
    return ("-" if sign else "") + _placed(digits, point)


def _placed(digits: str, point: int) -> str:
    """Put the decimal point `point` places after the first digit's left side, or write an exponent."""
    if len(digits) <= point <= _LONGEST_WHOLE:
        return digits + "0" * (point - len(digits))
    if 0 < point <= _LONGEST_WHOLE:
        return f"{digits[:point]}.{digits[point:]}"
    if _SMALLEST_PLAIN < point <= 0:
        return f"0.{'0' * -point}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{fraction}e{point - 1:+d}"
