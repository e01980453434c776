"""Read, validate and index the rule files. A bad file stops the start, with file, key and reason."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import tomli
from pydantic import Field, ValidationError, model_validator

from app.clinical.rulebook.analytes import AmbiguousName, AnalyteRule, UnitRule
from app.clinical.rulebook.ctcae_terms import CtcaeTermRule, FactRule, NamesRule, ReplacedRule
from app.clinical.rulebook.growth_references import GrowthRule
from app.clinical.rulebook.model import (
    Header,
    Parameter,
    Provenance,
    Range,
    RuleModel,
    RuleRef,
    Source,
    Sourced,
    SourceRef,
    Table,
    Text,
    Threshold,
)

BUILT_IN = Path(__file__).parent
S = TypeVar("S", bound=Sourced)
Origin = Literal["built_in", "hospital"]


class RulebookError(Exception):
    """A rule file cannot be used: `str()` is a public message with file, key or line, and reason."""


class RuleSet(RuleModel):
    """One rule file, validated: its header, its sources and its numbers."""

    format: Literal[1]
    rule_set: Header
    source: tuple[Source, ...] = Field(min_length=1)
    threshold: tuple[Threshold, ...] = ()
    parameter: tuple[Parameter, ...] = ()
    range: tuple[Range, ...] = ()
    table: tuple[Table, ...] = ()
    text: tuple[Text, ...] = ()
    unit: tuple[UnitRule, ...] = ()
    analyte: tuple[AnalyteRule, ...] = ()
    ambiguous: tuple[AmbiguousName, ...] = ()
    growth: tuple[GrowthRule, ...] = ()
    term: tuple[CtcaeTermRule, ...] = ()
    fact: tuple[FactRule, ...] = ()
    replaced: tuple[ReplacedRule, ...] = ()
    names: NamesRule | None = None

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        known = {s.key for s in self.source}
        _refuse_repeats("source", (s.key for s in self.source))
        for kind, named in self.rows().items():
            _refuse_repeats(kind, (name for name, _ in named))
            for name, source in named:
                if source not in known:
                    raise ValueError(f"{kind} {name!r}: source {source!r} is not among the file's sources")
        _refuse_overlaps(self.range)
        return self

    def rows(self) -> dict[str, list[tuple[str, str]]]:
        """Return every row that must name a source: (name, source key) by kind."""
        sourced: dict[str, tuple[Sourced, ...]] = {
            "threshold": self.threshold,
            "parameter": self.parameter,
            "range": self.range,
            "table": self.table,
            "text": self.text,
        }
        return {kind: [(r.id, r.source) for r in rows] for kind, rows in sourced.items()} | {
            "analyte": [(a.slug, a.source) for a in self.analyte],
            "growth": [(g.id, g.source) for g in self.growth],
            "term": [(t.slug, t.source) for t in self.term],
            "names": [] if self.names is None else [(self.names.file, self.names.source)],
        }


def _refuse_repeats(kind: str, ids: Iterable[str]) -> None:
    repeated = [i for i, n in Counter(ids).items() if n > 1]
    if repeated:
        raise ValueError(f"{kind} {repeated[0]!r} stands twice")


def _refuse_overlaps(ranges: tuple[Range, ...]) -> None:
    """Ranges of a group may share an end (8 lies in 6-8 and in 8-10), never more."""
    for group in {r.group for r in ranges if r.group}:
        rows = sorted((r for r in ranges if r.group == group), key=lambda r: (r.low, r.high))
        for before, after in pairwise(rows):
            if after.low < before.high or (after.low, after.high) == (before.low, before.high):
                raise ValueError(
                    f"range {after.id!r} ({after.low} to {after.high}) overlaps range {before.id!r}"
                    f" ({before.low} to {before.high}) of group {group!r}"
                )


class LoadedRuleSet:
    """A rule set with its origin and hash, and its numbers by name.

    Asking for a number that the file does not hold raises `RulebookError` with file and key: topics ask for all
    they need when they are built, so a hospital's incomplete file stops the start and not a request.
    """

    def __init__(self, content: RuleSet, sha256: str, file: str, origin: Origin) -> None:
        self.content = content
        self.sha256 = sha256
        self.file = file
        self.origin = origin
        self._thresholds = {t.id: t for t in content.threshold}
        self._parameters = {p.id: p for p in content.parameter}
        self._ranges = {r.id: r for r in content.range}
        self._tables = {t.id: t for t in content.table}
        self._texts = {t.id: t for t in content.text}

    @property
    def id(self) -> str:
        """Return the rule set's id."""
        return self.content.rule_set.id

    @property
    def topic(self) -> str:
        """Return what the rule set is about."""
        return self.content.rule_set.topic

    def threshold(self, key: str) -> Threshold:
        """Return a threshold by id."""
        return self._named("threshold", self._thresholds, key)

    def parameter(self, key: str) -> Parameter:
        """Return a parameter by id."""
        return self._named("parameter", self._parameters, key)

    def number(self, key: str) -> Decimal:
        """Return a parameter's value by id."""
        return self.parameter(key).value

    def count(self, key: str) -> int:
        """Return a parameter that must be a whole number (2 of 5)."""
        value = self.number(key)
        if value != int(value):
            raise RulebookError(f"{self.file}: parameter {key!r} must be a whole number")
        return int(value)

    def range(self, key: str) -> Range:
        """Return a range by id."""
        return self._named("range", self._ranges, key)

    def table(self, key: str) -> Table:
        """Return a table by id."""
        return self._named("table", self._tables, key)

    def text(self, key: str) -> str:
        """Return a statement by id."""
        return self._named("text", self._texts, key).text

    def has(self, kind: Literal["threshold", "parameter", "range", "table", "text"], key: str) -> bool:
        """Say whether an optional number is there."""
        named: Mapping[str, Sourced] = getattr(self, f"_{kind}s")
        return key in named

    def cite(self, row: Sourced) -> str:
        """Write a number's source for people: "AHA 2017, Table 3 (doi ...)"."""
        source = next(s for s in self.content.source if s.key == row.source)
        locator = row.locator or source.locator
        parts = [f"{source.title} ({source.year})", *([locator] if locator else [])]
        return ", ".join(parts) + (f", doi {source.doi}" if source.doi else "")

    @cached_property
    def ref(self) -> RuleRef:
        """Return id, version and hash."""
        return RuleRef(id=self.id, version=self.content.rule_set.version, sha256=self.sha256)

    @cached_property
    def sources(self) -> tuple[SourceRef, ...]:
        """Return the sources as answers cite them."""
        return tuple(
            SourceRef(title=s.title, year=s.year, doi=s.doi, url=s.url, locator=s.locator) for s in self.content.source
        )

    def provenance(self, *includes: LoadedRuleSet) -> Provenance:
        """Return this rule set as an answer's `rules`, with the further sets that take part."""
        return Provenance(
            **self.ref.model_dump(),
            sources=tuple(dict.fromkeys([*self.sources, *(s for i in includes for s in i.sources)])),
            includes=tuple(i.ref for i in includes),
        )

    def _named(self, kind: str, rows: Mapping[str, S], key: str) -> S:
        try:
            return rows[key]
        except KeyError:
            raise RulebookError(f"{self.file}: {kind} {key!r} is missing from rule set {self.id!r}") from None


class Rulebook:
    """All rule sets by id."""

    def __init__(self, sets: Iterable[LoadedRuleSet]) -> None:
        self._sets = {s.id: s for s in sorted(sets, key=lambda s: s.id)}

    def __getitem__(self, rule_set_id: str) -> LoadedRuleSet:
        try:
            return self._sets[rule_set_id]
        except KeyError:
            raise RulebookError(f"rule set {rule_set_id!r} is missing from the rulebook") from None

    def get(self, rule_set_id: str) -> LoadedRuleSet | None:
        """Return a rule set, or None."""
        return self._sets.get(rule_set_id)

    def all(self) -> tuple[LoadedRuleSet, ...]:
        """Return every rule set, by id."""
        return tuple(self._sets.values())

    def of_topic(self, topic: str) -> tuple[LoadedRuleSet, ...]:
        """Return the rule sets of one topic, by id."""
        return tuple(s for s in self._sets.values() if s.topic == topic)


def load_rulebook(extra_dir: Path | None = None) -> Rulebook:
    """Load the built-in rule files and those of a hospital's folder, which add sets or replace them by id.

    Raises `RulebookError` naming the file, the key or line, and the reason.
    """
    sets = _load_folder(BUILT_IN, "built_in")
    if extra_dir is not None:
        if not extra_dir.is_dir():
            raise RulebookError(f"DEFERVESCE_RULES_DIR: {extra_dir} is not a folder")
        sets |= _load_folder(extra_dir, "hospital")
    return Rulebook(sets.values())


def _load_folder(folder: Path, origin: Origin) -> dict[str, LoadedRuleSet]:
    found: dict[str, LoadedRuleSet] = {}
    for path in sorted(folder.glob("*.toml")):
        loaded = load_rule_file(path, origin)
        if loaded.id in found:
            raise RulebookError(f"{path.name}: rule set {loaded.id!r} already stands in {found[loaded.id].file}")
        found[loaded.id] = loaded
    return found


def load_rule_file(path: Path, origin: Origin = "built_in") -> LoadedRuleSet:
    """Load one rule file; raises `RulebookError` with file, key or line, and reason."""
    try:
        raw = path.read_bytes()
        data = tomli.loads(raw.decode("utf-8"), parse_float=Decimal)
    except UnicodeDecodeError as error:
        raise RulebookError(f"{path.name}: not UTF-8 text (byte {error.start})") from error
    except tomli.TOMLDecodeError as error:
        raise RulebookError(f"{path.name}: not valid TOML: {error}") from error
    except OSError as error:
        raise RulebookError(f"{path.name}: cannot be read: {error.strerror}") from error
    try:
        content = RuleSet.model_validate(data)
    except ValidationError as error:
        raise RulebookError(_explain(path.name, data, error)) from error
    return LoadedRuleSet(content, hashlib.sha256(raw).hexdigest(), path.name, origin)


def _explain(file: str, data: Mapping[str, Any], error: ValidationError) -> str:
    reasons = [f"{_key(data, e['loc'])}{e['msg'].removeprefix('Value error, ')}" for e in error.errors()]
    return f"{file}: " + "; ".join(reasons)


def _key(data: Any, location: tuple[int | str, ...]) -> str:  # noqa: ANN401 - parsed TOML
    """Write a place in the file as its author sees it: `threshold 'fever.duration', value: `."""
    words: list[str] = []
    for step in location:
        data = _step_into(data, step)
        name = data.get("id") or data.get("key") or data.get("slug") if isinstance(data, dict) else None
        words.append(f"{step + 1 if name is None else repr(name)}" if isinstance(step, int) else f"{step}")
    return f"{' '.join(words)}: " if words else ""


def _step_into(data: Any, step: int | str) -> Any:  # noqa: ANN401 - parsed TOML
    try:
        return data[step]
    except (KeyError, IndexError, TypeError):
        return None
