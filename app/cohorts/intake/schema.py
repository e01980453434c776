"""JSON schemas as they are walked to name columns and to explain refusals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Node = Mapping[str, Any]


def branches(node: Node, root: Node) -> Iterator[Node]:
    """Yield a schema with its references followed and its alternatives laid side by side."""
    yield node
    if "$ref" in node:
        yield from branches(root["$defs"][node["$ref"].rsplit("/", 1)[1]], root)
    for inner in (*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ())):
        yield from branches(inner, root)
