"""The words of the token endpoint. Light: the HTTP layer names them before the first client asks."""

from __future__ import annotations

from typing import Final, NamedTuple

from app.security.caller import Scope

ALGORITHMS: Final = ("RS384", "ES384")
ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
GRANT: Final = "client_credentials"
LIFETIME_SECONDS: Final = 300


class GrantError(Exception):
    """The request for a token is refused; `error` is OAuth's code. The text tells a guesser nothing."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.error = error


class Granted(NamedTuple):
    """A token, and what it may do."""

    token: str
    scopes: frozenset[Scope]
