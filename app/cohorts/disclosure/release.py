"""What may be shown of a cohort under a disclosure policy: of each variable, the one partition that all rests on.

Depends on the cohort and the policy alone, so that every section, grouping, subset and format agrees.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import numpy as np

from app.cohorts.analysis.answers import By
from app.cohorts.analysis.columns import Counts, Integers, places
from app.cohorts.disclosure import levels
from app.cohorts.disclosure.curve import Cut, curve_levels, days_cut
from app.cohorts.disclosure.levels import FAMILY, Strata
from app.statistics.disclosure import Axis, Flags, Partition, finest, levels_are_safe
from app.statistics.disclosure_policy import Disclosure, Policy

Shown = Literal["nothing", "part", "whole"]
RANK: Final[tuple[Shown, ...]] = ("nothing", "part", "whole")
# The order in which patients are divided: what stands first is shown first. The study's own axes lead.
ORDER: Final[tuple[By, ...]] = (
    "treatment",
    "treatment_corticosteroids",
    "cv_shock",
    "sex",
    "kd_like",
    "corticosteroids",
    "phenotype",
)
_MADE_OF_OTHERS: Final = frozenset({"treatment_corticosteroids", "phenotype"})
"""Crossed with what they are made of, these leave groups empty, which a policy that withholds 0 does not allow."""
_NOTHING: Final = None
# On average a step of a curve holds so many times the numbers that would be too small.
_TIMES_THRESHOLD: Final = 3


class Release:
    """What one policy releases of one cohort. Groups are given as flags over all strata there are.

    A stratum without anybody is in the partition like any other, as a count of 0: a 0 that a selection told by itself
    would tell that all the others are not 0.
    """

    def __init__(self, counts: Counts, policy: Policy) -> None:
        self.policy = policy
        self._cells = np.ones(counts.n.size, bool) if policy.zero_shown else _occurring(counts)
        self._strata = Strata(counts, self._cells)
        order = [name for name in ORDER if policy.zero_shown or name not in _MADE_OF_OTHERS]
        self._axes = [Axis.of(places(name)[self._cells]) for name in order]
        self._made: dict[tuple[str, Shown], Partition | None] = {}
        self._sizes: dict[bytes, tuple[bool, bool]] = {}
        self._wholes: dict[tuple[object, ...], bool] = {}
        self._cuts: tuple[Cut, Partition | None] | None = None
        whole = [(axis, 0) for axis in range(len(self._axes))]
        self.heads = self._finest(self._safe(np.array([self._strata.n])), whole, None)
        self._filled = self._in_filled_blocks()

    @property
    def _limit(self) -> list[tuple[int, int]]:
        """No variable is divided more finely than the patients are."""
        return [] if self.heads is None else list(self.heads.steps)

    def _safe(self, table: Integers, within: Flags | None = None) -> Callable[[Integers], bool]:
        """Return the test of blocks. Where a 0 is shown, strata without anybody cannot fail it and are left out."""
        counted = self._strata.n > 0 if self.policy.zero_shown else np.ones(self._strata.n.size, bool)
        here = counted if within is None else counted & within
        table = table[:, here]
        return lambda blocks: levels_are_safe(table, blocks[here], self.policy)

    def _finest(
        self, allowed: Callable[[Integers], bool], limit: list[tuple[int, int]], start: Partition | None
    ) -> Partition | None:
        whole = start or Partition.whole(self._strata.n.size)
        if not allowed(whole.blocks):
            return _NOTHING
        return finest(self._axes, whole, limit, self.policy, allowed)

    def _with_anakinra(self) -> Partition | None:
        """Return the first division that tells those with anakinra from all others by the names of its groups."""
        for axis, last in self._limit[:1]:
            found = Partition(self._axes[axis].pooled(last), ((axis, last),))
            if found.composes(self._strata.with_anakinra):
                return found
        return _NOTHING

    def _in_filled_blocks(self) -> Flags:
        """Return the strata of blocks that are not told to be empty. Of the others every count is told: 0."""
        if self.heads is None:
            return np.ones(self._strata.n.size, bool)
        return np.bincount(self.heads.blocks, weights=self._strata.n)[self.heads.blocks] > 0

    def sized(self, chosen: Flags) -> bool:
        """Say whether it may be told how many patients chosen strata hold."""
        return self._size(chosen)[0]

    def _size(self, chosen: Flags) -> tuple[bool, bool]:
        """Say whether the size of chosen strata is told, and whether it is told that there is nobody."""
        key = chosen.tobytes()
        if key not in self._sizes:
            here = chosen[self._cells]
            sized = self._is_whole(self.heads, here) if here.any() else self.policy.zero_shown
            self._sizes[key] = sized, sized and not here[self._filled].any()
        return self._sizes[key]

    def _is_whole(self, found: Partition | None, here: Flags, within: Flags | None = None) -> bool:
        """Say whether strata are whole blocks, told empty ones aside, among those to whom something applies."""
        if found is None:
            return False
        inside = self._filled if within is None else self._filled & within
        # The steps say what the blocks are.
        key = found.steps, here.tobytes(), inside.tobytes()
        if key not in self._wholes:
            self._wholes[key] = Partition(found.blocks[inside]).composes(here[inside])
        return self._wholes[key]

    def shown(self, name: str, chosen: Flags) -> Shown:
        """Say how much of a variable may be shown of chosen strata."""
        if self._size(chosen)[1]:
            return "whole"
        here, within = chosen[self._cells], self._strata.within(name)
        made = (much for much in reversed(RANK[1:]) if self._is_whole(self._partition(name, much), here, within))
        return next(made, "nothing") if here.any() else "nothing"

    def _partition(self, name: str, much: Shown) -> Partition | None:
        key = FAMILY.get(name, name), much
        if key not in self._made:
            self._made[key] = self._whole(key[0]) if much == "whole" else self._part(key[0])
        return self._made[key]

    def _whole(self, name: str) -> Partition | None:
        table, limit = levels.whole(self._strata, name), self._limit
        if name.endswith(levels.GRADE):
            event = self._partition(name.removesuffix(levels.GRADE), "whole")
            limit = [] if event is None else list(event.steps)
            if event is None:
                return _NOTHING
        return self._of(name, table, limit, None)

    def _part(self, name: str) -> Partition | None:
        table, whole = levels.part(self._strata, name), self._partition(name, "whole")
        # What is shown whole is shown in part too: the partition is divided further, never another way.
        return _NOTHING if table is None else self._of(name, table, self._limit, whole)

    def _of(
        self, name: str, table: Integers, limit: list[tuple[int, int]], start: Partition | None
    ) -> Partition | None:
        within = self._strata.within(name)
        if within.all():
            found = self._finest(self._safe(table), limit, start)
        else:
            start = start or self._with_anakinra()
            found = None if start is None else self._finest(self._safe(table, within), limit, start)
        # What follows from the names of the groups is told as finely as the groups are, or not at all.
        names_tell = name in levels.NAMED and (found is None or found.steps != tuple(self._limit))
        return _NOTHING if names_tell else found

    def fever(self, chosen: Flags) -> Shown:
        """Say how much may be told of the outcomes of fever: `part` leaves out why patients are not on the curve."""
        if self._size(chosen)[1]:
            return "whole"
        made = (much for much in reversed(RANK[1:]) if self._is_whole(self._outcomes(much), chosen[self._cells]))
        return next(made, "nothing")

    def _outcomes(self, much: Shown) -> Partition | None:
        key = levels.FEVER, much
        if key not in self._made:
            whole, part = levels.fever(self._strata)
            self._made[levels.FEVER, "whole"] = start = self._finest(self._safe(whole), self._limit, None)
            self._made[levels.FEVER, "part"] = self._finest(self._safe(part), self._limit, start)
        return self._made[key]

    def days(self, chosen: Flags) -> Cut:
        """Return the ends of the curve's steps in days, none where no step may be shown of chosen strata."""
        if self._cuts is None:
            self._cuts = self._chosen_cut()
        cut, found = self._cuts
        told = self._is_whole(found, chosen[self._cells]) and self.fever(chosen) != "nothing"
        return cut if chosen.any() and told else ()

    def _chosen_cut(self) -> tuple[Cut, Partition | None]:
        """Return the steps of time, and the groups that they may be shown of.

        How many steps there are follows from numbers that are shown anyway, and one choice is tried: that it was
        refused tells no more than that one of its numbers is small.
        """
        outcomes, policy = self._outcomes("part"), self.policy
        if outcomes is None:
            return (), None
        event, censored, _ = levels.fever(self._strata)[1]
        coarse = next((Partition(self._axes[a].pooled(n)) for a, n in outcomes.steps), outcomes)
        shown = [n for row in (event, censored) for n in coarse.sums(row).tolist() if n]
        parts = min(shown, default=0) // (_TIMES_THRESHOLD * (policy.threshold + 1))
        cut = days_cut(*self._by_day(), policy, max(parts - 1, 1))
        return (cut, self._bearing(cut)) if cut else ((), None)

    def bears(self, cut: Cut, chosen: Flags) -> bool:
        """Say whether the steps that another policy chose may be shown of chosen strata under this one."""
        return self.fever(chosen) != "nothing" and self._is_whole(self._bearing(cut), chosen[self._cells])

    def _bearing(self, cut: Cut) -> Partition | None:
        outcomes = self._outcomes("part")
        if outcomes is None:
            return _NOTHING
        return self._finest(self._safe(curve_levels(*self._by_day(), cut)), list(outcomes.steps), None)

    def _by_day(self) -> tuple[Integers, Integers]:
        event, censored = (self._strata.by_day(f"{levels.FEVER}.{outcome}") for outcome in ("event", "censored"))
        return event, censored


class Releases:
    """What all the policies that an answer is under release together: never more than any one of them."""

    def __init__(self, counts: Counts, disclosure: Disclosure) -> None:
        self._each = [Release(counts, policy) for policy in disclosure.chain]
        self.policy = disclosure.chain[-1]

    def sized(self, chosen: Flags) -> bool:
        """Say whether it may be told how many patients chosen strata hold."""
        return all(release.sized(chosen) for release in self._each)

    def shown(self, name: str, chosen: Flags) -> Shown:
        """Say how much of a variable may be shown of chosen strata."""
        return min((release.shown(name, chosen) for release in self._each), key=RANK.index)

    def fever(self, chosen: Flags) -> Shown:
        """Say how much may be told of the outcomes of fever."""
        return min((release.fever(chosen) for release in self._each), key=RANK.index)

    def days(self, chosen: Flags) -> Cut:
        """Return the ends of the curve's steps in days: those of the first policy, where the others bear them."""
        first, *others = self._each
        cut = first.days(chosen)
        return cut if cut and all(release.bears(cut, chosen) for release in others) else ()


def releases_of(counts: Counts, disclosure: Disclosure) -> Releases | None:
    """Return what is released; None where nothing is withheld."""
    return Releases(counts, disclosure) if disclosure.chain else None


def _occurring(counts: Counts) -> Flags:
    """Return the strata whose every value occurs in the cohort.

    A policy that withholds 0 allows no block without anybody, so a value that nobody has divides nothing; which values
    those are is all that can be told of empty strata.
    """
    found = np.ones(counts.n.size, bool)
    for name in ORDER:
        if name not in _MADE_OF_OTHERS:
            found &= np.bincount(places(name), weights=counts.n)[places(name)] > 0
    return found
