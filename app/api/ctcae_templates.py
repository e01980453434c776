"""The JSON of laboratory answers, made once for each judgement and filled with each row's index and value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

import msgspec
from pydantic import TypeAdapter

from app.clinical.arithmetic import SIGNIFICANT_DIGITS
from app.clinical.ctcae.answers import Value, answer, canonical, laboratory_verdict
from app.clinical.ctcae.bulk.names import Kind
from app.clinical.ctcae.laboratory_terms import LaboratoryTerm, Placement
from app.clinical.ctcae.models import AnalyteAnswer, GradeAnswer
from app.clinical.ctcae.scales import Judged
from app.clinical.ctcae.terms import Version
from app.clinical.plausibility import unusual
from app.clinical.warning import Caution

_HOLE: Final = "\x00"
_KEPT: Final = 8192
_REFERENCE: Final = ("id", "version", "sha256")
_INDEX: Final = b'{"index":%d,"status":200,"result":'
_NUMBER: Final = f"%.{SIGNIFICANT_DIGITS}g".encode()
_answers: TypeAdapter[GradeAnswer | AnalyteAnswer] = TypeAdapter(GradeAnswer | AnalyteAnswer)


class Pattern(NamedTuple):
    """Everything that an answer says but for its numbers."""

    version: Version
    placement: Placement
    term: LaboratoryTerm
    kind: Kind
    judged: Judged
    stated: frozenset[str]
    is_unusual: bool


class Template(NamedTuple):
    """JSON with a hole: for nothing, for the value, or for value, unit and conversion."""

    before: bytes
    after: bytes
    hole: Literal["none", "value", "value_and_conversion"]
    placement: Placement


def written(
    templates: Sequence[Template], which: Sequence[int], indices: Iterable[int], values: Sequence[float]
) -> list[bytes]:
    """Write one answer for each row: its template by number, its index, its value."""
    before, after = [t.before for t in templates], [t.after for t in templates]
    if all(t.hole == "value" for t in templates):
        fillings: Iterable[bytes] = map(_NUMBER.__mod__, values)
    else:
        fillings = (_filled(templates[w], v) for w, v in zip(which, values, strict=True))
    parts = zip(
        map(_INDEX.__mod__, indices),
        map(before.__getitem__, which),
        fillings,
        map(after.__getitem__, which),
        strict=True,
    )
    return list(map(b"".join, parts))


def _filled(template: Template, value: float) -> bytes:
    if template.hole == "value":
        return _NUMBER % value
    if template.hole == "none":
        return b""
    shown = canonical(template.placement, value)
    parts = (shown.value, shown.unit, shown.conversion)
    return b'%b,"canonical_unit":%b,"conversion":%b' % tuple(map(msgspec.json.encode, parts))


def batch_form(made: GradeAnswer | AnalyteAnswer) -> dict[str, Any]:
    """Return an answer as it stands in a batch: the rule set by its reference, and no working."""
    found: dict[str, Any] = _answers.dump_python(made, mode="json")
    for result in (found, *found.get("results", ())):
        result["rules"] = {name: result["rules"][name] for name in _REFERENCE}
        if "working" in result:
            result["working"] = []
    return found


@lru_cache(maxsize=_KEPT)
def template_of(pattern: Pattern) -> Template:
    """Make the template of a pattern."""
    placement = pattern.placement
    warnings: tuple[Caution, ...] = () if pattern.kind.caution is None else (pattern.kind.caution,)
    if pattern.is_unusual and placement.unit is not None:
        warnings += (unusual(placement.unit.tiers),)
    verdict = laboratory_verdict(placement.scale, pattern.judged, pattern.stated)
    version, code = pattern.version, placement.analyte.canonical.code
    value = Value(None, code, None)
    made = answer(version, pattern.term, verdict, version.provenance, value=value, warnings=warnings)
    return _cut(batch_form(made), placement)


def _cut(found: dict[str, Any], placement: Placement) -> Template:
    """Cut an answer open where the value goes, and where value, unit and conversion go."""
    if placement.unit is None:
        return Template(msgspec.json.encode(found), b"}", "none", placement)
    raw = msgspec.json.encode({**found, "value_in_canonical_unit": _HOLE})
    before, after = raw.split(msgspec.json.encode(_HOLE))
    if canonical(placement, 1.0).conversion is None:
        return Template(before, after + b"}", "value", placement)
    return Template(before, after[after.index(b',"working"') :] + b"}", "value_and_conversion", placement)
