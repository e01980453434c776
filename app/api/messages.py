"""Pydantic's findings in our own stable codes and words, with what is allowed; the value sent is never repeated."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple, get_args

from pydantic import TypeAdapter
from pydantic_core import ErrorDetails, ValidationError
from pydantic_core.core_schema import ErrorType

from app.clinical.refusal import InputError
from app.cohorts.intake.schema import Node, branches

_LISTED_NAMES: Final = 60
_TOO_MANY: Final = 10_000
_FIRST_SENTENCE: Final = re.compile(r"(?s)\s*(.+?)(?:\.(?:\s|\Z)|\Z)")
_OURS: Final = frozenset({"value_error", "assertion_error"})
_PYDANTICS: Final = frozenset(get_args(ErrorType))

# Pydantic's error type -> our stable code and what is wrong. Types that are not here fall back to `value_invalid`.
_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("field_missing", "is required"),
    "extra_forbidden": ("unknown_field", "is not a field here"),
    "bool_type": ("not_a_boolean", "must be true or false"),
    "bool_parsing": ("not_a_boolean", "must be true or false"),
    "string_type": ("not_a_string", "must be text"),
    "string_too_short": ("text_length", "is too short"),
    "string_too_long": ("text_length", "is too long"),
    "string_pattern_mismatch": ("text_pattern", "is not written as expected"),
    "finite_number": ("not_finite", "must be a finite number"),
    "literal_error": ("value_not_allowed", "must be one of the listed values"),
    "enum": ("value_not_allowed", "must be one of the listed values"),
    "union_tag_invalid": ("value_not_allowed", "names no known kind"),
    "union_tag_not_found": ("field_missing", "does not say which kind it is"),
    "none_required": ("value_not_allowed", "must be null"),
    "too_short": ("list_length", "has too few items"),
    "too_long": ("list_length", "has too many items"),
    "timezone_aware": ("offset_missing", "needs an offset from UTC, such as 2020-06-01T08:00:00-04:00"),
    "timezone_naive": ("offset_not_allowed", "must not have an offset from UTC"),
    "recursion_loop": ("value_invalid", "refers to itself"),
} | {
    f"{kind}_{suffix}": (code, words)
    for kinds, code, words in (
        (("float", "decimal"), "not_a_number", "must be a JSON number"),
        (("int",), "not_an_integer", "must be a whole number"),
        (("list", "tuple", "set", "frozen_set", "iterable"), "not_a_list", "must be a list"),
        (("dict", "model", "model_attributes", "dataclass", "mapping"), "not_an_object", "must be an object"),
        (("datetime",), "not_a_datetime", "must be a date and time such as 2020-06-01T08:00:00-04:00"),
        (("date",), "not_a_date", "must be a date such as 2020-06-01"),
        (("time",), "not_a_time", "must be a time such as 08:00:00"),
        (("uuid",), "not_a_uuid", "must be a UUID"),
        (("url",), "not_a_url", "must be a URL"),
    )
    for kind in kinds
    for suffix in ("type", "parsing", "from_date_parsing", "from_datetime_parsing", "object_invalid", "from_float")
}
# Where only one truth value is allowed, what else is.
_BESIDE_TRUTH: Final = {"null": "null", "object": "an object"}
_RANGE: Final = frozenset({"greater_than", "greater_than_equal", "less_than", "less_than_equal", "multiple_of"})
_OF_ANOTHER_TYPE: Final = frozenset({"not_a_boolean", "not_a_string", "not_a_number", "not_an_integer"})
_OF_THE_RIGHT_TYPE: Final = frozenset({"out_of_range", "text_length", "text_pattern"})
_NO_NUMBERS: Final = {"string": ("text",), "null": ("null",), "boolean": ("true", "false")}
_LENGTH: Final = frozenset({"string_too_short", "string_too_long", "too_short", "too_long"})


class _Place(NamedTuple):
    """Where an error lies: its pointer, its field's name, and the schemas that hold there and around it."""

    pointer: str
    name: str
    here: list[Node]
    around: list[Node]


def of_body(exc: ValidationError, adapter: TypeAdapter[Any], sent: object) -> list[InputError]:
    """Say in our words what pydantic refused in a body.

    `sent` is the parsed body: it tells the steps of a path that lead into the body from those that only name a
    branch of a union.
    """
    if exc.error_count() > _TOO_MANY:
        return [InputError("", "too_many_errors", f"More than {_TOO_MANY} fields are wrong; check the format.")]
    root = _schema(adapter)
    found = exc.errors(include_url=False, include_input=False)
    told = {(e.pointer, e.code): e for e in (_error(error, _place(error, sent, root)) for error in found)}
    return _without_otherbranches(told.values())


def _without_otherbranches(errors: Iterable[InputError]) -> list[InputError]:
    """Leave out what a union's other branches say of a value that is of one branch's type, and wrong within it."""
    told = list(errors)
    judged = {error.pointer for error in told if error.code in _OF_THE_RIGHT_TYPE}
    return [error for error in told if error.pointer not in judged or error.code not in _OF_ANOTHER_TYPE]


def of_parameters(found: Sequence[Any]) -> tuple[str, list[InputError]]:
    """Say in our words what was refused in the query, the path or a header, and which of them it was."""
    location = str(found[0]["loc"][0]) if found and found[0]["loc"] else "query"
    return location, [_error(error, _parameter(error)) for error in found]


def unknown_field(name: str, pointer: str, fields: Iterable[str], *, what: str = "field") -> InputError:
    """Refuse a name that does not exist and suggest the nearest ones, or else list all."""
    names = sorted(fields)
    near = difflib.get_close_matches(name[:100], names, n=3, cutoff=0.6)
    hint = f' Did you mean "{near[0]}"?' if near else ""
    return InputError(
        pointer, f"unknown_{what}", f"There is no such {what} here.{hint}", tuple(near or names[:_LISTED_NAMES])
    )


def step(key: object) -> str:
    """Write one step of a JSON pointer (RFC 6901)."""
    return "/" + str(key).replace("~", "~0").replace("/", "~1")


def _error(error: ErrorDetails, place: _Place) -> InputError:
    kind = error["type"]
    if kind == "extra_forbidden":
        names = {name for node in place.around for name in node.get("properties", ())}
        return unknown_field(place.name, place.pointer, names)
    if kind in _OURS or kind not in _PYDANTICS:
        return InputError(place.pointer, *_own(error), _allowed(place.here))
    code, words = _worded(kind, error.get("ctx") or {}, place.here)
    message = f"{place.name or 'The body'} {words}.{_about(place.here)}"
    return InputError(place.pointer, code, message, _allowed(place.here))


def _own(error: ErrorDetails) -> tuple[str, str]:
    """Return code and text of an error that our own validators raised: its text is public."""
    if error["type"] not in _OURS:
        return error["type"], error["msg"]
    reason = (error.get("ctx") or {}).get("error")
    return "value_refused", str(reason) if reason is not None else "This combination of fields is refused."


def _worded(kind: str, bounds: Mapping[str, Any], here: list[Node]) -> tuple[str, str]:
    if kind in _RANGE:
        return "out_of_range", _range(bounds, here)
    code, words = _WORDS.get(kind, ("value_invalid", "is not acceptable"))
    if kind in _LENGTH:
        words += _lengths(bounds)
    if code in {"not_a_number", "not_an_integer"}:
        words += _numeral(code, here)
    return code, words


def _numeral(code: str, here: list[Node]) -> str:
    """Say which numbers would do, and what is none."""
    limits = _limits({}, here) or ("such as 25.5" if code == "not_a_number" else "")
    taken = {node.get("type") for node in here}
    said = (f" {limits}" if limits else "") + (", or null" if "null" in taken else "")
    if code == "not_an_integer":
        return said
    others = [word for name, words in _NO_NUMBERS.items() if name not in taken for word in words]
    return said + (f"; not {', '.join(others[:-1])} or {others[-1]}" if len(others) > 1 else "")


def _range(bounds: Mapping[str, Any], here: list[Node]) -> str:
    if "multiple_of" in bounds:
        return f"must be a multiple of {bounds['multiple_of']}"
    return f"must be a number {_limits(bounds, here)}"


def _limits(bounds: Mapping[str, Any], here: list[Node]) -> str:
    """Write both ends of the allowed range, from the schema where it has them, else from the one end that failed."""
    both = {
        "ge": _first(here, "minimum"),
        "gt": _first(here, "exclusiveMinimum"),
        "le": _first(here, "maximum"),
        "lt": _first(here, "exclusiveMaximum"),
    }
    ends = both | {name: value for name, value in bounds.items() if name in both}
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    said = " and ".join(f"{words[name]} {_number(value)}" for name, value in ends.items() if value is not None)
    return f"of {said}" if said.startswith("at ") else said


def _lengths(bounds: Mapping[str, Any]) -> str:
    low, high = bounds.get("min_length"), bounds.get("max_length")
    return f": at least {low}" if low is not None else f": at most {high}"


def _number(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _about(here: list[Node]) -> str:
    """Quote the first sentence of the field's description: it holds the unit and the plausible range."""
    text = _first(here, "description")
    found = _FIRST_SENTENCE.match(text) if isinstance(text, str) else None
    return f" ({found[1]}.)" if found else ""


def _allowed(here: list[Node]) -> tuple[str, ...]:
    values = [value for node in here for value in node.get("enum", [node["const"]] if "const" in node else [])]
    words = [str(value).lower() if isinstance(value, bool) else str(value) for value in values if value is not None]
    if any(isinstance(value, bool) for value in values):
        kinds = {node.get("type") for node in here}
        words += [word for kind, word in _BESIDE_TRUTH.items() if kind in kinds]
    return tuple(words)[:_LISTED_NAMES]


def _first(nodes: list[Node], key: str) -> Any:  # noqa: ANN401  # a schema holds any JSON
    return next((node[key] for node in nodes if key in node), None)


def _parameter(error: ErrorDetails) -> _Place:
    name = str(error["loc"][-1])
    ctx = error.get("ctx") or {}
    here: list[Node] = [{"description": f"Expected {ctx['expected']}"}] if "expected" in ctx else []
    return _Place(step(name), name, here, [])


def _place(error: ErrorDetails, sent: object, root: Node) -> _Place:
    """Walk an error's path through body and schema at once, leaving out the steps that only name a union's branch."""
    pointer, name = "", ""
    around: list[Node] = []
    here = list(branches(root, root))
    for index, key in enumerate(error["loc"]):
        last = index == len(error["loc"]) - 1
        if not (_leads(sent, key) or (last and error["type"] == "missing")):
            continue
        sent = sent[key] if _leads(sent, key) else None  # type: ignore[index]  # `_leads` has looked
        around, here = here, [branch for node in here for branch in _below(node, key, root)]
        pointer, name = pointer + step(key), key if isinstance(key, str) else name
    return _Place(pointer, name, here, around)


def _leads(sent: object, key: str | int) -> bool:
    if isinstance(sent, dict):
        return key in sent
    return isinstance(sent, list) and isinstance(key, int) and -1 < key < len(sent)


def _below(node: Node, key: str | int, root: Node) -> Iterator[Node]:
    """Yield the schemas of one member of an object or one item of a list."""
    inner = node.get("items") if isinstance(key, int) else node.get("properties", {}).get(key)
    if inner is None and isinstance(key, str):
        inner = node.get("additionalProperties")
    if isinstance(inner, dict):
        yield from branches(inner, root)


@lru_cache(maxsize=256)
def _schema(adapter: TypeAdapter[Any]) -> Node:
    return adapter.json_schema(mode="validation")
