"""Who is compared with whom: the groups of an axis among the patients selected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from app.cohorts.analysis.answers import By, GroupHead
from app.cohorts.analysis.axes import AXES, Axis
from app.cohorts.analysis.columns import OUTSIDE, Counts, Integers, Split
from app.cohorts.analysis.selection import Question
from app.cohorts.strata import ALL, WITH_ANAKINRA, Stratum
from app.cohorts.variables import CATALOGUE
from app.statistics.disclosure import Flags


@dataclass(frozen=True, eq=False)
class Division:
    """The strata sorted into groups. `group_of` gives each stratum's group by place, OUTSIDE when not selected."""

    counts: Counts
    axis: Axis
    groups: tuple[str, ...]
    group_of: Integers
    _splits: dict[str, Split] = field(default_factory=dict)

    @classmethod
    def of(cls, counts: Counts, question: Question, by: By, *, anakinra_only: bool = False) -> Division:
        """Divide the selected patients by an axis; `anakinra_only` takes those alone who were given it."""
        axis = AXES[by]

        def selects(stratum: Stratum) -> bool:
            return question.selects(stratum) and not (anakinra_only and stratum.treatment not in WITH_ANAKINRA)

        occurring = {axis.of(stratum) for stratum in counts.strata if selects(stratum)}
        possible = _possible(axis, selects)
        always = axis.always if question.disclosure.tells_zero else tuple(axis.labels)
        groups = tuple(g for g in axis.labels if g in occurring or (g in always and g in possible))
        place = {group: number for number, group in enumerate(groups)}
        return cls(counts, axis, groups, counts.sorted_into(lambda s: place[axis.of(s)] if selects(s) else OUTSIDE))

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """How many patients each group holds."""
        return self.counts.patients(self.group_of, len(self.groups))

    @cached_property
    def with_anakinra(self) -> Division:
        """The same groups, of the patients who were given anakinra alone."""
        given = self.counts.sorted_into(lambda s: int(s.treatment in WITH_ANAKINRA)).astype(bool)
        return Division(self.counts, self.axis, self.groups, np.where(given, self.group_of, OUTSIDE))

    @cached_property
    def chosen(self) -> tuple[Flags, ...]:
        """The strata of each group, and last those of all groups, as flags."""
        return (*(self.group_of == place for place in range(len(self.groups))), self.group_of != OUTSIDE)

    @property
    def n(self) -> int:
        """How many patients all groups hold."""
        return sum(self.sizes)

    @cached_property
    def heads(self) -> tuple[GroupHead, ...]:
        """The groups as an answer names them."""
        return tuple(
            GroupHead(group=group, label=self.axis.labels[group], n=n, in_tests=group != self.axis.unknown and n > 0)
            for group, n in zip(self.groups, self.sizes, strict=True)
        )

    @cached_property
    def tested(self) -> tuple[int, ...]:
        """The places of the groups that tests compare."""
        return tuple(place for place, head in enumerate(self.heads) if head.in_tests)

    @cached_property
    def named(self) -> tuple[int, ...]:
        """The places of the groups that tests may compare, whether anybody is in them or not."""
        return tuple(place for place, group in enumerate(self.groups) if group != self.axis.unknown)

    def applying(self, variable: str) -> Division:
        """Return the division of the patients to whom a variable applies."""
        return self.with_anakinra if CATALOGUE[variable].applies == "anakinra" else self

    def split(self, variable: str) -> Split:
        """Return a variable's tally in each group, and over all of them; made once."""
        if variable not in self._splits:
            here = self.applying(variable)
            digits = CATALOGUE[variable].digits
            self._splits[variable] = here.counts.split(variable, here.group_of, len(here.groups), digits)
        return self._splits[variable]


def _possible(axis: Axis, selects: Callable[[Stratum], bool]) -> set[str]:
    """Return the groups that a selection leaves possible, whether or not any patient is in them."""
    return {axis.of(stratum) for stratum in ALL.values() if selects(stratum)}
