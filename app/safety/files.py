"""Read the data files of the safety case and check that they hang together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import tomli
from pydantic import Field, TypeAdapter

from app.safety.parts import (
    AttributeMapping,
    CardNotes,
    GuidanceMapping,
    Hazard,
    HazardRecord,
    IntendedUse,
    Part,
    RiskMatrix,
    SafetyRequirement,
    SoftwareClass,
    SoupRecord,
)

DATA: Final = Path(__file__).parent / "data"
_ACCEPTABLE: Final = 2
_UNDESIRABLE: Final = 3


class SafetyDataError(Exception):
    """The data of the safety case contradict themselves; the text says where."""


class Data(Part):
    """Everything that is written by hand."""

    use: IntendedUse
    software_class: SoftwareClass
    matrix: RiskMatrix
    hazards: tuple[Hazard, ...]
    requirements: tuple[SafetyRequirement, ...]
    cards: dict[str, CardNotes]
    fda_cds: GuidanceMapping
    onc_hti_1: tuple[AttributeMapping, ...]
    soup: dict[str, SoupRecord]

    def tests(self) -> dict[str, tuple[str, ...]]:
        """Return the tests on which each hazard and each requirement rests, by its id; the planned are left out."""
        return {h.id: h.verification for h in self.hazards if h.status != "planned"} | {
            r.id: r.tests for r in self.requirements if r.status != "planned"
        }

    def every_test(self) -> frozenset[str]:
        """Return every test id that stands anywhere in the data."""
        listed = [t for h in self.hazards for t in h.verification] + [t for r in self.requirements for t in r.tests]
        listed += [t for card in self.cards.values() for v in card.validation for t in v.tests]
        listed += [t for e in self.fda_cds.endpoints for c in e.criteria for t in c.tests]
        return frozenset(listed + [t for s in self.soup.values() for t in s.tests])


class _Log(Part):
    hazard: tuple[HazardRecord, ...] = Field(min_length=1)


class _Requirements(Part):
    requirement: tuple[SafetyRequirement, ...] = Field(min_length=1)


@cache
def load() -> Data:
    """Return the data of this package, checked; raises `SafetyDataError`."""
    return read(DATA)


def read(folder: Path) -> Data:
    """Read a folder of data files. Hazards stand in `hazards-*.toml`, cards in `cards-*.toml`."""
    case, mapping = _toml(folder / "case.toml"), _toml(folder / "regulation.toml")
    matrix = RiskMatrix.model_validate(case["matrix"])
    logs = (_Log.model_validate(_toml(path)) for path in sorted(folder.glob("hazards-*.toml")))
    cards: dict[str, Any] = {}
    for path in sorted(folder.glob("cards-*.toml")):
        cards |= _toml(path)
    data = Data(
        use=case["use"],
        software_class=case["software_class"],
        matrix=matrix,
        hazards=tuple(_rated(h, matrix) for log in logs for h in log.hazard),
        requirements=_Requirements.model_validate(_toml(folder / "requirements.toml")).requirement,
        cards=TypeAdapter(dict[str, CardNotes]).validate_python(cards),
        fda_cds=mapping["fda_cds"],
        onc_hti_1=mapping["onc_hti_1"],
        soup=TypeAdapter(dict[str, SoupRecord]).validate_python(_toml(folder / "soup.toml")),
    )
    faults = list(_faults(data))
    if faults:
        raise SafetyDataError("; ".join(faults))
    return data


def _toml(path: Path) -> dict[str, Any]:
    return tomli.loads(path.read_text(encoding="utf-8"))


def _rated(record: HazardRecord, matrix: RiskMatrix) -> Hazard:
    tests = dict.fromkeys(t for c in record.control for t in c.tests)
    # Controls that are being built lower nothing yet.
    likelihood = record.likelihood if record.status == "planned" else record.likelihood_after
    return Hazard(
        **record.model_dump(),
        initial_risk=matrix.level(record.severity, record.likelihood),
        residual_risk=matrix.level(record.severity, likelihood),
        verification=tuple(tests),
    )


def _faults(data: Data) -> Iterator[str]:
    """Yield what contradicts itself in the log and the requirements."""
    yield from _matrix_faults(data.matrix)
    yield from _repeats(h.id for h in data.hazards)
    yield from _repeats(r.id for r in data.requirements)
    for hazard in data.hazards:
        yield from (f"{hazard.id}: {fault}" for fault in _hazard_faults(hazard))
    known = {h.id for h in data.hazards}
    for one in data.requirements:
        yield from (f"{one.id}: there is no hazard {h}" for h in one.hazards if h not in known)
        if not one.tests and one.status != "planned":
            yield f"{one.id}: no test verifies it"


def _hazard_faults(hazard: Hazard) -> Iterator[str]:
    level = hazard.residual_risk.level
    if hazard.likelihood_after > hazard.likelihood:
        yield "the controls make it likelier"
    if hazard.status == "planned":
        return
    yield from (f"no test shows the control {c.what[:40]!r}" for c in hazard.control if not c.tests)
    if hazard.status == "controlled" and level > _ACCEPTABLE:
        yield f"a residual risk of level {level} is not controlled"
    if hazard.status == "tolerated" and level != _UNDESIRABLE:
        yield f"a residual risk of level {level} is not one to be tolerated"
    if hazard.status in {"tolerated", "open"} and not hazard.reason:
        yield f"{hazard.status} needs a reason"


def _matrix_faults(matrix: RiskMatrix) -> Iterator[str]:
    """Yield where a graver or likelier harm would be the smaller risk."""
    rows = matrix.risk
    if len(rows) != len(matrix.likelihood) or any(len(row) != len(matrix.severity) for row in rows):
        yield "the matrix is not 5 by 5"
        return
    if any(list(row) != sorted(row) for row in rows) or any(
        list(column) != sorted(column) for column in zip(*rows, strict=True)
    ):
        yield "the matrix does not rise with severity and likelihood"


def _repeats(ids: Iterable[str]) -> Iterator[str]:
    return (f"{one} stands twice" for one, n in Counter(ids).items() if n > 1)
