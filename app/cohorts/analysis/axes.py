"""The axes that patients are divided by: each says of a stratum which of its groups the stratum belongs to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from app.cohorts.analysis.answers import By
from app.cohorts.strata import Stratum, phenotype

UNKNOWN: Final = "unknown"
_FLAG: Final = {"no": "Without {}", "yes": "With {}", UNKNOWN: "{} unknown"}


@dataclass(frozen=True, slots=True)
class Axis:
    """One way to divide patients.

    `labels`: every group in the order of the columns; `unknown`: the group of those whose axis is not known, which
    no test compares; `always`: groups that are shown even when empty; `forms`: variables that make the groups.
    """

    name: By
    title: str
    labels: Mapping[str, str]
    of: Callable[[Stratum], str]
    unknown: str = UNKNOWN
    always: tuple[str, ...] = ()
    forms: frozenset[str] = frozenset()


def _flag(words: str) -> dict[str, str]:
    return {value: label.format(words) for value, label in _FLAG.items()}


def _treatment_corticosteroids(stratum: Stratum) -> str:
    """Divide the study's second group by corticosteroids of either purpose, as its Table 3 and Figure 1 do."""
    if stratum.treatment != "ivig_anakinra":
        return stratum.treatment
    if stratum.corticosteroids == UNKNOWN:
        return UNKNOWN
    return f"ivig_anakinra_{'without' if stratum.corticosteroids == 'none' else 'with'}_corticosteroids"


_TREATMENT: Final = {
    "ivig_monotherapy": "IVIG monotherapy",
    "ivig_anakinra": "IVIG + anakinra",
    "anakinra_only": "Anakinra without IVIG",
    "other": "Other treatment",
    UNKNOWN: "Treatment unknown",
}
_SPLIT: Final = {
    "ivig_monotherapy": "IVIG monotherapy",
    "ivig_anakinra_without_corticosteroids": "IVIG + anakinra without corticosteroids",
    "ivig_anakinra_with_corticosteroids": "IVIG + anakinra with corticosteroids",
    "anakinra_only": "Anakinra without IVIG",
    "other": "Other treatment",
    UNKNOWN: "Treatment or corticosteroids unknown",
}
_PHENOTYPE: Final = {
    "non_specific": "Non-specific",
    "kd_like": "KD-like",
    "cv_shock": "CV shock",
    "kdss_like": "KDSS-like",
    "indeterminate": "Phenotype indeterminate",
}
_STEROIDS: Final = {
    "none": "No corticosteroids",
    "stress": "Stress-dose corticosteroids",
    "inflammatory": "Corticosteroids for inflammation",
    UNKNOWN: "Corticosteroids unknown",
}
_SEX: Final = {"male": "Male", "female": "Female", UNKNOWN: "Sex unknown"}
_GIVEN: Final = frozenset({"corticosteroids.inflammatory", "corticosteroids.stress"})
_NEITHER_OR_BOTH: Final = frozenset({"phenotype.non_specific", "phenotype.kdss_like"})

AXES: Final[Mapping[By, Axis]] = {
    axis.name: axis
    for axis in (
        Axis(
            "treatment",
            "treatment",
            _TREATMENT,
            lambda s: s.treatment,
            always=tuple(_TREATMENT)[:2],
            forms=frozenset({"treatment.ivig"}),
        ),
        Axis(
            "cv_shock",
            "CV shock",
            _flag("CV shock"),
            lambda s: s.cv_shock,
            forms=_NEITHER_OR_BOTH | {"phenotype.cv_shock"},
        ),
        Axis(
            "kd_like",
            "KD-like features",
            _flag("KD-like features"),
            lambda s: s.kd_like,
            forms=_NEITHER_OR_BOTH | {"phenotype.kd_like"},
        ),
        Axis(
            "phenotype",
            "phenotype",
            _PHENOTYPE,
            phenotype,
            unknown="indeterminate",
            forms=_NEITHER_OR_BOTH | {"phenotype.kd_like", "phenotype.cv_shock"},
        ),
        Axis("corticosteroids", "corticosteroids", _STEROIDS, lambda s: s.corticosteroids, forms=_GIVEN),
        Axis("sex", "sex", _SEX, lambda s: s.sex, forms=frozenset({"male"})),
        Axis(
            "treatment_corticosteroids",
            "treatment and corticosteroids",
            _SPLIT,
            _treatment_corticosteroids,
            always=tuple(_SPLIT)[:3],
            forms=_GIVEN | {"treatment.ivig"},
        ),
    )
}
