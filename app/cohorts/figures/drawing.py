"""From contents to a figure: which drawing serves which contents, and what is drawn when there is nothing.

This is the door to matplotlib: import it when a figure is wanted, on a worker thread, not when the service starts.
"""

from __future__ import annotations

from threading import Lock
from typing import Final

from app.cohorts.collector import tidied
from app.cohorts.figures import boxes, gaps, grades, paired, style, survival
from app.cohorts.figures.canvas import LEFT_MM, Drawing, Paper, to_png, to_svg
from app.cohorts.figures.contents import AdverseEvents, Boxes, Contents, Missingness, Paired, Survival
from app.cohorts.figures.words import describe

_ONE_AT_A_TIME: Final = Lock()
"""Matplotlib's caches of fonts and paths are not made for threads, and drawing is bound to one core anyway."""


def svg_of(name: str, title: str, contents: Contents, *, headed: bool = True) -> bytes:
    """Draw a figure as SVG; `headed` False leaves the title to the caption that stands beside it."""
    with _ONE_AT_A_TIME, tidied():
        return to_svg(draw(name, title, contents, headed=headed))


def png_of(name: str, title: str, contents: Contents, width_px: int) -> bytes:
    """Draw a figure as PNG of a width in pixels."""
    with _ONE_AT_A_TIME, tidied():
        return to_png(draw(name, title, contents), width_px)


def draw(name: str, title: str, contents: Contents, *, headed: bool = True) -> Drawing:
    """Draw a figure; without anything to draw, a sheet that says so."""
    reason = _withheld(contents) if contents.profile else nothing(contents)
    heading = title if headed else ""
    paper = _nothing(heading, reason) if reason else _drawn(contents, heading)
    return Drawing(name, title, reason or describe(contents), paper)


def _drawn(contents: Contents, title: str) -> Paper:
    match contents:
        case Survival():
            return survival.draw(contents, title)
        case Paired():
            return paired.draw(contents, title)
        case Boxes():
            return boxes.draw(contents, title)
        case AdverseEvents():
            return grades.draw(contents, title)
        case Missingness():
            return gaps.draw(contents, title)


def nothing(contents: Contents) -> str | None:
    """Say why there is nothing to draw, or None when there is something."""
    match contents:
        case Survival():
            drawn = any(group.steps and group.n for group in contents.groups)
            return None if drawn else "No patient has a fever that can be followed here, so there is no curve."
        case Paired():
            drawn = any(group.n for group in contents.groups)
            return None if drawn else f"No patient has both a first and a follow-up value of {contents.measure}."
        case Boxes():
            drawn = any(box.n for row in contents.rows for box in row.boxes)
            return None if drawn else "No patient has a value here, so there is nothing to draw."
        case AdverseEvents():
            drawn = any(bar.n for row in contents.rows for bar in row.bars)
            return None if drawn else "Of no patient is it known whether there were adverse events."
        case Missingness():
            return _complete(contents)


def _withheld(contents: Contents) -> str | None:
    """Say that nothing may be drawn: not whether there is anything, which may be withheld, too."""
    match contents:
        case Survival():
            drawn = any(group.steps for group in contents.groups)
        case Paired():
            drawn = any(group.n for group in contents.groups)
        case Boxes():
            drawn = any(box.is_drawn for row in contents.rows for box in row.boxes)
        case AdverseEvents():
            drawn = any(bar.n for row in contents.rows for bar in row.bars)
        case Missingness():
            drawn = any(cell.n for row in contents.rows for cell in row.cells)
    return None if drawn else f"Withheld under the disclosure profile {contents.profile}: there is nothing to draw."


def _complete(contents: Missingness) -> str | None:
    cells = [cell for row in contents.rows for cell in row.cells]
    if not any(cell.n for cell in cells):
        return "There are no patients, so nothing can be missing."
    return None if any(cell.missing for cell in cells) else "Every variable is known of every patient."


def _nothing(title: str, reason: str) -> Paper:
    paper = Paper(26, title)
    paper.text(LEFT_MM, 15, reason, colour=style.QUIET)
    return paper
