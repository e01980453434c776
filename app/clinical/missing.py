"""Which inputs would decide what is unknown: the fewest that could, and all that surely do.

`fewest` is the smallest set of absent inputs for which some values would decide ("ask these first"); every unknown
combination carries it as its `missing`. `in_full` lists inputs that decide whatever their values turn out to be. Both
are explained in docs/decisions/0003-fewest-missing-inputs.md.

The search keeps, for each unknown node, the routes by which it could come out met and those by which it could come
out not met. A route is a set of demands on inputs (a side of a threshold, a stated truth); demands that cannot hold
together cancel it, so inputs shared between branches are treated rightly. A route is dropped only when another asks no
more of the inputs that are also used elsewhere and no more inputs in number, so the answer is exact. Routes depend on
which criteria are known and not on any value, and are remembered by that pattern.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from app.clinical.pattern import MET, NOT_MET, UNKNOWN, Pattern, Truth
from app.clinical.rulebook.model import Operator

if TYPE_CHECKING:
    from app.clinical.evidence import Finding

_KEPT_PATTERNS: Final = 4096
_OPPOSITE: Final[dict[Operator, Operator]] = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}
_LOWER: Final = {">", ">="}


def fewest(*findings: Finding) -> tuple[str, ...]:
    """Return the fewest inputs that could decide all these Findings at once; () when all are decided."""
    return fewest_of(_patterns(findings))


def in_full(*findings: Finding) -> tuple[str, ...]:
    """Return inputs that decide these Findings whatever their values are; () when all are decided."""
    return in_full_of(_patterns(findings))


def _patterns(findings: Iterable[Finding]) -> tuple[Pattern, ...]:
    return tuple([f.pattern for f in findings if f.status == UNKNOWN])


@lru_cache(maxsize=_KEPT_PATTERNS)
def fewest_of(patterns: tuple[Pattern, ...]) -> tuple[str, ...]:
    """Return the fewest inputs that could decide all these patterns at once, in the order they are named."""
    return _Search(patterns).fewest()


@lru_cache(maxsize=_KEPT_PATTERNS)
def in_full_of(patterns: tuple[Pattern, ...]) -> tuple[str, ...]:
    """Return inputs that decide these patterns whatever their values are, in the order they are named."""
    return tuple(dict.fromkeys(i for p in patterns for i in _every_input(p)))


def _every_input(pattern: Pattern) -> Iterator[str]:
    if pattern.combine == "first_known":
        # The alternatives need not all be known: of those that surely decide, the one with the fewest inputs will do.
        sure = [p for p in pattern.of if p.combine != "if_met"] or pattern.of
        yield from min((tuple(_every_input(p)) for p in sure), key=len)
        return
    yield from pattern.inputs
    for part in pattern.of:
        yield from _every_input(part)


class Demand(NamedTuple):
    """What a route asks: that a subject come out so, or that an input lie on one side of a bound."""

    subject: str
    wanted: Truth
    operator: Operator | None
    bound: float
    unit: str

    def contradicts(self, other: Demand) -> bool:
        """Say whether no value of the input can satisfy both demands."""
        if self.operator is None or other.operator is None:
            return self.subject == other.subject and self.wanted != other.wanted
        if self.unit != other.unit or (self.operator in _LOWER) == (other.operator in _LOWER):
            return False
        low, high = (self, other) if self.operator in _LOWER else (other, self)
        return low.bound > high.bound or (low.bound == high.bound and (low.operator, high.operator) != (">=", "<="))


class Route(NamedTuple):
    """Demands and the inputs they need, each a set of bits."""

    demands: int
    inputs: int


class Ways(NamedTuple):
    """The routes by which a node could come out met and not met, and how often its leaves use each input."""

    met: list[Route]
    not_met: list[Route]
    uses: Counter[str]


_DONE: Final = Route(0, 0)


class _Search:
    """One search: numbers the inputs and demands of its patterns and combines their routes from the leaves up."""

    def __init__(self, patterns: tuple[Pattern, ...]) -> None:
        self._patterns = patterns
        self._uses = Counter(_uses(patterns))
        self._input_bits = {name: 1 << i for i, name in enumerate(self._uses)}
        self._demands: dict[tuple[str, Demand], int] = {}
        self._demands_on = dict.fromkeys(self._input_bits, 0)
        self._conflicts: dict[int, int] = {}

    def fewest(self) -> tuple[str, ...]:
        routes, uses = [_DONE], Counter[str]()
        for pattern in self._patterns:
            ways = self._ways(pattern)
            uses += ways.uses
            routes = _reduce(self._join(routes, [*ways.met, *ways.not_met]), self._private(uses))
        best = min(routes, key=lambda r: r.inputs.bit_count(), default=_DONE)
        return tuple(name for name, bit in self._input_bits.items() if best.inputs & bit)

    def _ways(self, node: Pattern) -> Ways:
        if node.status == MET:
            return Ways([_DONE], [], Counter())
        if node.status == NOT_MET:
            return Ways([], [_DONE], Counter())
        if not node.of:
            return Ways([self._demand(node, MET)], [self._demand(node, NOT_MET)], Counter(node.inputs))
        return self._ways_of_combination(node, [self._ways(part) for part in node.of])

    def _ways_of_combination(self, node: Pattern, parts: list[Ways]) -> Ways:
        uses = sum((p.uses for p in parts), Counter[str]())
        match node.combine:
            case "not":
                return Ways(parts[0].not_met, parts[0].met, uses)
            case "if_met":
                return Ways(parts[0].met, [], uses)
            case "first_known":
                private = self._private(uses)
                met = _reduce([r for p in parts for r in p.met], private)
                return Ways(met, _reduce([r for p in parts for r in p.not_met], private), uses)
        needed = {"all": len(parts), "any": 1}.get(node.combine or "", node.at_least)
        met = self._choose([(p.met, p.uses) for p in parts], needed)
        not_met = self._choose([(p.not_met, p.uses) for p in parts], len(parts) - needed + 1)
        return Ways(met, not_met, uses)

    def _choose(self, parts: list[tuple[list[Route], Counter[str]]], k: int) -> list[Route]:
        """Take k of the parts, one route of each: `chosen[j]` are the routes that have taken j so far."""
        chosen: list[list[Route]] = [[_DONE], *([] for _ in range(k))]
        uses = Counter[str]()
        for routes, part_uses in parts:
            uses += part_uses
            private = self._private(uses)
            for j in range(k, 0, -1):
                if joined := self._join(chosen[j - 1], routes):
                    chosen[j] = _reduce([*chosen[j], *joined], private)
        return chosen[k]

    def _join(self, some: list[Route], others: list[Route]) -> list[Route]:
        conflicts = self._conflicts
        joined = []
        for a in some:
            against = 0
            for bit, conflict in conflicts.items():
                if a.demands & bit:
                    against |= conflict
            joined += [Route(a.demands | b.demands, a.inputs | b.inputs) for b in others if not b.demands & against]
        return joined

    def _private(self, uses: Counter[str]) -> Route:
        """Return the inputs that no leaf outside of those that `uses` counts asks for, and the demands on them."""
        demands = inputs = 0
        for name, count in uses.items():
            if count == self._uses[name]:
                inputs |= self._input_bits[name]
                demands |= self._demands_on[name]
        return Route(demands, inputs)

    def _demand(self, leaf: Pattern, wanted: Truth) -> Route:
        if leaf.bound is None:
            demand = Demand(leaf.subject, wanted, None, 0, "")
        else:
            operator, bound, unit = leaf.bound
            demand = Demand(leaf.subject, wanted, operator if wanted == MET else _OPPOSITE[operator], bound, unit)
        bits = inputs = 0
        for name in leaf.inputs:
            bits |= self._number(name, demand)
            inputs |= self._input_bits[name]
        return Route(bits, inputs)

    def _number(self, name: str, demand: Demand) -> int:
        if (name, demand) not in self._demands:
            bit = self._demands[name, demand] = 1 << len(self._demands)
            self._demands_on[name] |= bit
            for (other_name, other), other_bit in self._demands.items():
                if other_name == name and demand.contradicts(other):
                    self._conflicts[bit] = self._conflicts.get(bit, 0) | other_bit
                    self._conflicts[other_bit] = self._conflicts.get(other_bit, 0) | bit
        return self._demands[name, demand]


def _reduce(routes: list[Route], private: Route) -> list[Route]:
    """Drop each route that another one makes needless, seen from outside of what is private to them."""
    kept: list[tuple[int, int, Route]] = []
    for route in sorted(routes, key=lambda r: r.inputs.bit_count()):
        demands, own = route.demands & ~private.demands, (route.inputs & private.inputs).bit_count()
        if not any(d & demands == d and o <= own for d, o, _ in kept):
            kept.append((demands, own, route))
    return [route for _, _, route in kept]


def _uses(patterns: Iterable[Pattern]) -> Iterator[str]:
    for pattern in patterns:
        yield from pattern.inputs
        yield from _uses(pattern.of)
