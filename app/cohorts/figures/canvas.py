"""Paper to draw on, in millimetres, and the ways from it to SVG and PNG: the same bytes for the same figure."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from app.cohorts.figures import style, svg
from app.cohorts.figures.measure import wrapped

LEFT_MM: Final = 2.0
NOTE_MM: Final = 3.4
_TITLE_LINE_MM: Final = 4.4
_HEADLESS_MM: Final = 5.5


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawn figure with its title and its content in words."""

    name: str
    title: str
    description: str
    paper: Paper


class Paper:
    """A sheet of fixed width under a title; places are millimetres from the left and from under the title's first line.

    A title of several lines makes the sheet longer and moves everything down, none makes it shorter: drawings need not
    know.
    """

    def __init__(self, height_mm: float, title: str) -> None:
        lines = wrapped(title, style.TITLE, style.WIDTH_MM - 2 * LEFT_MM, "bold")
        self._shift = _TITLE_LINE_MM * (len(lines) - 1) if title else -_HEADLESS_MM
        self.height = height_mm + self._shift
        size = (style.WIDTH_MM / style.MM_PER_INCH, self.height / style.MM_PER_INCH)
        self.figure = Figure(figsize=size, dpi=style.POINTS_PER_INCH)
        for number, line in enumerate(lines if title else []):
            self.text(LEFT_MM, 5.0 + _TITLE_LINE_MM * number - self._shift, line, size=style.TITLE, weight="bold")

    def share(self, x: float, y: float) -> tuple[float, float]:
        """Return a place as shares of the sheet, from its lower left corner."""
        return x / style.WIDTH_MM, 1 - (y + self._shift) / self.height

    def axes(self, left: float, top: float, width: float, height: float, share_y: Axes | None = None) -> Axes:
        """Return axes whose frame stands at this place."""
        x, y = self.share(left, top + height)
        return self.figure.add_axes((x, y, width / style.WIDTH_MM, height / self.height), sharey=share_y)

    def text(  # noqa: PLR0913  # where, what, how
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = style.BODY,
        colour: str = style.INK,
        align: str = "left",
        weight: str = "normal",
        middle: bool = False,
    ) -> None:
        """Write text whose baseline (or middle) stands at this height."""
        alignment = "center_baseline" if middle else "baseline"
        self.figure.text(*self.share(x, y), text, size=size, color=colour, ha=align, va=alignment, weight=weight)

    def notes(self, lines: list[str]) -> None:
        """Write small lines at the foot."""
        for place, line in enumerate(reversed(lines)):
            y = self.height - self._shift - 1.8 - NOTE_MM * place
            self.text(LEFT_MM, y, line, size=style.SMALL, colour=style.QUIET)


def to_svg(drawing: Drawing) -> bytes:
    """Return the figure as SVG: UTF-8, no date, no random ids."""
    out = BytesIO()
    drawing.paper.figure.savefig(out, format="svg", metadata={"Date": None})
    return svg.accessible(out.getvalue(), drawing.name.replace("_", "-"), drawing.title, drawing.description)


def to_png(drawing: Drawing, width_px: int) -> bytes:
    """Return the figure as PNG of this width in pixels; printed at its own resolution it is 180 mm wide."""
    out = BytesIO()
    dpi = width_px * style.MM_PER_INCH / style.WIDTH_MM
    told = {"Title": drawing.title, "Description": drawing.description, "Software": None}
    drawing.paper.figure.savefig(out, format="png", dpi=dpi, metadata=told)
    return out.getvalue()
