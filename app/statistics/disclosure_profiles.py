"""The disclosure profiles: what is withheld about small groups, as data, and how two of them are joined. Light."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, reduce
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

import tomli
from pydantic import BaseModel, ConfigDict, Field, model_validator

Profile = Literal["none", "opensafely", "nhs-hes", "cms", "pcornet"]
PROFILES: Final[tuple[Profile, ...]] = get_args(Profile)
NONE: Final[Profile] = "none"
_FILE: Final = Path(__file__).with_name("disclosure_profiles.toml")


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class _Number(_Read):
    value: int = Field(ge=1)
    source: str


class _Choice(_Read):
    value: bool
    source: str


class Source(_Read):
    """Where a profile's numbers are from."""

    key: str
    title: str
    url: str | None = None
    reading: Literal["secondary", "decision"]


class Rules(_Read):
    """One profile as it stands in the file."""

    id: str
    title: str
    threshold: _Number
    zero_shown: _Choice
    rounded_to: _Number
    tests_shown: _Choice


class ProfileFile(_Read):
    """The file of profiles."""

    format: Literal[1]
    source: tuple[Source, ...] = Field(strict=False)
    profile: tuple[Rules, ...] = Field(strict=False)

    @model_validator(mode="after")
    def _sourced(self) -> Self:
        known = {source.key for source in self.source}
        for rules in self.profile:
            for name in ("threshold", "zero_shown", "rounded_to", "tests_shown"):
                if getattr(rules, name).source not in known:
                    raise ValueError(f"profile {rules.id!r}: {name} names no source of the file")
        return self


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


def read_profiles(text: str) -> Mapping[str, Policy]:
    """Read profiles from a file's text. Raises ValueError (pydantic's, or the parser's)."""
    data: dict[str, Any] = tomli.loads(text)
    return {
        rules.id: Policy(
            (rules.id,),
            rules.threshold.value,
            rules.zero_shown.value,
            rules.rounded_to.value,
            rules.tests_shown.value,
        )
        for rules in ProfileFile.model_validate(data).profile
    }


@cache
def profiles() -> Mapping[str, Policy]:
    """Return the built-in profiles; `none` has no policy and is not among them."""
    return read_profiles(_FILE.read_text(encoding="utf-8"))


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

    @property
    def tells_zero(self) -> bool:
        """Whether it may be seen that there is nobody."""
        return not self.chain or self.chain[-1].zero_shown


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
