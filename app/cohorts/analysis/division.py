"""Who is compared with whom: the groups of an axis among the patients selected."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np

from app.cohorts.analysis.answers import By, GroupHead
from app.cohorts.analysis.axes import AXES, Axis
from app.cohorts.analysis.columns import EVERYBODY, OUTSIDE, STRATA, Counts, Flags, Integers, Split, places
from app.cohorts.analysis.selection import Question, Where
from app.cohorts.strata import WITH_ANAKINRA
from app.cohorts.variables import CATALOGUE

GIVEN_ANAKINRA: Final = np.array([stratum.treatment in WITH_ANAKINRA for stratum in STRATA])


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
        axis, found, selected = AXES[by], places(by), _selected(question.where)
        if anakinra_only:
            selected = selected & GIVEN_ANAKINRA
        possible, occurring = (set(found[here].tolist()) for here in (selected, selected & (counts.n > 0)))
        # Which groups occur tells of their sizes.
        always = axis.labels if question.disclosure.chain else axis.always
        listed = [n for n, g in enumerate(axis.labels) if n in occurring or (g in always and n in possible)]
        place = np.full(len(axis.labels), OUTSIDE)
        place[listed] = np.arange(len(listed))
        labels = tuple(axis.labels)
        return cls(counts, axis, tuple(labels[n] for n in listed), np.where(selected, place[found], OUTSIDE))

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """How many patients each group holds."""
        return self.counts.patients(self.group_of, len(self.groups))

    @cached_property
    def with_anakinra(self) -> Division:
        """The same groups, of the patients who were given anakinra alone."""
        return Division(self.counts, self.axis, self.groups, np.where(GIVEN_ANAKINRA, self.group_of, OUTSIDE))

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


def _selected(where: Where) -> Flags:
    """Return the strata that a selection leaves, whether or not any patient is in them."""
    found = EVERYBODY.copy()
    for by, values in where:
        found &= np.array([group in values for group in AXES[by].labels])[places(by)]
    return found
