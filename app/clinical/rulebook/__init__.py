"""The rulebook: every clinical number, in versioned TOML files beside this module, with unit, bound and source."""

from app.clinical.rulebook.loader import (
    LoadedRuleSet,
    Rulebook,
    RulebookError,
    RuleSet,
    load_rule_file,
    load_rulebook,
)
from app.clinical.rulebook.model import Provenance, RuleRef, SourceRef

__all__ = [
    "LoadedRuleSet",
    "Provenance",
    "RuleRef",
    "RuleSet",
    "Rulebook",
    "RulebookError",
    "SourceRef",
    "load_rule_file",
    "load_rulebook",
]
