"""The MIS-C case definitions: CDC 2020, CSTE/CDC 2023, WHO 2020 and RCPCH 2020, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from app.clinical.case_definitions.cdc_2020 import Cdc2020
from app.clinical.case_definitions.cste_2023 import Cste2023, CsteFinding
from app.clinical.case_definitions.rcpch_2020 import Rcpch2020
from app.clinical.case_definitions.shared import SharedCriteria
from app.clinical.case_definitions.who_2020 import Who2020
from app.clinical.evidence import Finding
from app.clinical.facts import Facts
from app.clinical.rulebook import Rulebook
from app.clinical.warning import Caution

__all__ = ["CaseDefinitions", "CaseDefinitionsResult", "CsteFinding"]


if TYPE_CHECKING:

    class _Cautioned:
        cautions: tuple[Caution, ...]

else:

    class _Cautioned:
        """Room for the warnings, which an answer shows among its own.

        Type checkers are shown another class: they overlook a base's slots when a dataclass adds its own.
        """

        __slots__ = ("cautions",)


@dataclass(slots=True)
class CaseDefinitionsResult(_Cautioned):
    """Each definition's Finding. They differ by design: none is derived from another."""

    cdc_2020: Annotated[Finding, Field(description="CDC 2020 (HAN-00432), the study's definition")]
    cste_2023: Annotated[CsteFinding, Field(description="CSTE/CDC 2023, with the surveillance class")]
    who_2020: Annotated[Finding, Field(description="WHO 2020, preliminary definition")]
    rcpch_2020: Annotated[Finding, Field(description="RCPCH 2020, PIMS-TS")]


class CaseDefinitions:
    """The four definitions, built once from the rulebook."""

    def __init__(self, rulebook: Rulebook) -> None:
        self._shared = SharedCriteria(rulebook["aha-kd-2017"])
        self._cdc = Cdc2020(rulebook)
        self._cste = Cste2023(rulebook)
        self._who = Who2020(rulebook)
        self._rcpch = Rcpch2020(rulebook)
        self.rule_sets = (self._cdc.rules, self._cste.rules, self._who.rules, self._rcpch.rules)

    def judge(
        self, facts: Facts, *, hypotension: Finding | None = None, cv_shock: Finding | None = None
    ) -> CaseDefinitionsResult:
        """Judge all four; every unknown names the fewest inputs that could decide it.

        `hypotension` and `cv_shock` are the Findings of the shock rules, shown in full there. CV shock proves shock
        when met and proves nothing otherwise. Without them only the clinician's statements count.
        """
        shared = self._shared.judge(facts, hypotension, cv_shock)
        result = CaseDefinitionsResult(
            self._cdc.judge(facts, shared),
            self._cste.judge(facts, shared),
            self._who.judge(facts, shared),
            self._rcpch.judge(facts, shared),
        )
        result.cautions = tuple(dict.fromkeys(shared.cautions))
        return result
