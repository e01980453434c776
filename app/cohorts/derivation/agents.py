"""The agent of a corticosteroid is one of a list: a word of one's own could be a person's name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from app.clinical.refusal import InputError
from app.cohorts.records import Treatment

_AGENTS: Final = (
    "beclomethasone",
    "betamethasone",
    "budesonide",
    "cortisone",
    "deflazacort",
    "dexamethasone",
    "fludrocortisone",
    "fluticasone",
    "hydrocortisone",
    "methylprednisolone",
    "mometasone",
    "prednisolone",
    "prednisone",
    "triamcinolone",
)
_SALTS: Final = frozenset(
    ("acetate", "acetonide", "disodium", "hemisuccinate", "hexacetonide", "phosphate", "sodium", "succinate")
)
_AGENT: Final = (
    "This is no corticosteroid's generic name (with or without its salt). The agent is a word of a list, so that no"
    " person's name finds a place here; send null where none fits."
)


def unknown_agents(treatment: Treatment) -> Iterator[InputError]:
    """Yield a fault for each agent that is no corticosteroid's generic name, with or without its salt."""
    for place, steroid in enumerate(treatment.corticosteroids or ()):
        if steroid.agent is not None and not _is_agent(steroid.agent):
            yield InputError(f"/treatment/corticosteroids/{place}/agent", "agent_unknown", _AGENT, _AGENTS)


def _is_agent(text: str) -> bool:
    first, *rest = text.lower().replace("-", " ").split(" ")
    return first in _AGENTS and _SALTS.issuperset(rest)
