"""The document that the application makes of itself, and the examples in it."""

from __future__ import annotations

from typing import Any, Final

from app.main import create_app
from app.settings import load_settings

DOCUMENT: Final[dict[str, Any]] = create_app(load_settings({})).openapi()


def resolved(node: Any) -> Any:
    """Follow references within the document."""
    while isinstance(node, dict) and "$ref" in node:
        found: Any = DOCUMENT
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        node = found
    return node


def examples(node: dict[str, Any]) -> list[Any]:
    """Collect the examples of a parameter or a media type: its own, or else its schema's."""
    if "example" in node:
        return [node["example"]]
    if "examples" in node:
        return [resolved(example)["value"] for example in node["examples"].values()]
    return list(resolved(node.get("schema", {})).get("examples", ()))
