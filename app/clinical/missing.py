"""Which inputs would decide what is unknown: the fewest that could, and all that surely do.

`fewest` is the smallest set of absent inputs for which some values would decide ("ask these first"); every unknown
combination carries it as its `missing`. `in_full` lists inputs that decide whatever their values turn out to be. Both
are explained in docs/decisions/0003-fewest-missing-inputs.md.

Where the parts of a combination depend on different inputs, the fewest of the whole follow from the fewest of the
parts. Where they share inputs, routes are searched (`app.clinical.routes`). Both depend on which criteria are known
and not on any value, and are remembered by that pattern.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from app.clinical.pattern import UNKNOWN, Names, Pattern, combined
from app.clinical.routes import Search

if TYPE_CHECKING:
    from app.clinical.evidence import Finding

_KEPT_PATTERNS: Final = 4096
_NOTHING: Final[Names] = ()


def fewest(*findings: Finding) -> Names:
    """Return the fewest inputs that could decide all these Findings at once.

    () when all are decided, or when one of them rests on an example that is not met and proves nothing.
    """
    return _fewest_of_all(_unknown(findings))


def in_full(*findings: Finding) -> Names:
    """Return inputs that decide these Findings whatever their values are; () when all are decided."""
    return _in_full_of_all(_unknown(findings))


def _unknown(findings: Iterable[Finding]) -> tuple[Pattern, ...]:
    return tuple([f.pattern for f in findings if f.status == UNKNOWN])


def work_out(pattern: Pattern) -> None:
    """Write the fewest inputs by which an unknown combination, whose parts are worked out, could be decided."""
    if _is_disjoint(pattern.of, pattern):
        pattern.met, pattern.not_met = _from_parts(pattern)
    else:
        pattern.met, pattern.not_met = Search(pattern.uses).of_one(pattern)
    pattern.missing = min(_possible(pattern.met, pattern.not_met), key=len, default=_NOTHING)


@lru_cache(maxsize=_KEPT_PATTERNS)
def _fewest_of_all(patterns: tuple[Pattern, ...]) -> Names:
    if not all(p.missing for p in patterns):
        return _NOTHING
    whole = combined("all", 0, patterns)
    if _is_disjoint(patterns, whole):
        return tuple(name for p in patterns for name in p.missing)
    return Search(whole.uses).of_several(patterns)


def _is_disjoint(parts: tuple[Pattern, ...], whole: Pattern) -> bool:
    return sum(len(p.uses) for p in parts) == len(whole.uses)


def _from_parts(node: Pattern) -> tuple[Names | None, Names | None]:
    match node.combine:
        case "not":
            return node.of[0].not_met, node.of[0].met
        case "if_met":
            return _pick(node, (p.met for p in node.of), len(node.of)), None
        case "first_known":
            return _pick(node, (p.met for p in node.of), 1), _pick(node, (p.not_met for p in node.of), 1)
    needed = {"all": len(node.of), "any": 1}.get(node.combine or "", node.at_least)
    met, not_met = (p.met for p in node.of), (p.not_met for p in node.of)
    return _pick(node, met, needed), _pick(node, not_met, len(node.of) - needed + 1)


def _pick(node: Pattern, parts: Iterable[Names | None], count: int) -> Names | None:
    """Take the cheapest so many parts; None where there are not so many to be had."""
    possible = sorted(_possible(*parts), key=len)
    if len(possible) < count:
        return None
    chosen = {name for names in possible[:count] for name in names}
    return tuple(name for name in node.uses if name in chosen)


def _possible(*names: Names | None) -> list[Names]:
    return [n for n in names if n is not None]


@lru_cache(maxsize=_KEPT_PATTERNS)
def _in_full_of_all(patterns: tuple[Pattern, ...]) -> Names:
    return tuple(dict.fromkeys(i for p in patterns for i in _every_input(p)))


def _every_input(pattern: Pattern) -> Iterator[str]:
    if not pattern.of:
        yield from pattern.uses
        return
    parts = pattern.of
    if pattern.combine == "first_known":
        # The alternatives need not all be known: of those that surely decide, the one with the fewest inputs will do.
        sure = [p for p in parts if p.combine != "if_met"] or parts
        parts = (min(sure, key=lambda p: len(set(_every_input(p)))),)
    for part in parts:
        yield from _every_input(part)
