"""Figures of a cohort, drawn from tallies and analyses: what each shows (contents), in words, and on paper.

Nothing here imports matplotlib until a figure is drawn; `app.cohorts.figures.drawing` does, and stands for it.
"""

from __future__ import annotations

from typing import Final, Literal

FigureName = Literal["defervescence", "lvef", "strain", "cytokines", "adverse_events", "missing"]

NAMES: Final[tuple[FigureName, ...]] = (
    "defervescence",
    "lvef",
    "strain",
    "cytokines",
    "adverse_events",
    "missing",
)
