"""`/v1/receipts`, `/v1/replay`: what proves an answer, shown and checked."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.requests import Request
from starlette.responses import Response

from app.api.auditing import Auditor
from app.api.callers import MayCalculate
from app.api.context import context_of
from app.api.media import require_json_accepted
from app.api.problems import ProblemError, not_found, refused
from app.api.receipt_giving import Receipts, document_of
from app.api.receipts_declared import PREFIX
from app.api.reply import JSON
from app.api.responses import declared
from app.api.routes import CalculatorRoute, LeanOperation
from app.clinical.refusal import InputError, RefusedInputError
from app.cohorts.builtin import EXAMPLE
from app.security.caller import Caller
from app.security.receipts.keeper import Answered
from app.security.receipts.model import Receipt, ReplayAnswer

_EXAMPLE_OPERATION: Final = "anakinra_dose"
_EXAMPLE_INPUT: Final[dict[str, Any]] = {"weight_kg": 25, "critically_ill": True}
_OF_BODY: Final = "/input"
ReceiptId = Annotated[
    str,
    Path(
        description="Id of the receipt, from the header Defervesce-Receipt; `example` is one of an invented child",
        min_length=1,
        max_length=64,
        examples=[EXAMPLE],
    ),
]


class PublicKey(BaseModel):
    """A public key as a JSON Web Key (RFC 8037)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kty: str = Field(default="OKP", description="Kind of the key")
    crv: str = Field(default="Ed25519", description="Curve")
    use: str = Field(default="sig", description="It verifies signatures")
    kid: str = Field(description="Id of the key (RFC 7638), as receipts name it")
    x: str = Field(description="The 32 bytes of the key, base64url")


class PublicKeys(BaseModel):
    """The public keys of all receipts (RFC 7517), those of retired keys too."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: tuple[PublicKey, ...] = Field(description="The keys, in the order of their making")


class ReplayRequest(BaseModel):
    """A receipt, whole or by its id, and what is to be held against it."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"receipt_id": EXAMPLE, "input": _EXAMPLE_INPUT}]},
    )

    receipt_id: str | None = Field(
        default=None, min_length=1, max_length=64, description="Id of a receipt that this service keeps"
    )
    receipt: Receipt | None = Field(default=None, description="The receipt as `GET /v1/receipts/{receipt_id}` shows it")
    input: dict[str, Any] | None = Field(
        default=None, description="The input, as it was sent; may be left out where it was kept with the receipt"
    )
    answer: dict[str, Any] | None = Field(
        default=None, description="The answer, as it was given: with it, `differences` can say where"
    )

    @model_validator(mode="after")
    def _one_receipt(self) -> ReplayRequest:
        if (self.receipt is None) == (self.receipt_id is None):
            raise ValueError("Name one receipt: by receipt_id, or whole in receipt.")
        return self


class _Found:
    """A receipt with what was kept beside it."""

    def __init__(self, receipt: Receipt, input_: str | None = None, answer: str | None = None) -> None:
        self.receipt = receipt
        self.input = input_
        self.answer = None if answer is None else msgspec.json.decode(answer)


def build_router(receipts: Receipts) -> APIRouter:
    """Make the operations on receipts."""
    router = APIRouter(tags=["receipts"], route_class=CalculatorRoute)
    shelf = _Shelf(receipts)

    @router.get(
        PREFIX + "/keys", summary="Public keys of receipts", operation_id="receipt_keys", responses=declared({}, 503)
    )
    async def receipt_keys(_: MayCalculate) -> PublicKeys:
        """Show the public keys that receipts are verified by, as a JSON Web Key Set; those of retired keys stay."""
        found = await receipts.write(receipts.keeper.public_keys)
        return PublicKeys(keys=tuple(PublicKey(kid=kid, x=public) for kid, public in found.items()))

    @router.get(
        PREFIX + "/{receipt_id}",
        summary="One receipt",
        operation_id="get_receipt",
        response_model=Receipt,
        responses=declared({}, 503),
    )
    async def get_receipt(receipt_id: ReceiptId, request: Request, caller: MayCalculate) -> Response:
        """Show a receipt as it was signed: hashes of input and answer, rule sets, code; nothing of the patient."""
        context = context_of(request.scope)
        require_json_accepted(context.headers)
        found = await shelf.find(caller, receipt_id)
        return Response(document_of(found.receipt), media_type=JSON.decode())

    @router.post("/v1/replay", summary="Make an answer again", operation_id="replay", responses=declared({}, 404, 503))
    async def replay(body: ReplayRequest, request: Request, caller: MayCalculate) -> ReplayAnswer:
        """Say whether a receipt is authentic, of this input, and whether the answer is the same today.

        It names the rule sets or the code that are others now, and where answers differ; it repeats no value.
        """
        from app.security.receipts import replay as replaying  # noqa: PLC0415  # few requests need it

        context = context_of(request.scope)
        require_json_accepted(context.headers)
        found = await shelf.of(caller, body)
        Auditor.tell(request, {}, found.receipt.id if body.receipt is None else None)
        if not await receipts.write(partial(receipts.keeper.is_authentic, found.receipt)):
            return replaying.answer(found.receipt, "not_authentic")
        operation = receipts.operation(found.receipt.operation)
        if operation is None:
            return replaying.unknown_operation(found.receipt)
        model = _read(operation, body, found)
        shown = replaying.Shown(operation.as_json(model), body.answer if body.answer is not None else found.answer)
        here = receipts.keeper.here
        return await replaying.replayed(found.receipt, shown, here, lambda: receipts.answer(operation, model))

    return router


class _Shelf:
    """Finds receipts; makes the one that the documentation shows."""

    def __init__(self, receipts: Receipts) -> None:
        self._receipts = receipts

    async def of(self, caller: Caller, body: ReplayRequest) -> _Found:
        """Return the receipt that a replay is of."""
        if body.receipt is not None:
            return _Found(body.receipt)
        return await self.find(caller, body.receipt_id or "")

    async def find(self, caller: Caller, receipt_id: str) -> _Found:
        """Return one of the caller's tenant's receipts, or raise the 404."""
        if receipt_id == EXAMPLE:
            return _Found(await self._example(caller))
        stored = await asyncio.to_thread(self._receipts.keeper.find, caller.tenant, receipt_id)
        if stored is None:
            raise not_found("There is no such receipt.")
        return _Found(*stored)

    async def _example(self, caller: Caller) -> Receipt:
        sent = msgspec.json.encode(_EXAMPLE_INPUT)
        operation, body, answer = await self._receipts.example(_EXAMPLE_OPERATION, sent)
        answered = Answered(_EXAMPLE_OPERATION, operation.as_json(body), answer)
        return await self._receipts.write(partial(self._receipts.keeper.shown, caller, answered, EXAMPLE))


def _read(operation: LeanOperation, body: ReplayRequest, found: _Found) -> Any:  # noqa: ANN401  # the operation's model
    """Return the input that is held against a receipt, validated as the operation does."""
    sent = found.input.encode() if body.input is None and found.input else None
    if sent is None and body.input is None:
        message = "The receipt's input was not kept: send it."
        raise refused([InputError(_OF_BODY, "field_missing", message)])
    try:
        return operation.read(sent if sent is not None else msgspec.json.encode(body.input))
    except ProblemError as exc:
        raise refused(RefusedInputError(*exc.errors).under(_OF_BODY).errors) from None
