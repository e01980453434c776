"""ETag, If-Match and If-None-Match (RFC 9110): a version is its ETag in quotes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import Header

from app.api.kinds import UNCONDITIONAL
from app.api.problems import ProblemError, refused
from app.clinical.refusal import InputError

_TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_LIST: Final = re.compile(rf"\s*(?:{_TAG.pattern}\s*(?:,\s*|\Z))+\Z")
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


def etag(version: int) -> str:
    """Return a version as its ETag."""
    return f'"{version}"'


def required_match(header: str | None) -> Match:
    """Return what If-Match asks for, or raise the 428: such a change is never made blindly."""
    if header is None or not header.strip():
        raise ProblemError(UNCONDITIONAL, "Send If-Match with the ETag of what you read, or *.")
    return optional_match(header)


def optional_match(header: str | None) -> Match:
    """Return what If-Match asks for; without the header any version will do. Weak ETags never match."""
    if header is None or header.strip() == ANY:
        return _any
    wanted = {text for weak, text in _tags(header, "if-match") if not weak}
    return lambda version: str(version) in wanted


def is_current(header: str | None, version: int) -> bool:
    """Say whether If-None-Match names the current version, so that there is nothing new to tell."""
    if header is None:
        return False
    return header.strip() == ANY or str(version) in {text for _, text in _tags(header, "if-none-match")}


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
