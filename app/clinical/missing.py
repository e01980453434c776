"""Which inputs would decide what is unknown: the fewest that could, and all that surely do.

`fill` writes into every unknown Finding of a tree the smallest set of absent inputs for which some values would decide
it ("ask these first"). `in_full` lists the inputs that decide whatever their values turn out to be. Both are explained
in docs/decisions/0003-fewest-missing-inputs.md.

The search walks the tree once and keeps, for each unknown node, the routes by which it could come out met and those by
which it could come out not met. A route is a set of demands on inputs; demands that cannot hold together (a fever both
above and below one bound) cancel it, so inputs shared between branches are treated rightly. Routes depend only on
which criteria are known, not on any value, so the result is remembered by that pattern.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import combinations
from typing import Final, NamedTuple

from app.clinical.evidence import MET, NOT_MET, UNKNOWN, Combine, Finding, ThresholdRef, Truth

# More routes than this are never kept for one node; the shortest are, so what is dropped is longer than what is shown.
_KEPT_ROUTES: Final = 64
_KEPT_PATTERNS: Final = 4096


class Demand(NamedTuple):
    """What a route asks of one input: a side of a threshold, a stated value, or one leaf coming out so."""

    subject: str
    wanted: Truth
    operator: str | None
    value: float
    unit: str


class Pattern(NamedTuple):
    """A Finding without its values: all that the search needs, and nothing of a patient."""

    id: str
    status: Truth
    inputs: tuple[str, ...]
    threshold: ThresholdRef | None
    combine: Combine | None
    at_least: int | None
    of: tuple[Pattern, ...]


Route = frozenset[tuple[str, Demand]]
Routes = tuple[Route, ...]


class Ways(NamedTuple):
    """The routes by which a node could come out met, and those by which it could come out not met."""

    met: Routes
    not_met: Routes


_DONE: Final[Routes] = (frozenset(),)
_NEVER: Final[Routes] = ()


def fill(root: Finding) -> Finding:
    """Write `missing` into every unknown combination of the tree, and return the tree."""
    if any(True for _ in _unknown_combinations(root)):
        for finding, missing in zip(_unknown_combinations(root), _missing_by_node(_pattern(root)), strict=True):
            finding.missing = missing
    return root


def fewest(*findings: Finding) -> tuple[str, ...]:
    """Return the fewest inputs that could decide all these Findings at once; () when all are decided."""
    return _fewest_for_all(tuple(_pattern(f) for f in findings if f.status == UNKNOWN))


def in_full(*findings: Finding) -> tuple[str, ...]:
    """Return the inputs that decide these Findings whatever their values are; () when all are decided."""
    return tuple(dict.fromkeys(i for f in findings for i in _every_input(f)))


def _every_input(finding: Finding) -> Iterator[str]:
    if finding.status != UNKNOWN:
        return
    if not finding.of:
        yield from finding.missing
    elif finding.combine == "first_known":
        # The alternatives need not all be known: the one with the fewest inputs will do.
        yield from min((tuple(_every_input(f)) for f in finding.of), key=len)
    else:
        for part in finding.of:
            yield from _every_input(part)


def _pattern(finding: Finding) -> Pattern:
    known = finding.status != UNKNOWN
    return Pattern(
        finding.id,
        finding.status,
        () if known or finding.of else finding.missing,
        None if known else finding.threshold,
        finding.combine,
        finding.at_least,
        tuple(_pattern(f) for f in finding.of),
    )


def _unknown_combinations(finding: Finding) -> Iterator[Finding]:
    if finding.of:
        if finding.status == UNKNOWN:
            yield finding
        for part in finding.of:
            yield from _unknown_combinations(part)


def _unknown_patterns(pattern: Pattern) -> Iterator[Pattern]:
    if pattern.of:
        if pattern.status == UNKNOWN:
            yield pattern
        for part in pattern.of:
            yield from _unknown_patterns(part)


@lru_cache(maxsize=_KEPT_PATTERNS)
def _missing_by_node(root: Pattern) -> tuple[tuple[str, ...], ...]:
    return tuple(_fewest_for_all((p,)) for p in _unknown_patterns(root))


@lru_cache(maxsize=_KEPT_PATTERNS)
def _fewest_for_all(patterns: tuple[Pattern, ...]) -> tuple[str, ...]:
    routes = _together(_either(_ways(p)) for p in patterns)
    best = min(routes, key=_length, default=frozenset[tuple[str, Demand]]())
    chosen = {name for name, _ in best}
    return tuple(dict.fromkeys(n for p in patterns for n in _names(p) if n in chosen))


def _names(pattern: Pattern) -> Iterator[str]:
    yield from pattern.inputs
    for part in pattern.of:
        yield from _names(part)


def _either(ways: Ways) -> Routes:
    return _shortest((*ways.met, *ways.not_met))


@lru_cache(maxsize=_KEPT_PATTERNS)
def _ways(node: Pattern) -> Ways:
    if node.status == MET:
        return Ways(_DONE, _NEVER)
    if node.status == NOT_MET:
        return Ways(_NEVER, _DONE)
    if not node.of:
        return Ways((_demand(node, MET),), (_demand(node, NOT_MET),))
    return _ways_of_combination(node, [_ways(part) for part in node.of])


def _ways_of_combination(node: Pattern, parts: list[Ways]) -> Ways:
    match node.combine:
        case "not":
            return Ways(parts[0].not_met, parts[0].met)
        case "first_known":
            open_parts = [w for p, w in zip(node.of, parts, strict=True) if p.status == UNKNOWN]
            return Ways(
                _shortest(r for w in open_parts for r in w.met), _shortest(r for w in open_parts for r in w.not_met)
            )
        case "all":
            return _count_ways(parts, len(parts))
        case "any":
            return _count_ways(parts, 1)
        case _:
            return _count_ways(parts, node.at_least or 0)


def _count_ways(parts: list[Ways], k: int) -> Ways:
    """K of n are met; or n - k + 1 are not met, and k can no longer be reached."""
    return Ways(
        _choose([w.met for w in parts], k),
        _choose([w.not_met for w in parts], len(parts) - k + 1),
    )


def _choose(parts: list[Routes], k: int) -> Routes:
    done = sum(1 for r in parts if r == _DONE)
    open_parts = [r for r in parts if r not in (_DONE, _NEVER)]
    if done >= k:
        return _DONE
    return _shortest(route for some in combinations(open_parts, k - done) for route in _together(some))


def _together(parts: Iterable[Routes]) -> Routes:
    """Return the routes that take one of each part and whose demands can all hold."""
    joined: Routes = _DONE
    for routes in parts:
        joined = _shortest(merged for a in joined for b in routes if _can_hold(merged := a | b))
    return joined


def _can_hold(route: Route) -> bool:
    by_input: dict[str, list[Demand]] = {}
    for name, demand in route:
        by_input.setdefault(name, []).append(demand)
    return all(len(demands) == 1 or _compatible(demands) for demands in by_input.values())


def _compatible(demands: list[Demand]) -> bool:
    """Say whether some value of the input fits all demands: one truth per subject, no empty interval."""
    wanted: dict[str, Truth] = {}
    for demand in demands:
        if wanted.setdefault(demand.subject, demand.wanted) != demand.wanted:
            return False
    lows = [d for d in demands if d.operator in {">", ">="}]
    highs = [d for d in demands if d.operator in {"<", "<="}]
    return all(_overlap(low, high) for low in lows for high in highs if low.unit == high.unit)


def _overlap(low: Demand, high: Demand) -> bool:
    both_inclusive = (low.operator, high.operator) == (">=", "<=")
    return low.value < high.value or (both_inclusive and low.value == high.value)


_OPPOSITE: Final = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}


def _demand(leaf: Pattern, wanted: Truth) -> Route:
    if leaf.threshold is None or len(leaf.inputs) != 1:
        # A stated input has one truth wherever it is asked; anything else can only agree with itself.
        subject = leaf.inputs[0] if len(leaf.inputs) == 1 else leaf.id
        return frozenset((name, Demand(subject, wanted, None, 0.0, "")) for name in leaf.inputs)
    operator = leaf.threshold.operator if wanted == MET else _OPPOSITE[leaf.threshold.operator]
    demand = Demand(leaf.id, wanted, operator, leaf.threshold.value, leaf.threshold.unit)
    return frozenset({(leaf.inputs[0], demand)})


def _length(route: Route) -> int:
    return len({name for name, _ in route})


def _shortest(routes: Iterable[Route]) -> Routes:
    return tuple(sorted(dict.fromkeys(routes), key=_length)[:_KEPT_ROUTES])
