"""What is known of one child, once per request: the presentation, its parts never null, and the measured labs.

Every classification reads from here, so that all of them see the same child. Nothing is judged here but what a
laboratory's own reference limits say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from app.clinical.evidence import MET, NOT_MET, Criterion, Finding
from app.clinical.presentation import (
    Echocardiogram,
    Fever,
    Hemodynamics,
    KawasakiSigns,
    OrganInvolvement,
    Presentation,
    SarsCov2,
)
from app.clinical.quantities import Measured

LimitSide = Literal["upper", "lower"]

NO_FEVER: Final = Fever()
NO_SIGNS: Final = KawasakiSigns()
NO_ECHO: Final = Echocardiogram()
NO_HEMODYNAMICS: Final = Hemodynamics()
NO_ORGANS: Final = OrganInvolvement()
NO_SARS: Final = SarsCov2()


@dataclass(slots=True)
class Facts:
    """One child's facts. A part that was not sent stands here as a part of which nothing is known.

    Treat it as frozen; it is not, because a frozen dataclass costs several times as much to make.
    """

    request: Presentation
    labs: Mapping[str, Measured]
    age_years: float
    completed_years: int
    fever: Fever
    signs: KawasakiSigns
    echo: Echocardiogram
    hemodynamics: Hemodynamics
    organs: OrganInvolvement
    sars: SarsCov2

    @classmethod
    def of(cls, request: Presentation, labs: Mapping[str, Measured]) -> Facts:
        """Take a request and its labs (`Quantities.measure_all`) together."""
        return cls(
            request,
            labs,
            request.age_years,
            int(request.age_years),
            request.fever or NO_FEVER,
            request.kawasaki_signs or NO_SIGNS,
            request.echocardiogram or NO_ECHO,
            request.hemodynamics or NO_HEMODYNAMICS,
            request.organ_involvement or NO_ORGANS,
            request.sars_cov_2 or NO_SARS,
        )

    def lab(self, slug: str) -> Decimal | None:
        """Return a laboratory value in its canonical unit, or None when it was not sent."""
        measured = self.labs.get(slug)
        return None if measured is None else measured.value


class LimitCriterion:
    """Elevated or reduced by the reporting laboratory's own limit, where no number is published.

    Unknown asks for the value and its limit, or for the limit alone when the value is there.
    """

    def __init__(  # noqa: PLR0913 - one description
        self,
        id: str,  # noqa: A002 - the field's name
        label: str,
        slug: str,
        limit: LimitSide,
        *,
        source: str | None = None,
        note: str | None = None,
    ) -> None:
        self.slug = slug
        self._value = f"labs.{slug}"
        self._limit = f"labs.{slug}.{limit}_limit"
        self._upper = limit == "upper"
        self.criterion = Criterion(id, label, (self._value, self._limit), source=source, note=note)

    def judge(self, facts: Facts) -> Finding:
        """Compare the child's value with the limit that came with it."""
        measured = facts.labs.get(self.slug)
        if measured is None:
            return self.criterion.stated(None)
        limit = measured.upper_limit if self._upper else measured.lower_limit
        if limit is None:
            return self.criterion.unknown(self._limit, used={self._value: float(measured.value)})
        beyond = measured.value > limit if self._upper else measured.value < limit
        used = {self._value: float(measured.value), self._limit: float(limit)}
        return self.criterion.finding(MET if beyond else NOT_MET, used)
