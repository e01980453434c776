"""Combinations shown as one Finding, so that an answer stays readable: `used` names the inputs that decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from app.clinical.evidence import UNKNOWN, Combination, Finding, Truth, Used, pattern_of
from app.clinical.pattern import Pattern

Plain = Literal["any", "all", "not", "first_known"]
# Patterns hold no value of any patient; past this many a combination starts afresh.
KEPT_SHAPES: Final = 4096


@dataclass(slots=True)
class Shape:
    """What depends on the pattern of the parts alone: which of them decide, and the Finding when none used anything."""

    pattern: Pattern
    deciding: tuple[int, ...]
    only_one: int | None
    blank: Finding


class Compact:
    """A combination without its parts: what they used stands in one place, with the first deciding part's threshold."""

    def __init__(
        self,
        id: str,  # noqa: A002 - the field's name
        label: str,
        combine: Plain,
        *,
        source: str | None = None,
        note: str | None = None,
    ) -> None:
        self._combination = Combination(id, label, combine, source=source, note=note)
        self._shapes: dict[tuple[Pattern, ...], Shape] = {}

    def __call__(self, *of: Finding) -> Finding:
        """Combine the Findings as `Combination` does, and show the deciding inputs."""
        try:
            shape = self._shapes[tuple([f.pattern for f in of])]
        except (AttributeError, KeyError):
            shape = self._shape(of)
        threshold = None
        if shape.only_one is not None:
            part = of[shape.only_one]
            used, threshold = part.used, part.threshold
        else:
            used = merged = dict[str, Used]()
            for place in shape.deciding:
                part = of[place]
                if part.used:
                    merged |= part.used
                    threshold = threshold or part.threshold
        blank = shape.blank
        if not used:
            return blank
        finding = Finding(
            blank.id,
            blank.label,
            blank.status,
            used,
            threshold,
            blank.source,
            blank.missing,
            (),
            None,
            None,
            blank.note,
        )
        finding.pattern = shape.pattern
        return finding

    def _shape(self, of: Sequence[Finding]) -> Shape:
        if len(self._shapes) >= KEPT_SHAPES:
            self._shapes.clear()
        blank = self._combination(*of)
        blank.of, blank.combine = (), None
        deciding = self._deciding(of, blank.status)
        shape = Shape(blank.pattern, deciding, deciding[0] if len(deciding) == 1 else None, blank)
        self._shapes[tuple([pattern_of(f) for f in of])] = shape
        return shape

    def _deciding(self, of: Sequence[Finding], status: Truth) -> tuple[int, ...]:
        """Return the parts that decided: of an "any" the met ones, of a precedence the first known; else all."""
        combine = self._combination.combine
        if status == UNKNOWN or combine == "not":
            return tuple(range(len(of)))
        same = tuple(i for i, f in enumerate(of) if f.status == status)
        return same[:1] if combine == "first_known" else same
