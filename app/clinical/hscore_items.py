"""The nine items of the HScore: the points each gives, or the fewest and the most it could give while unknown."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Final

import msgspec
from pydantic import Field

from app.clinical.arithmetic import exact
from app.clinical.evidence import Used
from app.clinical.facts import Facts
from app.clinical.rulebook import LoadedRuleSet, RulebookError
from app.clinical.rulebook.model import Band, Table
from app.clinical.struct import documented

_LINEAGES: Final = ("hemoglobin", "wbc", "platelets")


@documented
class HScoreItem(msgspec.Struct, gc=False):
    """One item of the score."""

    id: Annotated[str, Field(description="Stable name of the item")]
    label: Annotated[str, Field(description="The item in words")]
    minimum: Annotated[int, Field(description="Fewest points it can give")]
    maximum: Annotated[int, Field(description="Most points it can give")]
    used: Annotated[Mapping[str, Used], Field(description="The inputs that were used, by name")] = msgspec.field(
        default_factory=dict
    )
    missing: Annotated[tuple[str, ...], Field(description="The inputs that would settle its points")] = ()


class StatedItem:
    """Points for a stated fact, none for its absence."""

    def __init__(self, rules: LoadedRuleSet, key: str) -> None:
        points, name = rules.count(key), f"hemophagocytic.{key}"
        label = label_of(rules, key)
        self._unknown = HScoreItem(key, label, 0, points, missing=(name,))
        self._known = {
            value: HScoreItem(key, label, points * value, points * value, {name: value}) for value in (False, True)
        }

    def judge(self, stated: bool | None) -> HScoreItem:  # noqa: FBT001 - a fact
        """Return the item of a stated fact; None is unknown."""
        return self._unknown if stated is None else self._known[stated]


class BandedItem:
    """Points by the band in which a number falls."""

    def __init__(self, rules: LoadedRuleSet, key: str, name: str) -> None:
        self.id = key
        self._name = name
        table = rules.table(key)
        if table.gaps or table.band[0].lower is not None or table.band[-1].upper is not None:
            raise RulebookError(f"{rules.file}: table {key!r} must cover every value, without gaps")
        self._label = table.label or key
        self._bands = tuple((band, points_of(rules, table, band)) for band in table.band)
        every = [points for _, points in self._bands]
        self._unknown = HScoreItem(key, self._label, min(every), max(every), missing=(name,))

    def judge(self, value: float | Decimal | None) -> HScoreItem:
        """Return the item of a number in the table's unit; None is unknown."""
        if value is None:
            return self._unknown
        number = exact(value)
        points = next(points for band, points in self._bands if band.holds(number))
        return HScoreItem(self.id, self._label, points, points, {self._name: float(value)})


class Organomegaly:
    """Points for an enlarged liver or spleen, more for both."""

    def __init__(self, rules: LoadedRuleSet) -> None:
        self._points = (0, rules.count("organomegaly.one"), rules.count("organomegaly.both"))

    def judge(self, liver: bool | None, spleen: bool | None) -> HScoreItem:  # noqa: FBT001 - facts
        """Count the organs that are enlarged, and those that might be."""
        stated = {"hemophagocytic.hepatomegaly": liver, "hemophagocytic.splenomegaly": spleen}
        missing = tuple([name for name, value in stated.items() if value is None])
        certain = (liver is True) + (spleen is True)
        return HScoreItem(
            "organomegaly",
            "Enlarged liver and spleen",
            self._points[certain],
            self._points[certain + len(missing)],
            {name: value for name, value in stated.items() if value is not None},
            missing,
        )


class Cytopenia:
    """Points by the number of lineages that are low."""

    def __init__(self, rules: LoadedRuleSet) -> None:
        self._low = tuple((f"labs.{slug}", slug, rules.threshold(f"cytopenia.{slug}").is_met) for slug in _LINEAGES)
        table = rules.table("cytopenia")
        self._label = table.label or table.id
        self._points = tuple(_points_for(rules, table, count) for count in range(len(_LINEAGES) + 1))

    def judge(self, facts: Facts) -> HScoreItem:
        """Count the lineages that are low, and those that might be."""
        used: dict[str, Used] = {}
        missing: list[str] = []
        low = 0
        for name, slug, is_low in self._low:
            value = facts.lab(slug)
            if value is None:
                missing.append(name)
            else:
                used[name] = float(value)
                low += is_low(value)
        possible = self._points[low : low + len(missing) + 1]
        # One lineage that is low gives no points, so a missing one may settle nothing.
        open_inputs = tuple(missing) if min(possible) < max(possible) else ()
        return HScoreItem("cytopenia", self._label, min(possible), max(possible), used, open_inputs)


def label_of(rules: LoadedRuleSet, key: str) -> str:
    """Return a parameter's words."""
    return rules.parameter(key).label or key


def points_of(rules: LoadedRuleSet, table: Table, band: Band) -> int:
    """Return the points of a band; raises `RulebookError` where the file gives none, or a fraction."""
    points = band.points
    if points is None or points < 0 or points != int(points):
        raise RulebookError(f"{rules.file}: every band of table {table.id!r} needs whole points, none below 0")
    return int(points)


def _points_for(rules: LoadedRuleSet, table: Table, count: int) -> int:
    band = table.find(Decimal(count))
    if band is None:
        raise RulebookError(f"{rules.file}: table {table.id!r} has no band for {count}")
    return points_of(rules, table, band)
