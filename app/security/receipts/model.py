"""The receipt itself, what a replay of one answers, and how a receipt is read off an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.security.audit.entry import moment
from app.security.caller import LONGEST_ID
from app.security.canonical_json import canonical

FORMAT: Final = "defervesce-receipt/1"
_HASH: Final = r"^[0-9a-f]{64}$"
_TOKEN: Final = r"^[A-Za-z0-9_-]+$"  # noqa: S105  # a pattern
_LONGEST: Final = 200

Verdict = Literal["same", "differs", "other_input", "other_answer", "not_authentic", "cannot_be_replayed"]


class Kept(BaseModel):
    """What all of these models have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class RuleSetUsed(Kept):
    """A rule set that took part in an answer."""

    id: str = Field(max_length=_LONGEST, description="Id of the rule set")
    version: str = Field(max_length=_LONGEST, description="Its version")
    sha256: str = Field(pattern=_HASH, description="SHA-256 of its file")


class Code(Kept):
    """The code that answered."""

    version: str = Field(max_length=_LONGEST, description="Version of the service")
    git_sha: str | None = Field(max_length=_LONGEST, description="Commit of its build; null when not known")


class Receipt(Kept):
    """A signed statement that an input was answered so. It holds hashes of both, and nothing of the patient.

    The signature covers the canonical JSON (RFC 8785) of every member but itself.
    """

    format: Literal["defervesce-receipt/1"] = Field(description="Version of this form")
    id: str = Field(max_length=64, pattern=_TOKEN, description="Id of the receipt")
    created_at: AwareDatetime = Field(strict=False, description="When the answer was given (UTC)")
    tenant: str = Field(max_length=_LONGEST, description="Tenant of the caller")
    caller: str = Field(max_length=LONGEST_ID, description="Id of the caller")
    operation: str = Field(max_length=_LONGEST, description="Operation that answered, such as anakinra_dose")
    input_sha256: str = Field(
        pattern=_HASH, description="SHA-256 of the validated input in canonical JSON, without its nulls"
    )
    answer_sha256: str = Field(pattern=_HASH, description="SHA-256 of the answer in canonical JSON")
    rules: tuple[RuleSetUsed, ...] = Field(
        strict=False, max_length=1_000, description="The rule sets that the answer names"
    )
    rulebook_sha256: str = Field(pattern=_HASH, description="SHA-256 over all rule sets that were loaded")
    code: Code = Field(description="The code that answered")
    key_id: str = Field(max_length=64, pattern=_TOKEN, description="Id of the key that signed (RFC 7638)")
    signature: str = Field(max_length=128, pattern=_TOKEN, description="Ed25519 signature in base64url")

    def signed(self) -> bytes:
        """Return what is signed."""
        return canonical({name: value for name, value in self.document().items() if name != "signature"})

    def document(self) -> dict[str, Any]:
        """Return the receipt as JSON values."""
        return self.model_dump(mode="json") | {"created_at": moment(self.created_at)}


class Reason(Kept):
    """Why an answer cannot be made again, or is another one now."""

    code: str = Field(
        description="rules_missing, rules_differ, code_differs, rulebook_differs, operation_unknown, input_refused"
    )
    message: str = Field(description="In words")


class ReplayAnswer(Kept):
    """What came of making an answer again. It names places, never values."""

    receipt_id: str = Field(description="The receipt")
    operation: str = Field(description="The operation that it is of")
    verdict: Verdict = Field(
        description="same: the answer is made again, bit for bit in canonical JSON. differs: another answer by the "
        "same rules and code. other_input, other_answer: not those of the receipt. not_authentic: the signature is not "
        "ours. cannot_be_replayed: rules or code are others, see `reasons`"
    )
    differences: tuple[str, ...] = Field(
        description="JSON pointers into the answer, at most 50, where the one sent or kept and the one made now differ"
    )
    reasons: tuple[Reason, ...] = Field(description="What else is not as it was when the receipt was given")


def rules_in(answer: Any) -> tuple[RuleSetUsed, ...]:  # noqa: ANN401  # any JSON
    """Return the rule sets that an answer names anywhere, each once, by id."""
    found = {(one["id"], one["version"], one["sha256"]) for one in _references(answer)}
    return tuple(RuleSetUsed(id=id_, version=version, sha256=sha256) for id_, version, sha256 in sorted(found))


def _references(value: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401  # any JSON
    if isinstance(value, dict):
        if {"id", "version", "sha256"} <= value.keys():
            yield value
        for member in value.values():
            yield from _references(member)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)
