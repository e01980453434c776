"""SMART Backend Services: where a registered client gets a token, and the document that says so.

Errors of the token endpoint are OAuth 2.0's own (RFC 6749, 5.2): clients expect them so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from app.api.body import read_body
from app.api.callers import public
from app.api.context import SCHEME, context_of
from app.api.kinds import UNAUTHENTICATED
from app.api.media import JSON_TYPE, require_json_accepted, require_media_type
from app.api.openapi import REF
from app.api.problems import PROBLEM_JSON
from app.api.responses import Responses, declared
from app.api.routes import CalculatorRoute
from app.security.backend_terms import ALGORITHMS, ASSERTION_TYPE, GRANT, LIFETIME_SECONDS, Granted, GrantError
from app.security.caller import SCOPES

FORM_TYPE: Final = "application/x-www-form-urlencoded"
TOKEN_PATH: Final = "/token"  # noqa: S105  # a path
_MOST_BYTES: Final = 20_000
_MOST_FIELDS: Final = 20
_UNAUTHORIZED: Final = 401
_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}

Grant = Callable[[dict[str, str], str, str], Awaitable[Granted]]
"""Answers a form, for the address it was sent to, under the request's id."""


class SmartConfiguration(BaseModel):
    """What a client needs to know to get a token (SMART App Launch 2.2, Backend Services)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token_endpoint: str = Field(description="Where tokens are given; also what an assertion's `aud` must be")
    grant_types_supported: tuple[str, ...] = Field(description="`client_credentials`")
    token_endpoint_auth_methods_supported: tuple[str, ...] = Field(description="`private_key_jwt`")
    token_endpoint_auth_signing_alg_values_supported: tuple[str, ...] = Field(description="RS384 and ES384")
    scopes_supported: tuple[str, ...] = Field(description="What a client may be allowed")
    capabilities: tuple[str, ...] = Field(description="`client-confidential-asymmetric`")


class AccessToken(BaseModel):
    """A token, and how long it lasts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    access_token: str = Field(description="Send it as `Authorization: Bearer ...`; it is not shown again")
    token_type: str = Field(description="`bearer`")
    expires_in: int = Field(ge=1, le=LIFETIME_SECONDS, description="Seconds until it ends; there is no refresh token")
    scope: str = Field(description="What it may do, divided by spaces")


class OAuthError(BaseModel):
    """Why no token was given (RFC 6749, 5.2)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    error: str = Field(description="`invalid_request`, `invalid_client`, `invalid_scope`, `unsupported_grant_type`")
    error_description: str = Field(description="The same in words")


_REFUSED: Final[dict[str, Any]] = {
    JSON_TYPE: {"schema": {"$ref": REF.format(model="OAuthError")}},
    PROBLEM_JSON.decode(): {"schema": {"$ref": REF.format(model="Problem")}},
}
_ANSWERS: Final[Responses] = declared(
    {
        400: {"model": OAuthError, "description": "The form is not one for a token", "content": _REFUSED},
        401: {"description": UNAUTHENTICATED.meaning, "content": _REFUSED},
    },
    503,
)
_FORM: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            FORM_TYPE: {
                "schema": {
                    "type": "object",
                    "required": ["grant_type", "client_assertion_type", "client_assertion"],
                    "properties": {
                        "grant_type": {"type": "string", "enum": [GRANT], "description": "Always the same"},
                        "client_assertion_type": {
                            "type": "string",
                            "enum": [ASSERTION_TYPE],
                            "description": "Always the same",
                        },
                        "client_assertion": {
                            "type": "string",
                            "description": "JWT signed by the client (RS384, ES384): iss = sub = client_id, aud = this "
                            "address, exp at most 5 minutes ahead, jti never used before",
                        },
                        "scope": {"type": "string", "description": "What is asked for; absent: all it may have"},
                    },
                },
                "example": {
                    "grant_type": GRANT,
                    "client_assertion_type": ASSERTION_TYPE,
                    "client_assertion": "<the signed JWT>",
                    "scope": "calculate cohort:read",
                },
            }
        },
    }
}


def build_router(grant: Grant, public_url: str | None) -> APIRouter:
    """Make the operations; without a public URL the address is that of the connection, never of a header."""
    router = APIRouter(tags=["service"], route_class=CalculatorRoute)

    @router.get(
        "/.well-known/smart-configuration", summary="How a client gets a token", operation_id="smart_configuration"
    )
    @public
    async def smart_configuration(request: Request) -> SmartConfiguration:
        """Say where a registered backend client gets a token, how it proves itself, and for what."""
        require_json_accepted(context_of(request.scope).headers)
        return SmartConfiguration(
            token_endpoint=_endpoint(request, public_url),
            grant_types_supported=(GRANT,),
            token_endpoint_auth_methods_supported=("private_key_jwt",),
            token_endpoint_auth_signing_alg_values_supported=ALGORITHMS,
            scopes_supported=SCOPES,
            capabilities=("client-confidential-asymmetric",),
        )

    @router.post(
        TOKEN_PATH,
        summary="A token for a backend client",
        operation_id="token",
        response_model=AccessToken,
        responses=_ANSWERS,
        openapi_extra=_FORM,
    )
    @public
    async def token(request: Request) -> Response:
        """Give a registered client a token for five minutes, against an assertion signed with its private key."""
        context = context_of(request.scope)
        headers = context.headers
        require_json_accepted(headers)
        require_media_type(headers, (FORM_TYPE,))
        raw = await read_body(request, _MOST_BYTES)
        try:
            granted = await grant(_form(raw), _endpoint(request, public_url), context.request_id)
        except GrantError as exc:
            return _refusal(exc)
        return _json(200, _token(granted))

    return router


def _token(granted: Granted) -> dict[str, Any]:
    return AccessToken(
        access_token=granted.token,
        token_type="bearer",  # noqa: S106  # the kind of token
        expires_in=LIFETIME_SECONDS,
        scope=" ".join(sorted(granted.scopes)),
    ).model_dump()


def _refusal(exc: GrantError) -> Response:
    is_unknown = exc.error == "invalid_client"
    challenge = {"WWW-Authenticate": 'Bearer realm="defervesce"'} if is_unknown else {}
    body = OAuthError(error=exc.error, error_description=str(exc)).model_dump()
    return _json(_UNAUTHORIZED if is_unknown else 400, body, challenge)


def _json(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), status, _NO_STORE | (headers or {}), JSON_TYPE)


def _form(raw: bytes) -> dict[str, str]:
    """Read the form strictly: each field once."""
    try:
        fields = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        raise GrantError("invalid_request", "The body is not a form.") from None
    if len({name for name, _ in fields}) < len(fields):
        raise GrantError("invalid_request", "A field occurs more than once.")
    return dict(fields)


def _endpoint(request: Request, public_url: str | None) -> str:
    """Return the address of the token endpoint: it is the audience of assertions, so no header may choose it.

    A server that is not ours says the scheme as it is told to trust it.
    """
    if public_url is not None:
        return public_url.rstrip("/") + TOKEN_PATH
    host, port = request.scope.get("server") or ("localhost", None)
    named = f"[{host}]" if ":" in host else host
    scheme = request.scope.get(SCHEME) or request.scope["scheme"]
    return f"{scheme}://{named}{'' if port is None else f':{port}'}{TOKEN_PATH}"
