"""What was derived of one patient, and the notes taken on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from app.cohorts.strata import Stratum
from app.cohorts.variables import CATALOGUE

FACTORS = {name: 10**v.digits for name, v in CATALOGUE.items()}


@dataclass(slots=True)
class Derived:
    """What was derived: the stratum, the tallied values, the facts of an answer, and what does not agree.

    `values` holds integers scaled by the catalogue's digits; what is not known is absent. `facts` is the answer's
    `derived`. `rounded` names the fields of the record that were brought to clinical precision.
    """

    stratum: Stratum
    values: dict[str, int]
    facts: dict[str, Any]
    disagreements: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    rounded: list[dict[str, Any]] = field(default_factory=list)


class Notes:
    """Disagreements and warnings as they are found."""

    __slots__ = ("disagreements", "warnings")

    def __init__(self) -> None:
        self.disagreements: list[dict[str, Any]] = []
        self.warnings: list[dict[str, Any]] = []

    def warn(self, code: str, message: str) -> None:
        """Note a warning, each once."""
        warning = {"code": code, "message": message}
        if warning not in self.warnings:
            self.warnings.append(warning)

    def disagree(self, name: str, stated: object, derived: object, message: str) -> None:
        """Note that a stated fact and what was derived for it differ."""
        self.disagreements.append({"field": name, "stated": stated, "derived": derived, "message": message})
