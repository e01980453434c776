"""Callers for tests: keys, clients, an issuer that really serves its keys over HTTP, and tokens of every kind."""

from __future__ import annotations

import base64
import hmac
import json
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from app.database.engine import make_engine
from app.security.caller import SCOPES
from app.security.keys import new_key
from app.security.store.callers import CallerStore
from app.security.store.model import Client

EVERYTHING = frozenset(SCOPES)
AUDIENCE = "https://defervesce.example.org"
TOKEN_URL = f"{AUDIENCE}/token"
_CURVES = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1}


@contextmanager
def callers_of(url: str) -> Iterator[CallerStore]:
    """Open the callers of a database as the command line does: over connections of its own."""
    engine = make_engine(url)
    try:
        yield CallerStore(engine)
    finally:
        engine.dispose()


def key_in(
    url: str, tenant: str = "default", scopes: frozenset[Any] = EVERYTHING, *, lives: timedelta | None = None
) -> str:
    """Make a key and return its text."""
    key = new_key()
    with callers_of(url) as store:
        store.create_key(key, f"of {tenant}", tenant, scopes, None if lives is None else datetime.now(UTC) + lives)
    return key.text


def client_in(url: str, client_id: str, keys: str | dict[str, Any], tenant: str = "default", scopes=EVERYTHING) -> None:
    """Register a client by its JWKS, or by the URL of it."""
    text, address = (None, keys) if isinstance(keys, str) else (json.dumps(keys), None)
    with callers_of(url) as store:
        store.create_client(Client(client_id, client_id, tenant, scopes, text, address, datetime.now(UTC), None, None))


def bearer(credential: str) -> dict[str, str]:
    """Return the header that carries a credential."""
    return {"authorization": f"Bearer {credential}"}


@dataclass
class Signer:
    """A private key with its id."""

    algorithm: str = "RS256"
    kid: str = field(default_factory=lambda: uuid.uuid4().hex)
    bits: int = 2048

    def __post_init__(self) -> None:
        if self.algorithm.startswith("RS"):
            self.private: Any = rsa.generate_private_key(65_537, self.bits)
        else:
            self.private = ec.generate_private_key(_CURVES[self.algorithm]())

    @property
    def public(self) -> dict[str, Any]:
        """The JWK."""
        made = jwt.get_algorithm_by_name(self.algorithm).to_jwk(self.private.public_key(), as_dict=True)
        return dict(made) | {"kid": self.kid, "use": "sig"}

    @property
    def pem(self) -> bytes:
        """The public key as its holder hands it out."""
        public = self.private.public_key()
        return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    def sign(self, claims: Mapping[str, Any], **header: Any) -> str:
        """Sign claims as they are."""
        headers = {"kid": self.kid} | header
        return jwt.encode(
            dict(claims), self.private, self.algorithm, {k: v for k, v in headers.items() if v is not None}
        )


def unsigned(header: Mapping[str, Any], claims: Mapping[str, Any], signature: bytes = b"") -> str:
    """Write a token by hand, whatever it says."""
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def hmac_signed(secret: bytes, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """Sign by HS256 with whatever secret; libraries refuse a public key as one."""
    said = unsigned(header, claims).rpartition(".")[0]
    mac = hmac.new(secret, said.encode(), sha256).digest()
    return f"{said}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


class Issuer:
    """An issuer with an HTTP server of its own, that counts how often its keys are fetched."""

    def __init__(self, *signers: Signer) -> None:
        self.signers = list(signers)
        self.fetched: list[str] = []
        self.broken: bytes | None = None
        self.slow = 0.0
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.fetched.append(self.path)
                time.sleep(issuer.slow)
                body = issuer.broken if issuer.broken is not None else json.dumps(issuer.jwks).encode()
                self.send_response(200 if self.path == "/jwks.json" else 302)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Be quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def jwks(self) -> dict[str, Any]:
        """What it serves."""
        return {"keys": [signer.public for signer in self.signers]}

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def jwks_url(self) -> str:
        """Where its keys are."""
        return f"{self.url}/jwks.json"

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Return sound claims of a token, changed; a claim that is None is left out."""
        now = int(time.time())
        sound = {
            "iss": self.url,
            "sub": "nurse-7",
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + 300,
            "scope": "calculate cohort:read unheard:of",
        }
        return {name: value for name, value in (sound | changed).items() if value is not None}

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def assertion_claims(client_id: str, **changed: Any) -> dict[str, Any]:
    """Return sound claims of a client's assertion, changed; a claim that is None is left out."""
    now = int(time.time())
    sound = {
        "iss": client_id,
        "sub": client_id,
        "aud": TOKEN_URL,
        "iat": now,
        "exp": now + 240,
        "jti": uuid.uuid4().hex,
    }
    return {name: value for name, value in (sound | changed).items() if value is not None}


def token_form(assertion: str, **changed: str | None) -> dict[str, str]:
    """Return the form of the token endpoint; a field that is None is left out."""
    sound = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }
    return {name: value for name, value in (sound | changed).items() if value is not None}
