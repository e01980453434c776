"""The left ventricle by the study's cut-off: ejection fraction, and strain beside its reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

import msgspec
from pydantic import Field

from app.clinical.arithmetic import exact, significant
from app.clinical.criteria import Criteria
from app.clinical.evidence import NOT_MET, Finding, disagree
from app.clinical.facts import Facts
from app.clinical.presentation import Echocardiogram
from app.clinical.refusal import InputError, RefusedInputError
from app.clinical.rulebook import Rulebook
from app.clinical.struct import documented
from app.clinical.warning import Caution

BOUNDARY: Final = "boundary_unspecified_in_paper"
Flag = Literal["boundary_unspecified_in_paper"]
_FLAGGED: Final[tuple[Flag, ...]] = (BOUNDARY,)
_STRAIN_POINTER: Final = "/echocardiogram/ap4_strain_percent"


@documented
class LeftVentricleAnswer(msgspec.Struct, gc=False):
    """The left ventricle. Strain is reported, never labelled."""

    reduced: Annotated[Finding, Field(description="Reduced ejection fraction, or ventricular dysfunction as stated")]
    flags: Annotated[tuple[Flag, ...], Field(description="What the study leaves open at this value")]
    ap4_strain_percent: Annotated[
        float | None,
        Field(description="Apical four-chamber longitudinal strain, %, negative when the ventricle shortens"),
    ]
    strain_reference_percent: Annotated[
        float,
        Field(description="What the study calls normal, %: close to the paediatric mean, no lower limit of normal"),
    ]
    strain_difference_percent: Annotated[
        float | None,
        Field(description="Strain minus reference, percentage points; below 0 is better than the reference"),
    ]


@dataclass(slots=True)
class LeftVentricleJudgement:
    """The answer and warnings."""

    answer: LeftVentricleAnswer
    cautions: tuple[Caution, ...]


class LeftVentricle:
    """The study's reading of the left ventricle, compiled from `misc-phenotype-2023`."""

    def __init__(self, rulebook: Rulebook) -> None:
        rules = rulebook["misc-phenotype-2023"]
        c = Criteria(rules)
        self._reduced = c.compact("lv.reduced", "lv", "first_known")
        self._stated = c.stated("lv.reduced.stated", "lv.stated", "echocardiogram.ventricular_dysfunction")
        self._lvef = c.measured("lv.lvef", "lvef.reduced", "echocardiogram.lvef_percent")
        self._is_normal = rules.threshold("lvef.normal").is_met
        self._is_shortening = rules.threshold("strain.negative").is_met
        self._reference = rules.number("strain.reference")
        self._shown_reference = float(self._reference)
        self._sign = rules.text("sign")
        self._boundary = Caution(code=BOUNDARY, message=rules.text("boundary"))
        self._disagree = Caution(code="stated_and_measured_disagree", message=rules.text("disagree.lv"))

    def strain(self, echo: Echocardiogram) -> float | None:
        """Return the strain, negative when the ventricle shortens.

        Raises `RefusedInputError` (`strain_sign_ambiguous`) for a positive number whose convention is not given.
        """
        strain = echo.ap4_strain_percent
        if strain is None or echo.sign_convention == "shortening_is_negative":
            return strain
        if echo.sign_convention == "shortening_is_positive":
            return -strain
        if not self._is_shortening(strain):
            raise RefusedInputError(InputError(_STRAIN_POINTER, "strain_sign_ambiguous", self._sign))
        return strain

    def judge(self, facts: Facts) -> LeftVentricleJudgement:
        """Judge one child whose strain has been accepted."""
        lvef = self._lvef.measured(facts.echo.lvef_percent)
        stated = self._stated.stated(facts.echo.ventricular_dysfunction)
        at_boundary = lvef.status == NOT_MET and not self._is_normal(facts.echo.lvef_percent or 0)
        strain = self.strain(facts.echo)
        difference = None if strain is None else float(significant(exact(strain) - self._reference))
        answer = LeftVentricleAnswer(
            self._reduced(stated, lvef), _FLAGGED if at_boundary else (), strain, self._shown_reference, difference
        )
        found = [self._boundary] if at_boundary else []
        if disagree(stated, lvef):
            found.append(self._disagree)
        return LeftVentricleJudgement(answer, tuple(found))
