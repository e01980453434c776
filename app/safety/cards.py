"""Cards: one for each rule set, from its file and the notes about it."""

from __future__ import annotations

from collections.abc import Iterator

from app.clinical.plausibility import Interval
from app.clinical.rulebook import LoadedRuleSet, Rulebook
from app.clinical.rulebook.analytes import AnalyteRule, Span
from app.clinical.rulebook.catalogue import citation
from app.clinical.rulebook.model import Range, Source
from app.safety.files import Data, SafetyDataError
from app.safety.parts import AlgorithmCard, AttributeUse, CardInput, CardNotes

# Fields whose ranges stand under another name.
_MEASURES = {
    "lad_z": "coronary_z",
    "rca_z": "coronary_z",
    "lad_mm": "coronary_mm",
    "celsius": "temperature_celsius",
    "hours_since_end": "duration_hours",
}
_UNUSED = "not used"
_READ = {
    "primary": "read in a primary copy",
    "secondary": "read in a secondary copy",
    "general_knowledge": "general knowledge, no copy read",
    "study": "the study itself",
    "decision": "our own decision",
}


def cards_of(rulebook: Rulebook, data: Data) -> tuple[AlgorithmCard, ...]:
    """Return the cards of every rule set that somebody wrote notes about."""
    inputs = _Inputs(rulebook)
    return tuple(card(rules, data.cards[rules.id], inputs) for rules in rulebook.all() if rules.id in data.cards)


def card(rules: LoadedRuleSet, notes: CardNotes, inputs: _Inputs) -> AlgorithmCard:
    """Return one rule set's card."""
    header = rules.content.rule_set
    return AlgorithmCard(
        id=rules.id,
        version=header.version,
        sha256=rules.sha256,
        origin=rules.origin,
        title=header.title,
        purpose=header.purpose,
        intended=notes.intended,
        forbidden=notes.forbidden,
        inputs=tuple(inputs(name, rules) for name in notes.inputs),
        logic=notes.logic,
        rules=f"/v1/rules/{rules.id}",
        sources=tuple(map(_source, rules.content.source)),
        validation=notes.validation,
        failures=notes.failures,
        subgroups=notes.subgroups,
        attributes=tuple(_attributes(rules)),
        limitations=header.limitations,
        change=notes.change,
    )


def _source(source: Source) -> str:
    return f"{citation(source)} ({_READ[source.reading]})"


def _attributes(rules: LoadedRuleSet) -> Iterator[AttributeUse]:
    for name, use in rules.content.rule_set.uses.model_dump().items():
        if use != _UNUSED:
            yield AttributeUse(name=name, use=use)


class _Inputs:
    """Looks an input's unit and ranges up: measures of the child by their field, analytes by their name."""

    def __init__(self, rulebook: Rulebook) -> None:
        self._ranges = {r.id: r for r in rulebook["body-measures"].content.range}
        analytes = rulebook["quantities"].content.analyte
        self._analytes = {a.slug: a for a in analytes}
        self._fields = {a.field: a for a in analytes if a.field}

    def __call__(self, name: str, rules: LoadedRuleSet) -> CardInput:
        """Return an input. `field=row` takes the range or the threshold of that id of the rule set itself."""
        field, _, row = name.partition("=")
        if row:
            return _of_row(field, row, rules)
        kind, _, rest = name.partition(":")
        if kind == "analyte":
            if rest not in self._analytes:
                raise SafetyDataError(f"there is no analyte {rest!r}")
            return _of_analyte(self._analytes[rest], f"labs: {rest}")
        if name in self._fields:
            return _of_analyte(self._fields[name], name)
        return self._of_measure(name)

    def _of_measure(self, name: str) -> CardInput:
        last = name.rpartition(".")[2]
        measure = name if name.startswith("infusion.") else _MEASURES.get(last, last)
        possible, plausible = (self._ranges.get(f"{measure}.{tier}") for tier in ("possible", "plausible"))
        unit = None if possible is None else possible.unit
        return CardInput(name=name, unit=unit, possible=_text(possible), plausible=_text(plausible))


def _of_row(field: str, row: str, rules: LoadedRuleSet) -> CardInput:
    """Return an input that is bounded by the rule set itself."""
    if rules.has("range", row):
        bounds = rules.range(row)
        return CardInput(name=field, unit=bounds.unit, possible=_text(bounds))
    limit = rules.threshold(row)
    return CardInput(name=field, unit=limit.unit, possible=limit.text)


def _of_analyte(analyte: AnalyteRule, name: str) -> CardInput:
    unit = analyte.canonical
    possible, plausible = (_interval(s).text(unit) for s in (analyte.possible, analyte.plausible))
    return CardInput(name=name, unit=unit, possible=possible, plausible=plausible)


def _interval(span: Span) -> Interval:
    return Interval(span.low, span.high)


def _text(span: Range | None) -> str | None:
    if span is None:
        return None
    ends = span.low_bound == "inclusive", span.high_bound == "inclusive"
    return Interval(span.low, span.high, *ends).text(span.unit)


def inputs_of(rulebook: Rulebook) -> _Inputs:
    """Return the look-up of inputs."""
    return _Inputs(rulebook)
