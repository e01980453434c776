"""Who the 46 are: group, phenotype, corticosteroids, sex, race and PCR, so many of each as printed.

Positions 0 to 45 are the search's; the columns of the tables are sets of positions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Final, NamedTuple

from app.cohorts.study.printed import printed
from app.cohorts.study.search import seeded, shuffled

GROUPS: Final = ("ivig", "anakinra")
# Table 1 and Table 2 taken apart into the four exclusive classes; corticosteroids go to patients with shock alone.
CLASSES: Final[Mapping[str, Sequence[tuple[str, str, int]]]] = {
    "ivig": (
        ("non_specific", "none", 9),
        ("kd_like", "none", 2),
        ("cv_shock", "none", 1),
        ("cv_shock", "stress", 1),
        ("kdss_like", "none", 1),
    ),
    "anakinra": (
        ("non_specific", "none", 6),
        ("kd_like", "none", 6),
        ("cv_shock", "none", 5),
        ("cv_shock", "stress", 3),
        ("cv_shock", "inflammatory", 1),
        ("kdss_like", "none", 6),
        ("kdss_like", "stress", 3),
        ("kdss_like", "inflammatory", 2),
    ),
}
RACES: Final = ("african_american", "latin_american", "caucasian")


class Member(NamedTuple):
    """One of the 46."""

    group: str
    phenotype: str
    corticosteroids: str
    sex: str
    race: str
    pcr_positive: bool

    @property
    def shock(self) -> bool:
        """CV shock, KDSS-like included."""
        return self.phenotype in {"cv_shock", "kdss_like"}

    @property
    def kd(self) -> bool:
        """KD-like, KDSS-like included."""
        return self.phenotype in {"kd_like", "kdss_like"}


def roster() -> tuple[Member, ...]:
    """Return the 46, IVIG monotherapy first; the same every time."""
    return seeded("roster", lambda rng: tuple(member for group in GROUPS for member in _group(group, rng)))


def _group(group: str, rng: Random) -> list[Member]:
    kinds = [(phenotype, purpose) for phenotype, purpose, n in CLASSES[group] for _ in range(n)]
    males = count("male", group)
    sexes = shuffled(["male"] * males + ["female"] * (len(kinds) - males), rng)
    races = shuffled([race for race in RACES for _ in range(count(f"race.{race}", group))], rng)
    positives = count("sars_cov_2_pcr_positive", group)
    tests = shuffled([True] * positives + [False] * (len(kinds) - positives), rng)
    return [
        Member(group, phenotype, purpose, sex, race, positive)
        for (phenotype, purpose), sex, race, positive in zip(kinds, sexes, races, tests, strict=True)
    ]


def count(variable: str, column: str) -> int:
    """Return the count that a row of Table 1 prints."""
    row = next(row for row in printed().of(variable, "counts") if column in row.cells)
    return int(row.shown(column)[0].value)


def columns(members: Sequence[Member]) -> dict[str, tuple[int, ...]]:
    """Return the positions of each printed column."""
    rules: dict[str, Callable[[Member], bool]] = {
        "all": lambda _: True,
        "ivig": lambda m: m.group == "ivig",
        "anakinra": lambda m: m.group == "anakinra",
        "no_shock": lambda m: m.group == "anakinra" and not m.shock,
        "shock": lambda m: m.group == "anakinra" and m.shock,
        "no_cs": lambda m: m.group == "anakinra" and m.corticosteroids == "none",
        "cs": lambda m: m.group == "anakinra" and m.corticosteroids != "none",
        "kd_like": lambda m: m.group == "anakinra" and m.kd,
        "kdss_like": lambda m: m.group == "anakinra" and m.phenotype == "kdss_like",
    }
    return {name: tuple(at for at, m in enumerate(members) if rule(m)) for name, rule in rules.items()}
