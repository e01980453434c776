"""The derivers in use: one for each set of options that some cohort was derived under."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from app.clinical.rulebook import Rulebook

if TYPE_CHECKING:
    from app.cohorts.derivation import DerivationOptions, Deriver
    from app.cohorts.store.model import Cohort

Rules = tuple[Mapping[str, Any], ...]
# Beside the first rule set of a cohort stand the options it was derived under.
OPTIONS: Final = "options"
_KEPT: Final = 16


class Derivers:
    """Makes derivers when they are first needed; each compiles the rules once."""

    def __init__(self, rulebook: Rulebook) -> None:
        self._rulebook = rulebook
        self.under = lru_cache(maxsize=_KEPT)(self._under)

    @property
    def default(self) -> Deriver:
        """The deriver under the default options."""
        from app.cohorts.derivation import DerivationOptions  # noqa: PLC0415  # not needed to start

        return self.under(DerivationOptions())

    def of(self, cohort: Cohort) -> Deriver:
        """Return the deriver under a cohort's own options, and the rules of today."""
        return self.under(options_of(cohort.rules))

    def _under(self, options: DerivationOptions) -> Deriver:
        from app.cohorts.derivation import Deriver  # noqa: PLC0415  # as above

        return Deriver(self._rulebook, options)


def rules_of(deriver: Deriver) -> Rules:
    """Return the rule sets of a deriver as a cohort keeps them."""
    first, *others = ({"id": r.id, "version": r.version, "sha256": r.sha256} for r in deriver.rules)
    return ({**first, OPTIONS: deriver.options.model_dump()}, *others)


def options_of(rules: Rules) -> DerivationOptions:
    """Return the options that a cohort was derived under."""
    from app.cohorts.derivation import DerivationOptions  # noqa: PLC0415  # as above

    return DerivationOptions.model_validate(rules[0].get(OPTIONS, {}) if rules else {})
