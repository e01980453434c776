"""Grades as a set of bits: what remains possible, and what follows from bands that hold or may hold."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, auto
from functools import lru_cache
from typing import Final


class Grade(IntEnum):
    """The five grades of CTCAE, and 0 for "within limits"; CTCAE itself prints no grade 0."""

    NONE = 0
    MILD = auto()
    MODERATE = auto()
    SEVERE = auto()
    LIFE_THREATENING = auto()
    DEATH = auto()


WITHIN_LIMITS: Final = 1
SETS_OF_GRADES: Final = 1 << len(Grade)


def bits(grades: Iterable[int]) -> int:
    """Return the set of these grades."""
    found = 0
    for grade in grades:
        found |= 1 << grade
    return found


@lru_cache(maxsize=SETS_OF_GRADES)
def listed(possible: int) -> tuple[int, ...]:
    """Return the grades of a set, lowest first."""
    return tuple(int(g) for g in Grade if possible >> g & 1)


def decided(possible: int) -> int | None:
    """Return the only grade of a set, or None when several (or none) remain."""
    grades = listed(possible)
    return grades[0] if len(grades) == 1 else None


def highest_bit(grades: int) -> int:
    """Return the highest grade of a set as a set of its own; nothing reached is grade 0."""
    return 1 << (grades.bit_length() - 1) if grades else WITHIN_LIMITS


def outcome(met: int, perhaps: int, gap: int, perhaps_gap: int) -> int:
    """Return what remains possible, from the grades whose bands hold and those whose bands may hold.

    The highest band that holds counts. A gap that holds leaves open the grades on its two sides. Nothing below what
    holds for certain remains.
    """
    floor = highest_bit(met)
    every = (gap or floor) | perhaps | perhaps_gap
    lower = every & (floor - 1)
    return (every ^ lower) | (floor if lower else 0)
