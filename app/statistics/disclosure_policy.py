"""What a disclosure policy allows, and how policies are joined. Light: no file is read before a profile is used."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Final, Literal, get_args

Profile = Literal["none", "opensafely", "nhs-hes", "cms", "pcornet"]
PROFILES: Final[tuple[Profile, ...]] = get_args(Profile)
NONE: Final[Profile] = "none"


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be shown. A count is safe when it is above `threshold`, or 0 where `zero_shown`.

    `profiles` names what it was joined from; joining keeps the stricter of each rule.
    """

    profiles: tuple[str, ...]
    threshold: int
    zero_shown: bool
    rounded_to: int
    tests_shown: bool

    @property
    def name(self) -> str:
        """The profiles in one word, such as "cms" or "cms+opensafely"."""
        return "+".join(self.profiles)

    def safe(self, count: int) -> bool:
        """Say whether a count of patients may be shown."""
        return count > self.threshold or (self.zero_shown and count == 0)

    def rounded(self, count: int) -> int:
        """Round a safe count to the nearest multiple, halves up."""
        return (2 * count + self.rounded_to) // (2 * self.rounded_to) * self.rounded_to

    def joined(self, other: Policy) -> Policy:
        """Return the least strict policy that is at least as strict as both, rule by rule."""
        return Policy(
            tuple(sorted({*self.profiles, *other.profiles})),
            max(self.threshold, other.threshold),
            self.zero_shown and other.zero_shown,
            math.lcm(self.rounded_to, other.rounded_to),
            self.tests_shown and other.tests_shown,
        )

    def covers(self, other: Policy) -> bool:
        """Say whether this policy is at least as strict as another in every rule: a partial order."""
        return self.rules == self.joined(other).rules

    @property
    def rules(self) -> tuple[int, bool, int, bool]:
        """The rules without the names."""
        return self.threshold, self.zero_shown, self.rounded_to, self.tests_shown


@dataclass(frozen=True, slots=True)
class Disclosure:
    """Which policies an answer is under: that of the server, and what the caller asked for on top of it.

    `chain` is empty where nothing is withheld. Each policy of it must allow a number; the last is the strictest.
    """

    chain: tuple[Policy, ...] = ()

    @classmethod
    def of(cls, *names: Profile) -> Disclosure:
        """Stack profiles, the server's first; one that adds no rule to those before it adds nothing."""
        return reduce(cls.asked, names, cls())

    def asked(self, name: Profile) -> Disclosure:
        """Return what holds when a caller asks for a profile too: never less than before."""
        if name == NONE:
            return self
        # The models that check the file of profiles are not loaded where nothing is withheld.
        from app.statistics.disclosure_profiles import profiles  # noqa: PLC0415  # as said

        asked = profiles()[name]
        if not self.chain:
            return Disclosure((asked,))
        if self.chain[-1].covers(asked):
            return self
        return Disclosure((*self.chain, self.chain[-1].joined(asked)))

    @property
    def policy(self) -> Policy | None:
        """The policy that says how what is shown is written; None where nothing is withheld."""
        return self.chain[-1] if self.chain else None


OPEN: Final = Disclosure()
"""Nothing is withheld."""


def parse_tenants(parts: Iterable[str]) -> dict[str, Profile]:
    """Read `tenant=profile` pairs. Raises ValueError with a public message."""
    found: dict[str, Profile] = {}
    for part in parts:
        tenant, equals, name = (piece.strip() for piece in part.partition("="))
        known = next((profile for profile in PROFILES if profile == name), None)
        if not (tenant and equals) or known is None or tenant in found:
            raise ValueError(f"must be tenant=profile pairs with commas between, each tenant once, by {PROFILES}")
        found[tenant] = known
    return found
