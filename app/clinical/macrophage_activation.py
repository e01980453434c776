"""Macrophage activation: the 2016 classification criteria, and the HScore as a range when items are missing.

Neither was validated in MIS-C; every answer says so.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from pydantic import Field

from app.clinical.criteria import Criteria
from app.clinical.evidence import Combination, Criterion, Finding
from app.clinical.facts import Facts
from app.clinical.hscore import HScore, HScoreResult
from app.clinical.rulebook import Rulebook
from app.clinical.struct import documented

RULE_SET: Final = "ravelli-mas-2016"
_ID: Final = "ravelli_2016"


@documented
class MacrophageActivationResult(msgspec.Struct, gc=False):
    """Two views of macrophage activation; neither is a diagnosis."""

    ravelli_2016: Annotated[Finding, Field(description="EULAR/ACR/PRINTO 2016 classification criteria")]
    hscore: Annotated[HScoreResult, Field(description="HScore 2014, a range when items are missing")]


class MacrophageActivation:
    """The two rule sets, built once from the rulebook."""

    def __init__(self, rulebook: Rulebook) -> None:
        self._ravelli = Ravelli2016(rulebook)
        self._hscore = HScore(rulebook)
        self.rule_sets = (self._ravelli.rules, self._hscore.rules)

    def judge(self, facts: Facts) -> MacrophageActivationResult:
        """Judge the criteria and count the score."""
        return MacrophageActivationResult(self._ravelli.judge(facts), self._hscore.judge(facts))


class Ravelli2016:
    """A febrile child with high ferritin and two of four: platelets, AST, triglycerides, fibrinogen."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rules = rules = rulebook[RULE_SET]
        c, source = Criteria(rules), rules.cite(rules.threshold("ferritin"))
        self._temperature = c.measured(f"{_ID}.fever.temperature", "fever.temperature", "fever.maximum_celsius")
        self._subjective = Criterion("fever.subjective", "Fever reported", "fever.subjective")
        self._fever = Combination(f"{_ID}.fever", "Febrile", "any", source=source)
        self._ferritin = c.measured(f"{_ID}.ferritin", "ferritin", "labs.ferritin")
        self._platelets = c.measured(f"{_ID}.platelets", "platelets", "labs.platelets")
        self._ast = c.measured(f"{_ID}.ast", "ast", "labs.ast")
        self._triglycerides = c.measured(f"{_ID}.triglycerides", "triglycerides", "labs.triglycerides")
        self._fibrinogen = c.measured(f"{_ID}.fibrinogen", "fibrinogen", "labs.fibrinogen")
        self._others = c.at_least(f"{_ID}.others", "others.needed")
        title = rules.content.rule_set.title
        self._all = Combination(_ID, title, "all", source=source, note=rules.text("scope"))

    def judge(self, facts: Facts) -> Finding:
        """Decide the criteria; whether another condition explains the values is for a clinician."""
        return self._all(self._fever_of(facts), self._ferritin.measured(facts.lab("ferritin")), self._others_of(facts))

    def _fever_of(self, facts: Facts) -> Finding:
        fever = facts.fever
        return self._fever(self._temperature.measured(fever.maximum_celsius), self._subjective.stated(fever.subjective))

    def _others_of(self, facts: Facts) -> Finding:
        return self._others(
            self._platelets.measured(facts.lab("platelets")),
            self._ast.measured(facts.lab("ast")),
            self._triglycerides.measured(facts.lab("triglycerides")),
            self._fibrinogen.measured(facts.lab("fibrinogen")),
        )
