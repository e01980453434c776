"""The HScore for reactive hemophagocytic syndrome (Fardet 2014): nine items, a range while some are missing."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final

import msgspec
from pydantic import Field

from app.clinical.evidence import MET, NOT_MET, UNKNOWN, Truth
from app.clinical.facts import Facts
from app.clinical.hscore_items import BandedItem, Cytopenia, HScoreItem, Organomegaly, StatedItem
from app.clinical.presentation import Hemophagocytic, Presentation
from app.clinical.rulebook import LoadedRuleSet, Rulebook, RulebookError
from app.clinical.struct import documented

RULE_SET: Final = "hscore-2014"
NOTHING: Final = Hemophagocytic()
# A child of whom nothing is known: each item at its full range.
NOBODY: Final = Facts.of(Presentation(age_years=1), {})


@documented
class HScoreResult(msgspec.Struct, gc=False):
    """The score that is certain, the score that is possible, and the printed probabilities around them."""

    minimum: Annotated[int, Field(description="Score if every missing item gives its fewest points")]
    maximum: Annotated[int, Field(description="Score if every missing item gives its most points")]
    complete: Annotated[bool, Field(description="No item is missing: minimum and maximum are the score")]
    probability: Annotated[
        tuple[float, float],
        Field(
            description="Probability of hemophagocytic syndrome, 0 to 1: printed for the tabulated score at or below "
            "`minimum`, and for the one above `maximum`"
        ),
    ]
    reaches_cutoff: Annotated[Truth, Field(description="Whether the score reaches the published best cut-off")]
    missing: Annotated[tuple[str, ...], Field(description="The inputs that would complete the score")]
    items: Annotated[tuple[HScoreItem, ...], Field(description="Each item and its points")]
    note: Annotated[str, Field(description="What to know when reading the score")]


class HScore:
    """The score's points, cut-off and probabilities, from `hscore-2014.toml`."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rules = rules = rulebook[RULE_SET]
        self._immunosuppression = StatedItem(rules, "known_immunosuppression")
        self._marrow = StatedItem(rules, "marrow_hemophagocytosis")
        self._temperature = BandedItem(rules, "temperature", "fever.maximum_celsius")
        self._labs = tuple(
            BandedItem(rules, slug, f"labs.{slug}") for slug in ("ferritin", "triglycerides", "fibrinogen", "ast")
        )
        self._organomegaly = Organomegaly(rules)
        self._cytopenia = Cytopenia(rules)
        self._reaches = rules.threshold("cutoff").is_met
        self._probability = _brackets(rules, self._items(NOBODY))
        self._note = rules.text("scope")

    def judge(self, facts: Facts) -> HScoreResult:
        """Count the points; a missing item never counts as none."""
        items = self._items(facts)
        minimum, maximum = sum(i.minimum for i in items), sum(i.maximum for i in items)
        # The brackets are those of the printed scores around the range: no figure is invented between two of them.
        missing = tuple([name for item in items for name in item.missing])
        return HScoreResult(
            minimum,
            maximum,
            not missing,
            (self._probability[minimum][0], self._probability[maximum][1]),
            self._cutoff(minimum, maximum),
            missing,
            items,
            self._note,
        )

    def _items(self, facts: Facts) -> tuple[HScoreItem, ...]:
        stated = facts.request.hemophagocytic or NOTHING
        return (
            self._immunosuppression.judge(stated.known_immunosuppression),
            self._temperature.judge(facts.fever.maximum_celsius),
            self._organomegaly.judge(stated.hepatomegaly, stated.splenomegaly),
            self._cytopenia.judge(facts),
            *[item.judge(facts.lab(item.id)) for item in self._labs],
            self._marrow.judge(stated.marrow_hemophagocytosis),
        )

    def _cutoff(self, minimum: int, maximum: int) -> Truth:
        if self._reaches(minimum):
            return MET
        return UNKNOWN if self._reaches(maximum) else NOT_MET


def _brackets(rules: LoadedRuleSet, unknown: tuple[HScoreItem, ...]) -> tuple[tuple[float, float], ...]:
    """Return the printed probabilities at or below, and above, each score that can be reached."""
    table, brackets = rules.table("probability"), []
    for score in range(sum(i.maximum for i in unknown) + 1):
        band = table.find(Decimal(score))
        if band is None or band.low is None or band.high is None:
            raise RulebookError(f"{rules.file}: table 'probability' needs low and high for a score of {score}")
        brackets.append((float(band.low), float(band.high)))
    return tuple(brackets)
