"""Small helpers to write Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

GENERATED = "<!-- Written by `make safety` from app/safety/data and the rule files. Do not edit. -->\n"


def cell(text: object) -> str:
    """Return a text that fits into a cell of a table."""
    return "" if text is None else str(text).replace("|", "\\|").replace("\n", " ")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table."""
    lines = [_row(head), _row(["---"] * len(head)), *(_row([cell(c) for c in row]) for row in rows)]
    return "\n".join(lines) + "\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def items(texts: Iterable[str]) -> str:
    """Write a list."""
    return "".join(f"- {text}\n" for text in texts)


def code(ids: Iterable[str]) -> str:
    """Write test ids as a list, in the type of code; those with a backtick keep it apart."""
    return "".join(f"  - `{one}`\n" for one in ids)


def page(*parts: str) -> str:
    """Put a page together, parts divided by empty lines."""
    return GENERATED + "\n" + "\n".join(part.rstrip("\n") + "\n" for part in parts if part)
