"""Vasoactive infusions: is any running, and what is their score (Gaies 2010)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Final, get_args

from app.clinical.arithmetic import exact, significant
from app.clinical.criteria import Criteria
from app.clinical.evidence import Finding
from app.clinical.facts import Facts
from app.clinical.presentation import Agent, VasoactiveInfusion
from app.clinical.refusal import InputError, RefusedInputError
from app.clinical.rulebook import Rulebook
from app.clinical.warning import Caution

AGENTS: Final[tuple[Agent, ...]] = get_args(Agent)
_LIST: Final = "hemodynamics.vasoactive_infusions"
_POINTER: Final = "/hemodynamics/vasoactive_infusions"
_ZERO: Final = Decimal(0)


class Vasoactives:
    """The vasoactive agents, compiled from `vis-2010` (weights) and `misc-cv-shock-2023`."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rules = rulebook["vis-2010"]
        shock = Criteria(rulebook["misc-cv-shock-2023"])
        self._weights = {
            a: self.rules.number(f"weight.{a}") for a in AGENTS if self.rules.has("parameter", f"weight.{a}")
        }
        self._outside = Caution(code="agents_outside_vis", message=self.rules.text("outside"))
        self._list_unknown = shock.stated("shock.vasoactive.running", "vasoactive.derived", _LIST).stated(None)
        self._any_running = shock.compact("shock.vasoactive.running", "vasoactive.derived", "any")
        self._running = {
            agent: shock.measured(f"shock.vasoactive.running.{agent}", "running", f"{_LIST}.{agent}.rate")
            for agent in AGENTS
        }

    def running(self, facts: Facts) -> Finding:
        """Say whether any infusion runs: no list is unknown, an empty one is none, a rate of null is unknown."""
        infusions = facts.hemodynamics.vasoactive_infusions
        if infusions is None:
            return self._list_unknown
        return self._any_running(*[self._running[i.agent].measured(i.rate) for i in infusions])

    @staticmethod
    def may_run(facts: Facts) -> bool:
        """Say whether an infusion is listed that is not known to stand still."""
        return any(i.rate != 0 for i in facts.hemodynamics.vasoactive_infusions or ())

    def score(self, facts: Facts) -> float | None:
        """Return the vasoactive-inotropic score; None while the list or the rate of one of its agents is unknown."""
        infusions = facts.hemodynamics.vasoactive_infusions
        if infusions is None:
            return None
        score = _ZERO
        for infusion in infusions:
            weight = self._weights.get(infusion.agent)
            if weight is None:
                continue
            if infusion.rate is None:
                return None
            score += weight * exact(infusion.rate)
        return float(significant(score))

    def outside_score(self, facts: Facts) -> tuple[Caution, ...]:
        """Warn when an infusion that the score does not count is running or may be."""
        infusions = facts.hemodynamics.vasoactive_infusions or ()
        outside = any(i.agent not in self._weights and i.rate != 0 for i in infusions)
        return (self._outside,) if outside else ()


def rates(infusions: Sequence[VasoactiveInfusion]) -> Iterator[tuple[str, float | None, str]]:
    """Yield the rates as `Quantities.check_each` takes them, to catch slips of unit.

    Raises `RefusedInputError` `agent_repeated`: the rates of two entries of one agent would add up unseen.
    """
    repeated = _repeated(infusions)
    if repeated:
        raise RefusedInputError(*repeated)
    for i, infusion in enumerate(infusions):
        yield f"infusion.{infusion.agent}", infusion.rate, f"{_POINTER}/{i}/rate"


def _repeated(infusions: Sequence[VasoactiveInfusion]) -> list[InputError]:
    agents = [infusion.agent for infusion in infusions]
    if len(set(agents)) == len(agents):
        return []
    return [
        InputError(f"{_POINTER}/{i}/agent", "agent_repeated", "Send each agent once, with its total rate.")
        for i, agent in enumerate(agents)
        if agents.count(agent) > 1
    ]
