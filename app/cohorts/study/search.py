"""A seeded search for whole numbers that meet goals: threshold accepting (Dueck and Scheuer 1990).

Annealing without its exponential: a change is taken when it makes things worse by less than a threshold that sinks to
nothing. Only additions, multiplications and square roots are computed, which every machine rounds alike, and all
chance comes from `Random.random`, whose sequence Python guarantees: so the same seed finds the same numbers anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol, TypeVar

Item = TypeVar("Item")
Found = TypeVar("Found")
START: Final = 0.3  # the first threshold: a miss of this much may be taken on
REACH: Final = 0.08  # of the domain: how far a number may jump at first
ROUNDS: Final = 12_000
SEEDS: Final = 40
MICRO: Final = 1_000_000  # misses are summed as whole millionths, so that no order of addition matters


class Goal(Protocol):
    """What the numbers should satisfy: 0 when met, else how far off, about 1 for a miss that is seen in print."""

    @property
    def where(self) -> tuple[int, ...]:
        """Positions of the numbers that the goal looks at."""

    def miss(self, values: Sequence[int]) -> float:
        """Return how far off the goal is."""


@dataclass(frozen=True, slots=True)
class Domain:
    """What a number may be: every `step`-th from `low` to `high`."""

    low: int
    high: int
    step: int = 1

    def near(self, value: int, reach: int, rng: Random) -> int:
        """Return another allowed number not further than `reach` steps away."""
        moved = value + self.step * (draw(rng, 2 * reach + 1) - reach)
        return min(self.high, max(self.low, moved))

    def nearest(self, value: float) -> int:
        """Return the allowed number nearest to any number."""
        steps = int((value - self.low) / self.step + 0.5)
        return min(self.high, max(self.low, self.low + self.step * steps))


class NotFoundError(RuntimeError):
    """The search ended with goals unmet; its text names them."""


def draw(rng: Random, count: int) -> int:
    """Return a number from 0 to count - 1, from `Random.random` alone."""
    return int(rng.random() * count)


def shuffled(items: Sequence[Item], rng: Random) -> list[Item]:
    """Return the items in another order (Fisher and Yates), from `Random.random` alone."""
    rest = list(items)
    return [rest.pop(draw(rng, len(rest))) for _ in items]


def seeded(name: str, once: Callable[[Random], Found]) -> Found:
    """Return what one of the seeds `name 0`, `name 1` ... finds first; raises NotFoundError when none does."""
    for attempt in range(SEEDS):
        with suppress(NotFoundError):
            return once(Random(f"{name} {attempt}"))  # noqa: S311  # chance for an invented cohort, not for a secret
    raise NotFoundError(f"{name}: none of {SEEDS} seeds")


def search(values: list[int], domains: Sequence[Domain], goals: Sequence[Goal], rng: Random) -> list[int]:
    """Change `values` in place until every goal is met; raises NotFoundError with the goals that are left."""
    if _accepting(_Board(values, goals), domains, rng):
        return values
    left = [goal for goal in goals if goal.miss(values) > 0]
    raise NotFoundError(f"not met: {left}")


def _accepting(board: _Board, domains: Sequence[Domain], rng: Random) -> bool:
    movable = [place for place, domain in enumerate(domains) if domain.high > domain.low]
    for turn in range(ROUNDS if movable else 0):
        if board.total == 0:
            return True
        left = 1 - turn / ROUNDS
        place = movable[draw(rng, len(movable))]
        domain = domains[place]
        reach = 1 + int(REACH * left * rng.random() * (domain.high - domain.low) / domain.step)
        board.put(place, domain.near(board.values[place], reach, rng), START * left * left)
    return board.total == 0


class _Board:
    """The numbers, and how far off each goal is; a change looks again only at the goals that it touches."""

    def __init__(self, values: list[int], goals: Sequence[Goal]) -> None:
        self.values = values
        self._goals = goals
        self._misses = [self._miss(number) for number in range(len(goals))]
        self._touching: list[list[int]] = [[] for _ in values]
        for number, goal in enumerate(goals):
            for place in goal.where:
                self._touching[place].append(number)
        self.total = sum(self._misses)

    def put(self, place: int, value: int, threshold: float) -> None:
        """Change one number, unless that makes things worse by more than the threshold."""
        before = self.values[place]
        self.values[place] = value
        found = [(number, self._miss(number)) for number in self._touching[place]]
        worse = sum(miss - self._misses[number] for number, miss in found)
        if worse > threshold * MICRO:
            self.values[place] = before
            return
        for number, miss in found:
            self._misses[number] = miss
        self.total += worse

    def _miss(self, number: int) -> int:
        return int(self._goals[number].miss(self.values) * MICRO)
