"""The search for the fewest inputs where criteria share them.

A route is one way for a node to come out met (or not met): a set of demands on inputs, each a side of a threshold or a
stated truth. Demands that cannot hold together cancel a route, so an input used in several places is treated rightly.
A route is dropped only when another asks no more of the inputs that are also used elsewhere, and needs no more inputs
that are not: so the answer is exact. What shares no input with the rest enters with its own fewest inputs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from app.clinical.pattern import MET, NOT_MET, Names, Pattern, Truth
from app.clinical.rulebook.model import Operator

_OPPOSITE: Final[dict[Operator, Operator]] = {">": "<=", ">=": "<", "<": ">=", "<=": ">"}
_LOWER: Final = {">", ">="}


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
    """Demands and the shared inputs they are about, each a set of bits; and further inputs that nothing else uses."""

    demands: int
    inputs: int
    further: Names

    @property
    def length(self) -> int:
        """Return how many inputs the route needs."""
        return self.inputs.bit_count() + len(self.further)


class Ways(NamedTuple):
    """The routes by which a node could come out met and not met, and how often its leaves use each input."""

    met: list[Route]
    not_met: list[Route]
    uses: Mapping[str, int]


_DONE: Final = Route(0, 0, ())
_NO_USES: Final[Mapping[str, int]] = {}


class Search:
    """One search: numbers inputs and demands as it meets them, and combines routes from the leaves up."""

    def __init__(self, uses: Mapping[str, int]) -> None:
        """Take how often each input is used in all."""
        self._uses = uses
        self._bits: dict[str, int] = {}
        self._demands: dict[tuple[str, Demand], int] = {}
        self._conflicts: dict[int, int] = {}

    def of_one(self, root: Pattern) -> tuple[Names | None, Names | None]:
        """Return the fewest inputs by which one combination could come out met, and not met; None: by none."""
        ways = self._ways_of_combination(root)
        return self._shortest(ways.met), self._shortest(ways.not_met)

    def of_several(self, roots: tuple[Pattern, ...]) -> Names:
        """Return the fewest inputs that could decide all these at once."""
        routes, uses = [_DONE], _NO_USES
        for root in roots:
            ways = self._ways(root)
            uses = _sum(uses, ways.uses)
            routes = self._reduce(self._join(routes, [*ways.met, *ways.not_met]), uses)
        return self._shortest(routes) or ()

    def _shortest(self, routes: list[Route]) -> Names | None:
        if not routes:
            return None
        best = min(routes, key=lambda r: r.length)
        chosen = {name for name, bit in self._bits.items() if best.inputs & bit} | set(best.further)
        return tuple(name for name in self._uses if name in chosen)

    def _ways(self, node: Pattern) -> Ways:
        if all(self._uses[name] == count for name, count in node.uses.items()):
            return Ways(_alone(node.met), _alone(node.not_met), node.uses)
        if not node.of:
            return Ways([self._demand(node, MET)], [self._demand(node, NOT_MET)], node.uses)
        return self._ways_of_combination(node)

    def _ways_of_combination(self, node: Pattern) -> Ways:
        parts = [self._ways(part) for part in node.of]
        match node.combine:
            case "not":
                return Ways(parts[0].not_met, parts[0].met, node.uses)
            case "if_met":
                return Ways(self._choose([(p.met, p.uses) for p in parts], len(parts)), [], node.uses)
            case "first_known":
                met = self._reduce((r for p in parts for r in p.met), node.uses)
                return Ways(met, self._reduce((r for p in parts for r in p.not_met), node.uses), node.uses)
        needed = {"all": len(parts), "any": 1}.get(node.combine or "", node.at_least)
        met = self._choose([(p.met, p.uses) for p in parts], needed)
        not_met = self._choose([(p.not_met, p.uses) for p in parts], len(parts) - needed + 1)
        return Ways(met, not_met, node.uses)

    def _choose(self, parts: list[tuple[list[Route], Mapping[str, int]]], k: int) -> list[Route]:
        """Take k of the parts, one route of each: `chosen[j]` are the routes that have taken j so far."""
        chosen: list[list[Route]] = [[_DONE], *([] for _ in range(k))]
        uses = _NO_USES
        for place, (routes, part_uses) in enumerate(parts):
            uses = _sum(uses, part_uses)
            if not routes:
                continue
            fewest_still_needed = k - (len(parts) - place)
            for j in range(k, max(fewest_still_needed, 0), -1):
                chosen[j] = self._reduce([*chosen[j], *self._join(chosen[j - 1], routes)], uses)
        return chosen[k]

    def _join(self, some: list[Route], others: list[Route]) -> list[Route]:
        joined = []
        for a in some:
            against = self._against(a.demands)
            joined += [
                Route(a.demands | b.demands, a.inputs | b.inputs, a.further + b.further)
                for b in others
                if not b.demands & against
            ]
        return joined

    def _against(self, demands: int) -> int:
        """Return the demands that cannot hold beside these."""
        against = 0
        for bit, conflict in self._conflicts.items():
            if demands & bit:
                against |= conflict
        return against

    def _reduce(self, routes: Iterable[Route], uses: Mapping[str, int]) -> list[Route]:
        """Drop each route that another one makes needless, seen from outside of the leaves that `uses` counts."""
        ordered = sorted(routes, key=lambda r: r.length)
        if len(ordered) <= 1:
            return ordered
        shared = sum(bit for name, bit in self._bits.items() if self._uses[name] > uses.get(name, 0))
        asked = sum(bit for (name, _), bit in self._demands.items() if self._bits[name] & shared)
        kept: list[tuple[int, int, Route]] = []
        for route in ordered:
            demands, private = route.demands & asked, (route.inputs & ~shared).bit_count() + len(route.further)
            if not any(d & demands == d and p <= private for d, p, _ in kept):
                kept.append((demands, private, route))
        return [route for _, _, route in kept]

    def _demand(self, leaf: Pattern, wanted: Truth) -> Route:
        if leaf.bound is None:
            demand = Demand(leaf.subject, wanted, None, 0, "")
        else:
            operator, bound, unit = leaf.bound
            demand = Demand(leaf.subject, wanted, operator if wanted == MET else _OPPOSITE[operator], bound, unit)
        demands = inputs = 0
        for name in leaf.uses:
            inputs |= self._bits.setdefault(name, 1 << len(self._bits))
            demands |= self._number(name, demand)
        return Route(demands, inputs, ())

    def _number(self, name: str, demand: Demand) -> int:
        if (name, demand) not in self._demands:
            bit = self._demands[name, demand] = 1 << len(self._demands)
            for (other_name, other), other_bit in self._demands.items():
                if other_name == name and demand.contradicts(other):
                    self._conflicts[bit] = self._conflicts.get(bit, 0) | other_bit
                    self._conflicts[other_bit] = self._conflicts.get(other_bit, 0) | bit
        return self._demands[name, demand]


def _alone(names: Names | None) -> list[Route]:
    """Return the one route of what shares nothing with the rest, or none."""
    return [] if names is None else [Route(0, 0, names)]


def _sum(some: Mapping[str, int], others: Mapping[str, int]) -> Mapping[str, int]:
    total = dict(some)
    for name, count in others.items():
        total[name] = total.get(name, 0) + count
    return total
