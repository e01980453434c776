"""Put the safety case of a running service together: the data, its rule sets, the packages it runs on."""

from __future__ import annotations

from collections import Counter

from app import __version__
from app.clinical.rulebook import Rulebook
from app.safety.cards import cards_of
from app.safety.files import Data, load
from app.safety.parts import CaseSummary, SafetyCase
from app.safety.soup import installed


def safety_case(rulebook: Rulebook) -> SafetyCase:
    """Return the safety case; some tenths of a second the first time, so not on the event loop."""
    data = load()
    return SafetyCase(
        version=__version__,
        use=data.use,
        software_class=data.software_class,
        matrix=data.matrix,
        summary=_summary(data, rulebook),
        hazards=data.hazards,
        requirements=data.requirements,
        cards=cards_of(rulebook, data),
        fda_cds=data.fda_cds,
        onc_hti_1=data.onc_hti_1,
        soup=installed(data.soup),
    )


def _summary(data: Data, rulebook: Rulebook) -> CaseSummary:
    statuses = Counter(h.status for h in data.hazards)
    levels = Counter(h.residual_risk.level for h in data.hazards)
    return CaseSummary(
        hazards=len(data.hazards),
        by_status={status: statuses[status] for status in ("controlled", "tolerated", "open", "planned")},
        by_residual_level={str(one.level): levels[one.level] for one in data.matrix.levels},
        open=tuple(h.id for h in data.hazards if h.status == "open"),
        planned=tuple(h.id for h in data.hazards if h.status == "planned"),
        requirements=len(data.requirements),
        rule_sets_without_card=tuple(s.id for s in rulebook.all() if s.id not in data.cards),
    )
