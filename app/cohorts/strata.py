"""The strata of a cohort: the five facts by which patients are counted apart, and the phenotype that two of them make.

Every variable is tallied within each stratum, so that any grouping or narrowing is a sum of strata.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Final, Literal, NamedTuple, get_args

Treatment = Literal["ivig_monotherapy", "ivig_anakinra", "anakinra_only", "other", "unknown"]
Flag = Literal["yes", "no", "unknown"]
Corticosteroids = Literal["none", "stress", "inflammatory", "unknown"]
Sex = Literal["male", "female", "unknown"]
Phenotype = Literal["non_specific", "kd_like", "cv_shock", "kdss_like", "indeterminate"]

TREATMENT: Final[tuple[Treatment, ...]] = get_args(Treatment)
FLAG: Final[tuple[Flag, ...]] = get_args(Flag)
CORTICOSTEROIDS: Final[tuple[Corticosteroids, ...]] = get_args(Corticosteroids)
SEX: Final[tuple[Sex, ...]] = get_args(Sex)
PHENOTYPE: Final[tuple[Phenotype, ...]] = get_args(Phenotype)

WITH_ANAKINRA: Final[frozenset[Treatment]] = frozenset({"ivig_anakinra", "anakinra_only"})
_SEPARATOR: Final = "/"


class Stratum(NamedTuple):
    """One stratum. `unknown` is a value of its own: nobody is counted in by default."""

    treatment: Treatment
    cv_shock: Flag
    kd_like: Flag
    corticosteroids: Corticosteroids
    sex: Sex

    def key(self) -> str:
        """Return the stratum as it is stored: "ivig_anakinra/yes/no/none/male"."""
        return _SEPARATOR.join(self)


AXES: Final[Mapping[str, tuple[str, ...]]] = {
    "treatment": TREATMENT,
    "cv_shock": FLAG,
    "kd_like": FLAG,
    "corticosteroids": CORTICOSTEROIDS,
    "sex": SEX,
}
ALL: Final[Mapping[str, Stratum]] = {
    stratum.key(): stratum
    for stratum in (Stratum(*values) for values in product(TREATMENT, FLAG, FLAG, CORTICOSTEROIDS, SEX))
}


def parse(key: str) -> Stratum:
    """Return the stratum of a stored key. Raises ValueError for a key that names none."""
    stratum = ALL.get(key)
    if stratum is None:
        raise ValueError("this is no key of a stratum")
    return stratum


_PHENOTYPES: Final[Mapping[tuple[Flag, Flag], Phenotype]] = {
    ("no", "no"): "non_specific",
    ("yes", "no"): "kd_like",
    ("no", "yes"): "cv_shock",
    ("yes", "yes"): "kdss_like",
}


def phenotype(stratum: Stratum) -> Phenotype:
    """Return the study's class by the two flags; indeterminate while either is unknown."""
    return phenotype_of(stratum.kd_like, stratum.cv_shock)


def phenotype_of(kd_like: Flag, cv_shock: Flag) -> Phenotype:
    """Return the study's class of two flags."""
    return _PHENOTYPES.get((kd_like, cv_shock), "indeterminate")


def possible_phenotypes(kd_like: Flag, cv_shock: Flag) -> tuple[Phenotype, ...]:
    """Return the classes that remain possible for two flags."""
    return _POSSIBLE[kd_like, cv_shock]


def _possible(kd_like: Flag, cv_shock: Flag) -> tuple[Phenotype, ...]:
    return tuple(
        name
        for (kd, shock), name in _PHENOTYPES.items()
        if kd_like in {kd, "unknown"} and cv_shock in {shock, "unknown"}
    )


_POSSIBLE: Final = {flags: _possible(*flags) for flags in product(FLAG, FLAG)}
