"""The class of the coronary arteries by Z-score and diameter (AHA 2017): the worst artery counts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from app.clinical.arithmetic import exact, significant
from app.clinical.criteria import Criteria
from app.clinical.evidence import MET, NOT_MET, Finding, Truth
from app.clinical.facts import Facts
from app.clinical.presentation import ZScoreFormula
from app.clinical.rulebook import Rulebook
from app.clinical.warning import Caution

CoronaryClass = Literal["none", "dilation_only", "small", "medium", "giant"]
ArteryName = Literal["lad", "rca"]
Classes = tuple[CoronaryClass, ...]
# From best to worst: an artery's place here decides which artery counts.
CLASSES: Final[Classes] = get_args(CoronaryClass)
_ONE: Final[dict[CoronaryClass, Classes]] = {c: (c,) for c in CLASSES}
_MEDIUM_OR_GIANT: Final[Classes] = ("medium", "giant")
_LADDER: Final[Classes] = ("giant", "medium", "small", "dilation_only")
# The criterion that an artery of each class meets, and the next worse one that it does not.
_BASIS: Final[dict[CoronaryClass, Classes]] = {
    "giant": ("giant",),
    "medium": ("medium", "giant"),
    "small": ("small", "medium"),
    "dilation_only": ("dilation_only", "small"),
}
_ANEURYSMS: Final[Classes] = ("small", "medium", "giant")


class CoronaryAnswer(BaseModel):
    """The class of the worse artery, and of each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    coronary_class: CoronaryClass | None = Field(
        serialization_alias="class", description="The class of the worse artery; null: not decided by what was sent"
    )
    possible_classes: Classes = Field(description="The classes that remain, from best to worst")
    lad: Classes = Field(description="The classes that remain for the left anterior descending artery")
    rca: Classes = Field(description="The classes that remain for the right coronary artery")
    basis: tuple[Finding, ...] = Field(description="The criteria between which each artery lies")
    missing: tuple[str, ...] = Field(description="The fewest inputs that could decide the class")
    z_score_formula: ZScoreFormula | None = Field(description="Formula behind the Z-scores as sent; formulas differ")


@dataclass(slots=True)
class CoronaryJudgement:
    """The answer and warnings."""

    answer: CoronaryAnswer
    cautions: tuple[Caution, ...]


class Coronaries:
    """The Z-score classes, compiled from `aha-kd-2017`."""

    def __init__(self, rulebook: Rulebook) -> None:
        rules = rulebook["aha-kd-2017"]
        study = rulebook["misc-phenotype-2023"]
        self._lad = Artery(Criteria(rules), "lad")
        self._rca = Artery(Criteria(rules), "rca")
        self._clash = Caution(code="coronary_z_and_mm_disagree", message=rules.text("caution.z_and_mm"))
        self._disagree = Caution(code="stated_and_measured_disagree", message=study.text("disagree.aneurysm"))

    def judge(self, facts: Facts) -> CoronaryJudgement:
        """Judge one child."""
        echo = facts.echo
        lad = self._lad.judge(echo.lad_z, echo.lad_mm, echo.lad_z_previous)
        rca = self._rca.judge(echo.rca_z, echo.rca_mm, echo.rca_z_previous)
        measured = worst(lad.possible, rca.possible)
        possible = _with_aneurysm(measured) if echo.coronary_aneurysm else measured
        answer = CoronaryAnswer(
            coronary_class=_only(possible),
            possible_classes=possible,
            lad=lad.possible,
            rca=rca.possible,
            basis=lad.basis + rca.basis,
            missing=_missing(possible, lad, rca),
            z_score_formula=echo.z_score_formula,
        )
        return CoronaryJudgement(answer, self._cautions(measured, echo.coronary_aneurysm, clash=lad.clash or rca.clash))

    def _cautions(self, possible: Classes, aneurysm: bool | None, *, clash: bool) -> tuple[Caution, ...]:  # noqa: FBT001 - a stated fact
        found = [self._clash] if clash else []
        if aneurysm is not None and all((c in _ANEURYSMS) != aneurysm for c in possible):
            found.append(self._disagree)
        return tuple(found)


@dataclass(slots=True)
class ArteryJudgement:
    """The classes that remain, what they rest on, the input to ask for, and whether Z-score and diameter clash."""

    possible: Classes
    basis: tuple[Finding, ...]
    ask: str
    clash: bool = False


class Artery:
    """The criteria of one artery, from the worst class down."""

    def __init__(self, c: Criteria, name: ArteryName) -> None:
        self._z = f"echocardiogram.{name}_z"
        self._mm = f"echocardiogram.{name}_mm"
        self._giant_mm = c.measured(f"coronary.{name}.giant_mm", "coronary.giant_mm", self._mm)
        self._rungs = {rung: c.measured(f"coronary.{name}.{rung}", f"coronary.{rung}", self._z) for rung in _LADDER}
        self._previous = f"{self._z}_previous"
        self._fall = c.measured(f"coronary.{name}.fall", "coronary.fall", self._z, self._previous)
        self._asked = (self._rungs["dilation_only"].stated(None),)

    def judge(self, z: float | None, mm: float | None, previous: float | None) -> ArteryJudgement:
        """Return the classes that remain. A diameter outranks the Z-score where it is large."""
        by_mm = self._giant_mm.measured(mm)
        if by_mm.status == MET:
            clash = z is not None and not self._rungs["medium"].holds(z)
            return ArteryJudgement(_ONE["giant"], (by_mm,), self._z, clash)
        if z is None:
            return ArteryJudgement(CLASSES, self._asked, self._z)
        if not self._rungs["dilation_only"].holds(z):
            return self._not_wide(z, previous)
        rung = next(r for r in _LADDER if self._rungs[r].holds(z))
        basis = tuple([self._rungs[r].measured(z) for r in _BASIS[rung]])
        if rung == "medium" and by_mm.status != NOT_MET:
            return ArteryJudgement(_MEDIUM_OR_GIANT, (*basis, by_mm), self._mm)
        return ArteryJudgement(_ONE[rung], basis, self._z)

    def _not_wide(self, z: float, previous: float | None) -> ArteryJudgement:
        """Judge a Z-score below dilation: on follow-up a marked fall shows that the artery had been wide."""
        basis = self._rungs["dilation_only"].measured(z)
        if previous is None or self._rungs["dilation_only"].holds(previous):
            return ArteryJudgement(_ONE["none"], (basis,), self._z)
        fall = significant(exact(previous) - exact(z))
        status: Truth = MET if self._fall.holds(fall) else NOT_MET
        shown = self._fall.finding(status, {self._z: z, self._previous: previous, "fall": float(fall)})
        return ArteryJudgement(_ONE["dilation_only" if status == MET else "none"], (shown, basis), self._z)


@cache
def worst(some: Classes, others: Classes) -> Classes:
    """Return the classes that the worse of two arteries can have."""
    places = {max(CLASSES.index(a), CLASSES.index(b)) for a in some for b in others}
    return tuple(CLASSES[place] for place in sorted(places))


@cache
def _with_aneurysm(measured: Classes) -> Classes:
    """Narrow the classes by a stated aneurysm. One in an artery that was not measured leaves its class open."""
    return tuple(c for c in measured if c in _ANEURYSMS) or _ANEURYSMS


def _only(possible: Classes) -> CoronaryClass | None:
    return possible[0] if len(possible) == 1 else None


def _missing(possible: Classes, lad: ArteryJudgement, rca: ArteryJudgement) -> tuple[str, ...]:
    """Name one input: whatever is not decided yet would be, were this artery the worst there is."""
    if len(possible) == 1:
        return ()
    # Both arteries can be known and the class open still: the aneurysm that is stated lies elsewhere.
    return next(((a.ask,) for a in (lad, rca) if len(a.possible) > 1), ())
