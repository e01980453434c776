"""`defervesce receipt verify`: signature, hashes, and the answer made again by the rules that are installed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple, Protocol, TextIO

from pydantic import ValidationError

from app.security.audit.refusals import CommandRefusedError
from app.security.receipts.model import Receipt, ReplayAnswer
from app.security.receipts.replay import Installed, Shown, replayed, unknown_operation


class Operation(Protocol):
    """What answers an input."""

    def read(self, raw: bytes) -> Any:  # noqa: ANN401  # the operation's model
        """Read an input, or refuse it."""

    def as_json(self, body: Any) -> Any:  # noqa: ANN401  # model in, JSON out
        """Return an input as JSON values."""


class Replaying(NamedTuple):
    """What is installed here: rules, code, the operations, and how one answers (JSON values)."""

    here: Installed
    operation: Callable[[str], Operation | None]
    answer: Callable[[Any, Any], Awaitable[Any]]


def read_receipt(text: str) -> Receipt:
    """Read a receipt from a file. CommandRefusedError."""
    try:
        return Receipt.model_validate_json(text)
    except ValidationError:
        raise CommandRefusedError("the file is no receipt as GET /v1/receipts/{receipt_id} shows it") from None


def is_authentic(receipt: Receipt, keys: Mapping[str, str]) -> bool:
    """Say whether one of the keys (public keys by their ids) signed a receipt."""
    from app.security.receipts.signing import is_signed  # noqa: PLC0415  # it loads cryptography

    public = keys.get(receipt.key_id)
    return public is not None and is_signed(receipt.signed(), receipt.signature, public)


async def held_against(receipt: Receipt, sent: bytes, answer: Any, replaying: Replaying) -> ReplayAnswer:  # noqa: ANN401
    """Hold an input (as it was sent) and an answer (JSON values, or None) against a receipt."""
    operation = replaying.operation(receipt.operation)
    if operation is None:
        return unknown_operation(receipt)
    body = operation.read(sent)
    shown = Shown(operation.as_json(body), answer)
    return await replayed(receipt, shown, replaying.here, lambda: replaying.answer(operation, body))


def tell(found: ReplayAnswer, output: TextIO) -> bool:
    """Say what came of it; returns whether the answer is the same."""
    output.write(f"{found.receipt_id}: {found.operation}: {found.verdict.replace('_', ' ')}\n")
    output.writelines(f"  differs at {pointer or 'the whole answer'}\n" for pointer in found.differences)
    output.writelines(f"  {reason.code}: {reason.message}\n" for reason in found.reasons)
    return found.verdict == "same"
