"""Who sent a request: what they may do, and to which tenant all that they keep belongs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, get_args

from app.database.tenants import DEFAULT_TENANT

Scope = Literal["calculate", "cohort:read", "cohort:write", "cohort:delete", "admin"]
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
# The audit trail and receipts keep no longer id.
LONGEST_ID: Final = 200


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
# Whoever calls from this machine while it cannot be found out whether there are callers: calculators keep nothing.
UNSURE: Final = Caller("local", DEFAULT_TENANT, frozenset({"calculate"}))
# Who calls an operation that is for everybody, and who could not be told: may do nothing, owns nothing.
NOBODY: Final = Caller("nobody", "", frozenset())

__all__ = ["DEFAULT_TENANT", "LOCAL", "LONGEST_ID", "NOBODY", "SCOPES", "UNSURE", "Caller", "Scope"]
