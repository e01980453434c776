"""Figure 1C-D: ejection fraction and strain, first and at follow-up, compared within each patient."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from app.cohorts.analysis.answers import Cardiac, PairedGroup, PairedMeasure
from app.cohorts.analysis.columns import Split, nothing
from app.cohorts.analysis.comparisons import paired
from app.cohorts.analysis.rows import ALL, Rows
from app.cohorts.disclosure.withhold import sized
from app.cohorts.variables import CATALOGUE, unpack_pair
from app.statistics.tally import Tally

MOST_PAIRS: Final = 1_000
_LABELS: Final = {"lvef": "Left ventricular ejection fraction", "strain": "Apical four-chamber longitudinal strain"}
_PARTS: Final = ("first", "follow_up", "difference")
VARIABLES: Final = (
    *(f"{measure}.{part}" for measure in _LABELS for part in (*_PARTS, "pair")),
    "lvef.reduced",
    "echo.follow_up_day",
)
Measure = Literal["lvef", "strain"]
Pairs = tuple[tuple[float, float, int], ...]


@dataclass(frozen=True, slots=True)
class Normal:
    """What the study calls normal, from its rule set: LVEF above this, and this strain, both in %."""

    lvef_above: float
    strain: float


def cardiac(rows: Rows, title: str, normal: Normal) -> Cardiac:
    """Answer the section on the heart."""
    division = rows.division
    return Cardiac(
        title=title,
        by=division.axis.name,
        **sized(division, rows.teller),
        lvef=_measure(rows, "lvef", normal_above=normal.lvef_above),
        strain=_measure(rows, "strain", normal=normal.strain),
        follow_up_day=rows.row("echo.follow_up_day"),
    )


def _measure(
    rows: Rows, name: Measure, *, normal_above: float | None = None, normal: float | None = None
) -> PairedMeasure:
    here = rows.division
    first, follow_up, difference = (here.split(f"{name}.{part}") for part in _PARTS)
    befores, drawn = _pairs(rows, name)
    found = [
        _group(rows, group, n, *tallies)
        for group, n, *tallies in zip(
            (*here.groups, ALL),
            (*here.sizes, here.n),
            *((*split.groups, split.overall) for split in (first, follow_up, difference, befores)),
            drawn,
            strict=True,
        )
    ]
    if rows.teller is not None:
        found = [rows.teller.pairs(name, *told) for told in zip(found, here.chosen, strict=True)]
    return PairedMeasure(
        variable=name,
        label=_LABELS[name],
        unit=CATALOGUE[f"{name}.first"].unit or "",
        groups=tuple(found[:-1]),
        overall=found[-1],
        normal_above=normal_above,
        normal=normal,
        reduced=rows.row("lvef.reduced") if name == "lvef" else None,
    )


def _group(  # noqa: PLR0913, PLR0917  # the tallies of one group, side by side
    rows: Rows, group: str, n: int, first: Tally, follow_up: Tally, difference: Tally, before: Tally, pairs: Pairs
) -> PairedGroup:
    return PairedGroup(
        group=group,
        n=n,
        n_first=first.n,
        n_pairs=difference.n,
        first=rows.summary(first),
        follow_up=rows.summary(follow_up),
        paired_first=rows.summary(before),
        difference=rows.summary(difference),
        pairs=pairs,
        test=paired(difference),
    )


def _pairs(rows: Rows, name: Measure) -> tuple[Split, list[Pairs]]:
    """Return the first measurements of those with a pair, and the pairs themselves where they are few."""
    here, packed = rows.division, f"{name}.pair"
    n_groups, digits = len(here.groups), CATALOGUE[f"{name}.first"].digits
    column = here.counts.columns.get(packed)
    if column is None:
        return nothing(n_groups, digits), [()] * (n_groups + 1)
    before = np.asarray(unpack_pair(column.values)[0])  # type: ignore[arg-type]  # divmod takes arrays as it takes integers
    befores = replace(column, values=before, digits=digits).split(here.group_of, n_groups)
    if befores.overall.n > MOST_PAIRS:
        return befores, [()] * (n_groups + 1)
    both = here.split(packed)
    return befores, [_unpacked(tally, digits) for tally in (*both.groups, both.overall)]


def _unpacked(tally: Tally, digits: int) -> Pairs:
    unit = 10**digits
    found = []
    for packed, count in zip(tally.values.tolist(), tally.counts.tolist(), strict=True):
        before, after = unpack_pair(packed)
        found.append((before / unit, after / unit, count))
    return tuple(found)
