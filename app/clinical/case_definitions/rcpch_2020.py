"""The Royal College of Paediatrics and Child Health's definition of PIMS-TS, 1 May 2020. It prints no numbers."""

from __future__ import annotations

from typing import Final

from app.clinical.case_definitions.compact import Compact
from app.clinical.case_definitions.shared import NO_SYMPTOMS, Shared, fact
from app.clinical.criteria import Criteria
from app.clinical.evidence import Combination, Criterion, Finding
from app.clinical.facts import Facts
from app.clinical.rulebook import Rulebook

RULE_SET: Final = "rcpch-2020"
_ID: Final = "rcpch_2020"
_DYSFUNCTION: Final = ("cardiac", "respiratory", "renal", "gastrointestinal", "neurologic")


class Rcpch2020:
    """Fever, inflammation, organ dysfunction, further features, no other microbe; a SARS-CoV-2 test may be either."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rules = rules = rulebook[RULE_SET]
        c, source = Criteria(rules), rules.cite(rules.parameter("organs.needed"))
        self._fever = Criterion(f"{_ID}.fever", "Persistent fever, as stated", "fever.persistent", source=source)
        self._inflammation = Combination(
            f"{_ID}.inflammation", "Neutrophilia, elevated CRP and lymphopenia", "all", source=source
        )
        self._organ = {o: _organ(o) for o in _DYSFUNCTION}
        self._organs = c.at_least(f"{_ID}.organs", "organs.needed")
        self._node = fact("kawasaki_signs.cervical_lymphadenopathy", "Cervical lymphadenopathy")
        self._other = fact("symptoms.other_pims_ts_features", "Another feature of appendix 1")
        self._features = c.at_least(f"{_ID}.features", "features.needed")
        self._no_microbe = Compact(f"{_ID}.no_microbial_cause", "No other microbial cause", "not", source=source)
        self._all = Combination(_ID, rules.content.rule_set.title, "all", source=source)

    def judge(self, facts: Facts, shared: Shared) -> Finding:
        """Decide the definition; persistent fever must be stated, as no temperature is agreed upon."""
        return self._all(
            self._fever.stated(facts.fever.persistent),
            self._inflammation(shared.neutrophils, shared.crp, shared.lymphocytes),
            self._organs(shared.shock, *[c.stated(getattr(facts.organs, o)) for o, c in self._organ.items()]),
            self._features_of(facts, shared),
            self._no_microbe(shared.microbial),
        )

    def _features_of(self, facts: Facts, shared: Shared) -> Finding:
        return self._features(
            shared.skin_and_mucosa,
            shared.bowel,
            self._node.stated(facts.signs.cervical_lymphadenopathy),
            shared.hypotension,
            self._other.stated((facts.request.symptoms or NO_SYMPTOMS).other_pims_ts_features),
        )


def _organ(name: str) -> Criterion:
    return Criterion(f"{_ID}.organs.{name}", f"{name.capitalize()} dysfunction", f"organ_involvement.{name}")
