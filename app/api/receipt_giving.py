"""Receipts at the door: `Prefer: return=receipt` on a clinical answer, and making an answer again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar

import msgspec
from starlette.responses import Response

from app.api.context import RequestContext
from app.api.places import Places
from app.api.preferences import preference_of
from app.api.receipts_declared import PREFIX, RECEIPT_HEADER
from app.api.reply import Reply
from app.api.routes import LeanOperation
from app.security.audit.asking import Asking, carried, on_behalf
from app.security.receipts.keeper import Answered, ReceiptKeeper
from app.security.receipts.model import Receipt

T = TypeVar("T")
_THREADS: Final = 4
_MOST: Final = 64
_TOO_MANY: Final = "As many receipts are being given or checked as this service takes at once."
_HEADER_NAMES: Final = (b"preference-applied", RECEIPT_HEADER.lower().encode(), b"link")


class Receipts:
    """Gives receipts of the clinical operations, and answers an input anew."""

    def __init__(self, keeper: ReceiptKeeper) -> None:
        self.keeper = keeper
        self.places = Places(_MOST, _TOO_MANY)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="receipt")
        self._operations: Mapping[str, LeanOperation] = {}

    def over(self, operations: Mapping[str, LeanOperation]) -> None:
        """Take up the operations (by their ids) whose answers may have receipts."""
        self._operations = operations
        for name, operation in operations.items():
            operation.keep = partial(self._keep, name)

    async def write(self, call: Callable[[], T]) -> T:
        """Run what may have to wait for another writer: on threads of its own, so that no read waits with it."""
        with self.places.place():
            return await asyncio.get_running_loop().run_in_executor(self._threads, carried(call))

    def operation(self, name: str) -> LeanOperation | None:
        """Return an operation that gives receipts, or None."""
        return self._operations.get(name)

    async def _keep(
        self,
        name: str,
        prefer: bytes,
        body: Any,  # noqa: ANN401  # the operation's model
        reply: Reply | Response,
        context: RequestContext,
    ) -> Reply | Response:
        """Keep a receipt of an answer, if the caller prefers that. What is not JSON (a calendar) has none."""
        preference = preference_of(prefer)
        if not preference.receipt or not isinstance(reply, Reply):
            return reply
        answered = Answered(name, self._operations[name].as_json(body), msgspec.json.decode(reply.body))
        asking = Asking(name, context.request_id, lambda: context.caller)
        with on_behalf(asking):
            receipt = await self.write(
                partial(self.keeper.keep, context.caller, answered, with_input=preference.with_input)
            )
        told = (preference.applied, receipt.id.encode(), f'<{PREFIX}/{receipt.id}>; rel="describedby"'.encode())
        return reply._replace(headers=(*reply.headers, *zip(_HEADER_NAMES, told, strict=True)))

    async def answer(self, operation: LeanOperation, body: Any) -> Any:  # noqa: ANN401  # model in, JSON out
        """Answer an input anew, as JSON values. RefusedInputError."""
        return msgspec.json.decode(await operation.written(body))

    async def example(self, name: str, sent: bytes) -> tuple[LeanOperation, Any, Any]:
        """Return an operation, an input of it as its model, and its answer."""
        operation = self._operations[name]
        body = operation.read(sent)
        return operation, body, await self.answer(operation, body)


def document_of(receipt: Receipt) -> bytes:
    """Write a receipt as it is sent."""
    return msgspec.json.encode(receipt.document())
