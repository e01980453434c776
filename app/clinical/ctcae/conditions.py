"""Read the conditions of a rule file: "value > 3 x ULN", "symptoms in none, mild", "not baseline_abnormal"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, NamedTuple, TypeAlias, cast

from app.clinical.arithmetic import plain
from app.clinical.rulebook.model import Operator

VALUE: Final = "value"
LOWER: Final = "lower_limit"
UPPER: Final = "upper_limit"
BASELINE: Final = "baseline"
MI_CUTOFF: Final = "mi_cutoff"
# What a comparison may ask for, in the order in which a scale takes the numbers.
NUMBERS: Final = (VALUE, LOWER, UPPER, BASELINE, MI_CUTOFF)

_SHORT: Final = {"LLN": LOWER, "ULN": UPPER, BASELINE: BASELINE, MI_CUTOFF: MI_CUTOFF}
_LONG: Final = {long: short for short, long in _SHORT.items()} | {MI_CUTOFF: "the MI decision level"}
_NAME: Final = r"[a-z][a-z0-9_]*"
_NUMBER: Final = r"[0-9]+(?:\.[0-9]+)?"
_REFERENCE: Final = "|".join(_SHORT)
_COMPARISON: Final = re.compile(
    rf"(?P<left>{_NAME}) (?P<operator>>=|<=|>|<) "
    rf"(?:(?P<number>{_NUMBER})|(?P<factor>{_NUMBER}) x (?P<times>{_REFERENCE})|"
    rf"(?P<plus>{_REFERENCE}) \+ (?P<offset>{_NUMBER}))\Z"
)
_FLAG: Final = re.compile(rf"(?P<no>not )?(?P<name>{_NAME})\Z")
_CHOICE: Final = re.compile(rf"(?P<name>{_NAME}) in (?P<values>{_NAME}(?:, {_NAME})*)\Z")
_IN_WORDS: Final[dict[Operator, str]] = {">": "above", ">=": "at least", "<": "below", "<=": "at most"}
_ONE: Final = Decimal(1)


class Comparison(NamedTuple):
    """A number against factor x reference + offset; without a reference, against the offset alone."""

    left: str
    operator: Operator
    factor: Decimal
    reference: str | None
    offset: Decimal

    @property
    def bound_text(self) -> str:
        """Write the right side as people do: "3 x ULN", "ULN + 2", "1.5"."""
        if self.reference is None:
            return plain(self.offset)
        name = _LONG[self.reference]
        times = name if self.factor == _ONE else f"{plain(self.factor)} x {name}"
        return f"{times} + {plain(self.offset)}" if self.offset else times

    @property
    def text(self) -> str:
        """Write the comparison as people do: "above 3 x ULN"; the value itself is not named."""
        left = "" if self.left == VALUE else f"{self.left.replace('_', ' ')} "
        return f"{left}{_IN_WORDS[self.operator]} {self.bound_text}"


class Flag(NamedTuple):
    """A yes-or-no fact and which of the two is asked for."""

    name: str
    wanted: bool

    @property
    def text(self) -> str:
        """Write the fact for people: "symptomatic", "not symptomatic"."""
        return f"{'' if self.wanted else 'not '}{self.name.replace('_', ' ')}"


class Choice(NamedTuple):
    """A fact that must be one of several words."""

    name: str
    values: frozenset[str]


Condition: TypeAlias = Comparison | Flag | Choice


def parse(text: str) -> Condition:
    """Read one condition; raises ValueError when it is not written as the grammar asks."""
    if found := _COMPARISON.match(text):
        return _comparison(found)
    if found := _CHOICE.match(text):
        return Choice(found["name"], frozenset(found["values"].split(", ")))
    if found := _FLAG.match(text):
        return Flag(found["name"], found["no"] is None)
    raise ValueError(f"condition {text!r} cannot be read")


def _comparison(found: re.Match[str]) -> Comparison:
    reference = found["times"] or found["plus"]
    return Comparison(
        found["left"],
        cast("Operator", found["operator"]),
        Decimal(found["factor"] or 1),
        _SHORT[reference] if reference else None,
        Decimal(found["number"] or found["offset"] or 0),
    )


def comparisons(conditions: Sequence[Condition]) -> tuple[Comparison, ...]:
    """Pick the comparisons."""
    return tuple(c for c in conditions if isinstance(c, Comparison))


def flags(conditions: Sequence[Condition]) -> tuple[Flag, ...]:
    """Pick the yes-or-no facts."""
    return tuple(c for c in conditions if isinstance(c, Flag))
