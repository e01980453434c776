"""Which operations give receipts, and what they say of it in the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

PREFIX: Final = "/v1/receipts"
RECEIPT_HEADER: Final = "Defervesce-Receipt"
_CLINICAL: Final = ("/v1/phenotype", "/v1/treatment/", "/v1/anakinra/", "/v1/ctcae/grade")
PARAMETER: Final[dict[str, Any]] = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "`return=receipt`: keep a signed receipt of this answer, named by the header Defervesce-Receipt; "
    "`return=receipt; keep=input` keeps input and answer with it. When no receipt can be kept, the answer is 503",
    "schema": {"type": "string"},
}
HEADERS: Final[dict[str, Any]] = {
    RECEIPT_HEADER: {"description": "Id of the receipt, when one was asked for", "schema": {"type": "string"}},
    "Preference-Applied": {"description": "`return=receipt`", "schema": {"type": "string"}},
}


def gives_receipts(method: str, path: str) -> bool:
    """Say whether an operation's answers may have receipts: single clinical answers, no batches."""
    return method.upper() == "POST" and path.startswith(_CLINICAL) and not path.endswith("/batch")
