"""ETag, If-Match and If-None-Match (RFC 9110): a version is its ETag in quotes.

Where a disclosure policy withholds something its name follows the version (`"3-cms"`): what is shown is another text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import Header

from app.api.kinds import UNCONDITIONAL
from app.api.problems import ProblemError, refused
from app.clinical.refusal import InputError
from app.statistics.disclosure_policy import OPEN, PROFILES, Disclosure

_TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_LIST: Final = re.compile(rf"\s*(?:{_TAG.pattern}\s*(?:,\s*|\Z))+\Z")
_NAME: Final = "|".join(PROFILES)
_OF_VERSION: Final = re.compile(rf"(\d+)(?:-(?:{_NAME})(?:\+(?:{_NAME}))*)*")
_LONGEST: Final = 4_000
ANY: Final = "*"

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=_LONGEST,
        description="ETag of what was read, or `*` for whatever is there. Without it: 428; when stale: 412",
        examples=[ANY],
    ),
]
IfNoneMatch = Annotated[
    str | None,
    Header(alias="If-None-Match", max_length=_LONGEST, description="ETag that is known already; still current: 304"),
]
HEADER: Final[dict[str, Any]] = {
    "ETag": {"description": "The version, for If-Match and If-None-Match", "schema": {"type": "string"}}
}
Match = Callable[[int], bool]
Known = Callable[[str], bool]


def etag(version: int, disclosure: Disclosure = OPEN) -> str:
    """Return a version as its ETag, as it is shown under a disclosure policy."""
    return f'"{_named(version, disclosure)}"'


def _named(version: int, disclosure: Disclosure) -> str:
    return "-".join((str(version), *(policy.name for policy in disclosure.chain)))


def required_match(header: str | None) -> Match:
    """Return what If-Match asks for, or raise the 428: such a change is never made blindly."""
    if header is None or not header.strip():
        raise ProblemError(UNCONDITIONAL, "Send If-Match with the ETag of what you read, or *.")
    return optional_match(header)


def optional_match(header: str | None) -> Match:
    """Return what If-Match asks for; without the header any version will do. Weak ETags never match.

    A change is made to a version, under whichever disclosure policy it was looked at.
    """
    if header is None or header.strip() == ANY:
        return _any
    sent = (_OF_VERSION.fullmatch(text) for weak, text in _tags(header, "if-match") if not weak)
    wanted = {found[1] for found in sent if found}
    return lambda version: str(version) in wanted


def is_current(header: str | None, version: int, disclosure: Disclosure = OPEN) -> bool:
    """Say whether If-None-Match names the current version under this policy, so that there is nothing new to tell."""
    if header is None:
        return False
    named = _named(version, disclosure)
    return header.strip() == ANY or named in {text for _, text in _tags(header, "if-none-match")}


def known_to(header: str | None) -> Known:
    """Return whether If-None-Match names an ETag made of a digest, weakly or not; what is no ETag matches none."""
    sent = (header or "").strip()
    tags = {tag.strip().removeprefix("W/") for tag in sent.split(",")}
    return lambda tag: sent == ANY or tag in tags


def _any(_: int) -> bool:
    return True


def _tags(header: str, name: str) -> list[tuple[str, str]]:
    if not _LIST.match(header):
        message = 'This header must be ETags as they were answered, in quotes: "3"; or *.'
        raise refused([InputError(f"/{name}", "etag_invalid", message)], location="header")
    return _TAG.findall(header)
