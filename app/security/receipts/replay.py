"""Checking a receipt against an input, an answer, and what this service would answer now."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.clinical.refusal import RefusedInputError
from app.security.canonical_json import digest
from app.security.receipts.comparing import differences
from app.security.receipts.model import Code, Reason, Receipt, ReplayAnswer, RuleSetUsed, Verdict

Recompute = Callable[[], Awaitable[Any]]
"""Answers the input anew: JSON values, or RefusedInputError."""


@dataclass(frozen=True, slots=True)
class Installed:
    """The rules and the code that are here now."""

    rules: Mapping[str, RuleSetUsed]
    rulebook_sha256: str
    code: Code


def installed(rules: list[RuleSetUsed], code: Code) -> Installed:
    """Return what is installed, with the hash over all rule sets."""
    by_id = {rule.id: rule for rule in sorted(rules, key=lambda rule: rule.id)}
    return Installed(by_id, digest([rule.model_dump() for rule in by_id.values()]), code)


@dataclass(frozen=True, slots=True)
class Shown:
    """What is held against a receipt: the validated input, and the answer if there is one (JSON values)."""

    input: Any
    answer: Any = None


async def replayed(receipt: Receipt, shown: Shown, here: Installed, recompute: Recompute) -> ReplayAnswer:
    """Say whether the receipt's answer is made again from the input. The signature was checked before."""
    if digest(shown.input) != receipt.input_sha256:
        return answer(receipt, "other_input")
    if (others := _other_rules(receipt, here)) and any(one.code != "rulebook_differs" for one in others):
        return answer(receipt, "cannot_be_replayed", reasons=others + _other_code(receipt, here))
    reasons = others + _other_code(receipt, here)
    try:
        now = await recompute()
    except RefusedInputError:
        refusal = Reason(code="input_refused", message="The input is refused by today's rules or code.")
        return answer(receipt, "cannot_be_replayed", reasons=(refusal, *reasons))
    found = differences(shown.answer, now) if shown.answer is not None else ()
    return answer(receipt, _verdict(receipt, shown, now, reasons), found, reasons)


def answer(
    receipt: Receipt, verdict: Verdict, where: tuple[str, ...] = (), reasons: tuple[Reason, ...] = ()
) -> ReplayAnswer:
    """Return the answer to a replay."""
    return ReplayAnswer(
        receipt_id=receipt.id, operation=receipt.operation, verdict=verdict, differences=where, reasons=reasons
    )


def unknown_operation(receipt: Receipt) -> ReplayAnswer:
    """Return the answer for a receipt of an operation that is not here."""
    reason = Reason(code="operation_unknown", message="This service has no such operation.")
    return answer(receipt, "cannot_be_replayed", reasons=(reason,))


def _verdict(receipt: Receipt, shown: Shown, now: Any, reasons: tuple[Reason, ...]) -> Verdict:  # noqa: ANN401  # JSON
    if shown.answer is not None and digest(shown.answer) != receipt.answer_sha256:
        return "other_answer"
    if digest(now) == receipt.answer_sha256:
        return "same"
    return "cannot_be_replayed" if reasons else "differs"


def _other_rules(receipt: Receipt, here: Installed) -> tuple[Reason, ...]:
    reasons = [reason for used in receipt.rules if (reason := _of_rule(used, here.rules.get(used.id))) is not None]
    if not reasons and receipt.rulebook_sha256 != here.rulebook_sha256:
        message = "Rule sets that the answer does not name were added, removed or changed."
        reasons.append(Reason(code="rulebook_differs", message=message))
    return tuple(reasons)


def _of_rule(used: RuleSetUsed, now: RuleSetUsed | None) -> Reason | None:
    if now is None:
        return Reason(code="rules_missing", message=f"{used.id} {used.version} is not installed.")
    if now == used:
        return None
    message = f"{used.id}: the receipt has {used.version} (sha256 {used.sha256}), installed is {now.version} "
    return Reason(code="rules_differ", message=f"{message}(sha256 {now.sha256}).")


def _other_code(receipt: Receipt, here: Installed) -> tuple[Reason, ...]:
    if receipt.code == here.code:
        return ()
    then, now = (f"{code.version} ({code.git_sha or 'commit not known'})" for code in (receipt.code, here.code))
    return (Reason(code="code_differs", message=f"The receipt was given by version {then}, this is {now}."),)
