"""Hostile text for every text field of a record, found by the schema, so that none is forgotten."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from app.cohorts.records import PatientRecord

SCHEMA = PatientRecord.model_json_schema()
FORMULAS = (
    "=1+1",
    "+1+1",
    "-1+cmd|' /C calc'!A0",
    "@SUM(1+1)*9",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    "\uff1d1+1",
    '=HYPERLINK("http://evil.example";"x")',
)
SQL = (
    "'; DROP TABLE patients; --",
    "' OR '1'='1",
    '" OR ""="',
    "%' OR 1=1 --",
    "\\'; DELETE FROM cohorts; --",
    "$$; DROP TABLE cohorts; $$",
    "%s %(id)s :id ? $1 {0}",
)
MARKUP = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "'><a href='javascript:alert(1)'>x</a>",
    "]]><script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "<!--<iframe src=//evil.example>",
    "javascript:alert(1)",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "{{7*7}} {% raw %} ${7*7}",
)
PAYLOADS = (*FORMULAS, *SQL, *MARKUP)

Path = tuple[str | int, ...]
# What a unit is nothing without.
_MEASURED = ("value", "upper_limit")


def text_fields() -> list[Path]:
    """Return where free text may stand in a record; 0 is any place of a list, `free` any name of a map."""
    return sorted(set(_texts(SCHEMA, ())), key=str)


def records() -> Iterator[tuple[Path, str, dict[str, Any]]]:
    """Yield a record for every text field and every hostile text, each under an id of its own."""
    number = 0
    for path in text_fields():
        for payload in PAYLOADS:
            number += 1
            record = {"patient_id": f"P{number}"} | _with(path, payload)
            yield path, payload, record


def _texts(node: dict[str, Any], path: Path) -> Iterator[Path]:
    for branch in _branches(node):
        if "enum" in branch or "const" in branch:
            continue
        if branch.get("type") == "string":
            yield path
        for name, inner in branch.get("properties", {}).items():
            yield from _texts(inner, (*path, name))
        if isinstance(branch.get("items"), dict):
            yield from _texts(branch["items"], (*path, 0))
        if isinstance(branch.get("additionalProperties"), dict):
            yield from _texts(branch["additionalProperties"], (*path, "free"))


def _branches(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    if "$ref" in node:
        yield from _branches(SCHEMA["$defs"][node["$ref"].rsplit("/", 1)[1]])
    for inner in (*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ())):
        yield from _branches(inner)


def _with(path: Path, payload: str) -> dict[str, Any]:
    """Return a record with a text at a place, and what must stand beside it."""
    record: dict[str, Any] = {}
    _put(record, path, payload, SCHEMA)
    return copy.deepcopy(record)


def _put(into: Any, path: Path, payload: str, node: dict[str, Any]) -> None:
    step, rest = path[0], path[1:]
    inner = _below(node, step)
    value: Any = payload
    if rest:
        value = [] if rest[0] == 0 else _required(inner, rest[0])
        _put(value, rest, payload, inner)
    if isinstance(into, list):
        into.append(value)
    else:
        into[step] = value


def _below(node: dict[str, Any], step: str | int) -> dict[str, Any]:
    found: dict[str, Any]
    for branch in _branches(node):
        if step == 0 and isinstance(branch.get("items"), dict):
            found = branch["items"]
            return found
        if step in branch.get("properties", {}):
            found = branch["properties"][step]
            return found
        if step == "free" and isinstance(branch.get("additionalProperties"), dict):
            found = branch["additionalProperties"]
            return found
    raise AssertionError(f"no {step} there")


def _required(node: dict[str, Any], among: str | int) -> dict[str, Any]:
    """Return the members that the object which has a member must have."""
    for branch in _branches(node):
        if among in branch.get("properties", {}):
            needed = {*branch.get("required", ()), *(_MEASURED if "unit" in branch["properties"] else ())}
            return {name: _plain(branch["properties"][name]) for name in sorted(needed - {among})}
    return {}


def _plain(node: dict[str, Any]) -> Any:
    """Return a sound value."""
    kinds = {kind for branch in _branches(node) for kind in [branch.get("type")] if kind}
    for branch in _branches(node):
        if branch.get("enum"):
            return branch["enum"][0]
        if branch.get("examples"):
            return branch["examples"][0]
    return True if "boolean" in kinds else 1 if kinds & {"number", "integer"} else "rash"
