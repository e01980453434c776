"""Who sent a request: what they may do, and to which tenant all that they keep belongs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

Scope = Literal["calculate", "cohort:read", "cohort:write", "cohort:delete", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
# The tenant of whoever calls a service that has no callers configured, and of all that was kept before there were any.
DEFAULT_TENANT: Final = "default"


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller.

    `id` names it in the audit trail and never holds a secret; `tenant` owns what it keeps; `scopes` are what it may do.
    """

    id: str
    tenant: str
    scopes: frozenset[Scope]


# Without configured callers the service answers this machine alone, and whoever calls may do everything.
LOCAL: Final = Caller("local", DEFAULT_TENANT, frozenset(SCOPES))
