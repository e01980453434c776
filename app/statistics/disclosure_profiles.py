"""The disclosure profiles, read from their file and checked: every number names its source."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, Self

import tomli
from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.statistics.disclosure_policy import Policy

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
