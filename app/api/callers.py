"""What an operation asks of its caller, said in its signature: `caller: MayRead`, or `@public` for everybody.

An operation that says neither is the administrator's alone, and a test names it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, NamedTuple, TypeVar

from fastapi import Security
from fastapi.dependencies.models import Dependant
from starlette.requests import HTTPConnection

from app.api.context import RequestContext, context_of
from app.api.kinds import SCOPE_MISSING
from app.api.problems import ProblemError
from app.database.errors import DatabaseUnavailableError
from app.security.caller import UNSURE, Caller, Scope

_PUBLIC: Final = "__public__"
T = TypeVar("T", bound=Callable[..., Any])


async def caller_of(connection: HTTPConnection) -> Caller:
    """Return who sent the request, as the edge found out."""
    return context_of(connection.scope).caller


MayCalculate = Annotated[Caller, Security(caller_of, scopes=("calculate",))]
MayRead = Annotated[Caller, Security(caller_of, scopes=("cohort:read",))]
MayWrite = Annotated[Caller, Security(caller_of, scopes=("cohort:write",))]
MayDelete = Annotated[Caller, Security(caller_of, scopes=("cohort:delete",))]
MayAdmin = Annotated[Caller, Security(caller_of, scopes=("admin",))]


class Needs(NamedTuple):
    """What an operation asks of its caller. `scope` None: nothing. `parameter`: where it takes the caller."""

    scope: Scope | None
    parameter: str | None = None
    is_declared: bool = True


def public(endpoint: T) -> T:
    """Let everybody call an operation, known or not: it tells nothing that a tenant keeps."""
    setattr(endpoint, _PUBLIC, True)
    return endpoint


def is_public(endpoint: object) -> bool:
    """Say whether everybody may call an operation."""
    return bool(getattr(endpoint, _PUBLIC, False))


def needs_of(endpoint: object, dependant: Dependant) -> Needs:
    """Read what an operation asks of its caller from its signature."""
    if is_public(endpoint):
        return Needs(None)
    for part in dependant.dependencies:
        if part.call is caller_of and part.own_oauth_scopes:
            scope: Any = part.own_oauth_scopes[0]
            return Needs(scope, part.name)
    return Needs("admin", is_declared=False)


def require(context: RequestContext, scope: Scope) -> Caller:
    """Return the caller, or refuse one who may not do this: 403, which names the scope."""
    caller = context.caller
    if scope in caller.scopes:
        return caller
    if caller is UNSURE:
        # Whether there are callers could not be found out: what is kept is shown to nobody meanwhile.
        raise DatabaseUnavailableError("gone")
    challenge = f'Bearer realm="defervesce", error="insufficient_scope", scope="{scope}"'
    raise ProblemError(SCOPE_MISSING, f"The caller lacks the scope {scope}.", headers={"WWW-Authenticate": challenge})
