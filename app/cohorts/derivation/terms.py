"""The names under which adverse events are sent: CTCAE terms, and the events as the study names them."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from app.clinical.ctcae.grades import Grade
from app.clinical.ctcae.names import ListedName
from app.clinical.ctcae.terms import Version, slug_of
from app.clinical.refusal import InputError, RefusedInputError
from app.clinical.rulebook import LoadedRuleSet, RulebookError
from app.clinical.rulebook.ctcae_terms import ReplacedRule
from app.cohorts.variables import EVENTS, UNGRADED

_GRADES: Final = tuple(int(g) for g in Grade if g)
_PREFIX: Final = "event."
_KEPT: Final = 4096
_NOT_AN_EVENT: Final = (
    "CTCAE has no such term, and no event of the study goes by it. GET /v1/ctcae/terms lists the terms."
)
_NO_GRADE: Final = "The term does not have this grade."
_UNGRADED: Final = "Re-hospitalization has no grade: leave it out, or send 0 when it did not occur."


class EventTerm(NamedTuple):
    """What a name means: the CTCAE term's slug (or the event's own name), the study's event, the grades that exist."""

    slug: str
    event: str | None
    grades: tuple[int, ...]


class EventTerms:
    """Finds names of adverse events, by one version of CTCAE and the study's own list (`misc-cohort-2023`)."""

    def __init__(self, version: Version, rules: LoadedRuleSet) -> None:
        self._version = version
        # A version may lack a term (6.0 has folded rashes into one), but no event may be left without any.
        self.events = {term: event for term, event in _events(rules).items() if term in version.terms}
        lost = set(EVENTS) - {UNGRADED, *self.events.values()}
        if lost:
            raise RulebookError(f"{rules.file}: no term of CTCAE {version.version} stands for {min(lost)!r}")
        self._known = lru_cache(maxsize=_KEPT)(self._look)

    def find(self, name: str, *, suggest: bool = True) -> EventTerm:
        """Return what a name means. Raises `RefusedInputError` at `/term`: `term_unknown`, `term_not_in_version`.

        To search for names alike takes milliseconds: of many faults only the first needs it.
        """
        found = self._known(name, suggest=suggest)
        if isinstance(found, EventTerm):
            return found
        raise RefusedInputError(*found)

    def _look(self, name: str, *, suggest: bool) -> EventTerm | tuple[InputError, ...]:
        try:
            return self._meant(name, suggest=suggest)
        except RefusedInputError as refusal:
            return refusal.errors

    def _meant(self, name: str, *, suggest: bool) -> EventTerm:
        slug = slug_of(name)
        if slug in EVENTS and slug not in self._version.terms:
            return EventTerm(slug, slug, () if slug == UNGRADED else _GRADES)
        meant = self._version.find(name, suggest=suggest).meant
        if isinstance(meant, ReplacedRule):
            if slug_of(meant.name) == "re_hospitalization":
                return EventTerm(UNGRADED, UNGRADED, ())
            raise RefusedInputError(InputError("/term", "term_unknown", _NOT_AN_EVENT, tuple(EVENTS)))
        if isinstance(meant, ListedName):
            return EventTerm(meant.slug, self.events.get(meant.slug), meant.grades)
        rule = meant.rule
        return EventTerm(rule.slug, self.events.get(rule.slug), rule.grades)


def check_grade(term: EventTerm, grade: int | None) -> InputError | None:
    """Refuse a grade that a term does not have; 0 says that the event was looked for and not there."""
    if not grade or grade in term.grades:
        return None
    if term.slug == UNGRADED:
        return InputError("/grade", "grade_not_in_term", _UNGRADED)
    return InputError("/grade", "grade_not_in_term", _NO_GRADE, tuple(map(str, term.grades)))


def _events(rules: LoadedRuleSet) -> dict[str, str]:
    """Return the study's event of each CTCAE term: rows named `event.<event>.<term>`."""
    found: dict[str, str] = {}
    for row in rules.content.text:
        if row.id.startswith(_PREFIX):
            _, event, term = row.id.split(".")
            if event not in EVENTS:
                raise RulebookError(f"{rules.file}: text {row.id!r}: {event!r} is no event of the study")
            found[term] = event
    return found
