"""Paediatric reference limits, for results that come without the reporting laboratory's own range.

A whole number of years is read as completed years: where that year holds several bands (most of all the first), there
is no limit, rather than a guess at the month.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal, NamedTuple

from app.clinical.arithmetic import MONTHS_PER_YEAR, exact, significant
from app.clinical.rulebook import Rulebook
from app.clinical.rulebook.model import Band, Table

HEMOGLOBIN: Final = "hemoglobin"


class ReferenceInterval(NamedTuple):
    """Limits in the analyte's canonical unit, and where they come from; None where there is no such limit."""

    lower: Decimal | None
    upper: Decimal | None
    unit: str
    source: str


class ReferenceLimits:
    """Looks up limits by analyte, age and sex (`paediatric-reference-limits`, `who-anaemia-2024`)."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rules = rulebook["paediatric-reference-limits"]
        self.anaemia_rules = rulebook["who-anaemia-2024"]
        self._tables = {t.id: (t, self.rules.cite(t)) for t in self.rules.content.table}
        self._anaemia = self.anaemia_rules.table(HEMOGLOBIN)
        self._anaemia_source = self.anaemia_rules.cite(self._anaemia)

    def limits(
        self, analyte_slug: str, age_years: float | None, sex: Literal["male", "female"] | None = None
    ) -> ReferenceInterval | None:
        """Return the limits of an analyte at an age in years; None where none is known for that age and sex.

        Haemoglobin from one year on has a lower limit only, WHO's cut-off for anaemia.
        """
        table, source = self._tables.get(analyte_slug, (None, ""))
        band = None if table is None else _band(table, age_years, sex)
        if table is not None and band is not None:
            return ReferenceInterval(band.low, band.high, table.unit, source)
        if analyte_slug != HEMOGLOBIN:
            return None
        lower = self.hemoglobin_lower_limit(age_years, sex)
        return None if lower is None else ReferenceInterval(lower, None, self._anaemia.unit, self._anaemia_source)

    def hemoglobin_lower_limit(
        self, age_years: float | None, sex: Literal["male", "female"] | None = None
    ) -> Decimal | None:
        """Return the haemoglobin (g/dL) below which a child of this age is anaemic.

        None is unknown: below six months, or where the cut-off needs a sex that was not given.
        """
        band = _band(self._anaemia, age_years, sex)
        return None if band is None else band.value


def _band(table: Table, age_years: float | None, sex: str | None) -> Band | None:
    """Return the one row that holds at this age, or at the whole of this year of life."""
    if age_years is None:
        return None
    years = exact(age_years)
    months = significant(years * MONTHS_PER_YEAR)
    band = table.find(months, sex)
    if band is None or band.upper is None or years != int(years):
        return band
    return band if band.upper >= months + MONTHS_PER_YEAR else None
