"""Which disclosure policy a request is under: the tenant's, and the stricter one that its caller may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Depends, Query
from starlette.requests import Request

from app.api.context import context_of
from app.api.kinds import AGGREGATES_ONLY
from app.api.problems import ProblemError
from app.statistics.disclosure_policy import NONE, OPEN, Disclosure, Profile

if TYPE_CHECKING:
    from app.cohorts.summary import Hide

Asked = Annotated[
    Profile | None,
    Query(
        alias="disclosure",
        description="Disclosure profile to withhold small numbers by. It is added to the server's: of each rule the "
        "stricter holds, and the answer names the profiles. Asking for a looser one changes nothing",
    ),
]


@dataclass(frozen=True, slots=True)
class Policies:
    """The server's profiles: of each tenant that has one of its own, and of all others."""

    default: Profile = NONE
    tenants: Mapping[str, Profile] = field(default_factory=dict)

    def of(self, tenant: str) -> Profile:
        """Return a tenant's profile."""
        return self.tenants.get(tenant, self.default)


_OPEN: Final = Policies()


def served(request: Request) -> Disclosure:
    """Return the policy that the request's tenant is under, whatever its caller asks for."""
    policies: Policies = getattr(request.app.state, "disclosure", _OPEN)
    name = policies.of(context_of(request.scope).caller.tenant)
    return OPEN if name == NONE else _stacked(name)


def disclosure_of(request: Request, asked: Asked = None) -> Disclosure:
    """Return the policy of an answer: the server's, and what the caller asked for on top of it."""
    found = served(request)
    return found if asked is None else found.asked(asked)


def require_rows_allowed(request: Request) -> None:
    """Refuse a tenant under a disclosure policy what would show single patients."""
    if served(request).chain:
        detail = "Your tenant is under a disclosure profile, so it is shown groups of patients and no single one."
        raise ProblemError(AGGREGATES_ONLY, detail)


def hiding(disclosure: Disclosure) -> Hide:
    """Return what withholds small numbers of a cohort's description; None where nothing is withheld."""
    if not disclosure.chain:
        return None
    # Numpy comes with the first answer that withholds anything.
    from app.cohorts.disclosure.described import described  # noqa: PLC0415  # as said

    return lambda strata: described(strata, disclosure)


@cache
def _stacked(name: Profile) -> Disclosure:
    return Disclosure.of(name)


Served = Annotated[Disclosure, Depends(served)]
Chosen = Annotated[Disclosure, Depends(disclosure_of)]
RowsAllowed: Final = Depends(require_rows_allowed)
