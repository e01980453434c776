"""Laboratory terms: which printed scale serves a unit, and how a value gets there.

A unit with printed bounds is graded by them, never converted: the bounds of the two unit systems are rounded
separately. A unit without any is converted to the printed unit of its own kind (a power of ten away), else to the
one the rule file names, else to the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import Final, Literal, NamedTuple

from app.clinical.analyte import Analyte
from app.clinical.arithmetic import exact, significant
from app.clinical.ctcae.scales import Scale
from app.clinical.rulebook import RulebookError
from app.clinical.rulebook.ctcae_terms import CtcaeTermRule, ScaleRule, StandInRule
from app.clinical.units import Unit

_ONE: Final = Decimal(1)


class Placement(NamedTuple):
    """A term's scale for one unit of one analyte: number in the scale = number sent x multiply / divide."""

    scale: Scale
    analyte: Analyte
    unit: Unit | None
    graded: Unit | None
    multiply: Decimal
    divide: Decimal
    stand_in: StandInRule | None

    @property
    def is_converted(self) -> bool:
        """Say whether numbers change on their way to the scale."""
        return self.multiply != self.divide

    @property
    def ties(self) -> Literal["exact", "shifted", "rounded"]:
        """Say how far a tie of two converted numbers can be trusted in plain arithmetic."""
        if not self.is_converted:
            return "exact"
        return "shifted" if _is_power_of_ten(self.multiply, self.divide) else "rounded"

    def place(self, number: float | None) -> float | None:
        """Bring a number to the scale, at 15 significant digits."""
        return None if number is None else self.place_known(number)

    def place_known(self, number: float) -> float:
        """Bring a number that is known to the scale."""
        if not self.is_converted:
            return number
        return float(significant(exact(number) * self.multiply / self.divide))


class LaboratoryTerm:
    """A compiled laboratory term: its scales, and the analytes it grades."""

    def __init__(self, rule: CtcaeTermRule, analytes: Mapping[str, Analyte], file: str) -> None:
        self.rule = rule
        self._scales = tuple((r, Scale(rule, r)) for r in rule.scale)
        self.scales = tuple(s for _, s in self._scales)
        self._stand_ins = {s.analyte: s for s in rule.stand_in}
        names = (rule.analyte or "", *(r.analyte for r in rule.scale if r.analyte), *self._stand_ins)
        missing = [n for n in names if n not in analytes]
        if missing:
            raise RulebookError(f"{file}: term {rule.slug!r}: analyte {missing[0]!r} is not among the quantities")
        self.analytes = {n: analytes[n] for n in dict.fromkeys(names)}
        self.reachable = reduce(or_, (s.reachable for s in self.scales))

    @property
    def canonical_code(self) -> str:
        """Return the code of the analyte's canonical unit."""
        return self.analytes[self.rule.analyte or ""].canonical.code

    def without_unit(self, analyte: str | None = None) -> Placement | None:
        """Return the scale that serves a value whose unit was not sent, or None where a unit is needed."""
        rows = self._rows(analyte or self.rule.analyte or "")
        rule, scale = rows[0]
        if len(rows) > 1 or not scale.unit_optional:
            return None
        found = self.analytes[analyte or self.rule.analyte or ""]
        unit = None if rule.unit is None else found.units[rule.unit]
        return Placement(scale, found, unit, unit, _ONE, _ONE, self._stand_ins.get(analyte or ""))

    def with_unit(self, spelling: str, analyte: str | None = None) -> Placement | None:
        """Return the scale for a unit as sent, or None where no analyte of the term comes in that unit."""
        named = (analyte,) if analyte is not None else tuple(n for n in self.analytes if n not in self._stand_ins)
        for name in named:
            unit = self.analytes[name].find_unit(spelling)
            if unit is not None:
                return self._placement(name, unit)
        return None

    def unit_codes(self, analyte: str | None = None) -> tuple[str, ...]:
        """Return the codes of every unit that is graded."""
        named = (analyte,) if analyte is not None else tuple(self.analytes)
        return tuple(dict.fromkeys(code for n in named for code in self.analytes[n].units))

    def _rows(self, analyte: str) -> tuple[tuple[ScaleRule, Scale], ...]:
        named = tuple(r for r in self._scales if r[0].analyte == analyte)
        return named or tuple(r for r in self._scales if r[0].analyte is None)

    def _placement(self, name: str, unit: Unit) -> Placement:
        analyte, stand_in = self.analytes[name], self._stand_ins.get(name)
        rule, scale = next(self._preferred(self._rows(name), analyte, unit))
        if rule.unit is None:
            return Placement(scale, analyte, unit, None, _ONE, _ONE, stand_in)
        graded = analyte.units[rule.unit]
        multiply, divide = unit.multiply * graded.divide, unit.divide * graded.multiply
        if multiply == divide:
            multiply = divide = _ONE
        return Placement(scale, analyte, unit, graded, multiply, divide, stand_in)

    @staticmethod
    def _preferred(
        rows: tuple[tuple[ScaleRule, Scale], ...], analyte: Analyte, unit: Unit
    ) -> Iterator[tuple[ScaleRule, Scale]]:
        yield from (r for r in rows if r[0].unit in {None, unit.code})
        yield from (r for r in rows if unit.code in r[0].also)
        yield from (r for r in rows if r[0].unit is not None and _same_kind(unit, analyte.units[r[0].unit]))
        yield from rows


def _same_kind(unit: Unit, other: Unit) -> bool:
    """Say whether two units differ by a power of ten."""
    return _is_power_of_ten(unit.multiply * other.divide, unit.divide * other.multiply)


def _is_power_of_ten(multiply: Decimal, divide: Decimal) -> bool:
    ratio = (multiply / divide).normalize()
    return ratio.as_tuple().digits == (1,) and ratio * divide == multiply
