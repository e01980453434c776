"""`defervesce keys` and `defervesce clients`: who may call, made and ended from the command line."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

from app.database.tenants import DEFAULT_TENANT
from app.security.caller import SCOPES, Scope
from app.security.errors import CallerCommandError
from app.security.issuers import checked_url, is_tenant
from app.security.jwks import keys_of
from app.security.keys import CLIENT_ID, KEY_PREFIX, fresh_id, key_id_of, new_key
from app.security.store.model import ApiKey, Client

if TYPE_CHECKING:
    from app.security.store.callers import CallerStore

Opened = Callable[[], AbstractContextManager["CallerStore"]]
Run = Callable[[argparse.Namespace], int]
_SPAN: Final = re.compile(r"([1-9][0-9]{0,3})([smhd])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_NEVER: Final = "never"
_LONGEST_NAME: Final = 200
_LARGEST_JWKS: Final = 100_000
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})


class CallerCommands:
    """The commands over the store of the settings' database."""

    def __init__(self, opened: Opened, output: TextIO, notes: TextIO) -> None:
        """`output` takes what a script would read, `notes` what a person should."""
        self._opened = opened
        self._output = output
        self._notes = notes

    def create_key(self, options: argparse.Namespace) -> int:
        """Make a key and print it, this once."""
        name, tenant, scopes = _described(options)
        key, expires = new_key(), _end(options.expires)
        with self._opened() as store:
            made = store.create_key(key, name, tenant, scopes, expires)
        self._show_once(key.text, made)
        return 0

    def list_keys(self, _: argparse.Namespace) -> int:
        """Print every key, without its secret."""
        with self._opened() as store:
            found = store.keys()
        head = ("key", "tenant", "state", "scopes", "expires", "last used", "name")
        self._table(head, (_key_row(key) for key in found))
        return 0

    def rotate_key(self, options: argparse.Namespace) -> int:
        """Give a key another secret and print it, this once; the old one goes on for the overlap."""
        overlap = _span(options.overlap)
        key = new_key(_key_id(options.key))
        with self._opened() as store:
            found = store.rotate_key(key, overlap)
        self._show_once(key.text, found)
        self._note(f"the secret before it ends in {options.overlap}")
        return 0

    def revoke_key(self, options: argparse.Namespace) -> int:
        """End a key."""
        with self._opened() as store:
            found = store.revoke_key(_key_id(options.key))
        self._note(f"{KEY_PREFIX}{found.id} is revoked; running services refuse it within ten seconds")
        return 0

    def create_client(self, options: argparse.Namespace) -> int:
        """Register a backend client and print its id."""
        name, tenant, scopes = _described(options)
        client_id = options.id or fresh_id()
        if not CLIENT_ID.fullmatch(client_id):
            raise CallerCommandError("the client's id must be 1 to 64 of A-Z, a-z, 0-9, `.`, `_`, `-`")
        jwks, url = _jwks(options.jwks), _jwks_url(options.jwks_url)
        client = Client(client_id, name, tenant, scopes, jwks, url, datetime.now(UTC), None, None)
        with self._opened() as store:
            store.create_client(client)
        print(client_id, file=self._output)
        self._note(f"client {client_id} of tenant {tenant} may ask for: {' '.join(sorted(scopes))}")
        return 0

    def list_clients(self, _: argparse.Namespace) -> int:
        """Print every client."""
        with self._opened() as store:
            found = store.clients()
        head = ("client", "tenant", "state", "scopes", "keys", "last used", "name")
        self._table(head, (_client_row(client) for client in found))
        return 0

    def revoke_client(self, options: argparse.Namespace) -> int:
        """End a client and its tokens."""
        with self._opened() as store:
            found = store.revoke_client(options.client)
        self._note(f"client {found.id} is revoked, with the tokens it holds; services refuse them within ten seconds")
        return 0

    def _show_once(self, text: str, key: ApiKey) -> None:
        print(text, file=self._output)
        until = "never" if key.expires_at is None else _day(key.expires_at)
        self._note(f"tenant {key.tenant}; scopes {' '.join(sorted(key.scopes))}; expires {until}")
        self._note("this is the only time that the key is shown: keep it where secrets are kept")

    def _note(self, text: str) -> None:
        print(text, file=self._notes)

    def _table(self, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
        lines = [head, *rows]
        widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
        for line in lines:
            cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            print("  ".join(cells).rstrip(), file=self._output)


def add_parsers(commands: Any, made: CallerCommands) -> None:  # noqa: ANN401  # argparse keeps the type to itself
    """Add `keys` and `clients` to the command line."""
    keys = commands.add_parser("keys", help="make, list, renew and end API keys").add_subparsers(
        required=True, metavar="action"
    )
    create = _parser(keys, "create", "make a key and print it, this once", made.create_key)
    _add_description(create)
    create.add_argument("--expires", default="365d", help="90d, 12h, 2027-06-30 or never; 365d by default")
    _parser(keys, "list", "every key, without its secret", made.list_keys)
    rotate = _parser(keys, "rotate", "give a key another secret and print it, this once", made.rotate_key)
    rotate.add_argument("key", help="the key's visible part, dfv_...")
    rotate.add_argument("--overlap", default="24h", help="how long the secret before it goes on; 24h by default")
    revoke = _parser(keys, "revoke", "end a key", made.revoke_key)
    revoke.add_argument("key", help="the key's visible part, dfv_...")

    clients = commands.add_parser("clients", help="register, list and end backend clients").add_subparsers(
        required=True, metavar="action"
    )
    create = _parser(clients, "create", "register a client by its public keys, and print its id", made.create_client)
    _add_description(create)
    create.add_argument("--id", help="its client_id; random by default")
    source = create.add_mutually_exclusive_group(required=True)
    source.add_argument("--jwks", type=Path, metavar="FILE", help="its public keys, as a JWKS")
    source.add_argument("--jwks-url", metavar="URL", help="where its public keys are")
    _parser(clients, "list", "every client", made.list_clients)
    revoke = _parser(clients, "revoke", "end a client and the tokens it holds", made.revoke_client)
    revoke.add_argument("client", help="its client_id")


def _parser(actions: Any, name: str, text: str, run: Run) -> argparse.ArgumentParser:  # noqa: ANN401  # as above
    parser: argparse.ArgumentParser = actions.add_parser(name, help=text)
    parser.set_defaults(run=run)
    return parser


def _add_description(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", required=True, help="who it is for")
    parser.add_argument("--tenant", default=DEFAULT_TENANT, help=f"whose cohorts are theirs; {DEFAULT_TENANT}")
    parser.add_argument("--scopes", required=True, help=f"divided by commas: {', '.join(SCOPES)}")


def _described(options: argparse.Namespace) -> tuple[str, str, frozenset[Scope]]:
    name = options.name.strip()
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise CallerCommandError(f"--name must be 1 to {_LONGEST_NAME} printable characters")
    return name, tenant_of(options.tenant), _scopes(options.scopes)


def tenant_of(name: str) -> str:
    """Return a tenant's name if it may be one. CallerCommandError."""
    if not is_tenant(name):
        raise CallerCommandError(
            "a tenant's name must be 1 to 64 of a-z, 0-9, `.`, `_`, `-`, and begin with a letter or digit"
        )
    return name


def _scopes(text: str) -> frozenset[Scope]:
    words = {word for word in re.split(r"[,\s]+", text) if word}
    if not words or not words <= set(SCOPES):
        raise CallerCommandError(f"--scopes must be some of {', '.join(SCOPES)}, divided by commas")
    return frozenset(cast("set[Scope]", words))


def _span(text: str) -> timedelta:
    found = _SPAN.fullmatch(text)
    if found is None and text != "0":
        raise CallerCommandError("a time span is written as 90d, 12h, 30m, 20s or 0")
    return timedelta() if found is None else timedelta(seconds=int(found[1]) * _SECONDS[found[2]])


def _end(text: str) -> datetime | None:
    if text == _NEVER:
        return None
    now = datetime.now(UTC)
    try:
        end = datetime.fromisoformat(text)
        end = end if end.tzinfo else end.replace(tzinfo=UTC)
    except ValueError:
        end = now + _span(text)
    if end <= now:
        raise CallerCommandError("--expires lies in the past")
    return end


def _key_id(text: str) -> str:
    """Return the id that a key is named by: its visible part, or (by mistake) the whole of it."""
    whole = key_id_of(text.encode())
    return whole or text.removeprefix(KEY_PREFIX).partition("_")[0]


def _jwks(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8")
        found = keys_of(text.encode()) if len(text) <= _LARGEST_JWKS else {}
    except (OSError, ValueError, RecursionError):
        raise CallerCommandError(f"{path.name} is not a file with a JWKS") from None
    if not found:
        raise CallerCommandError(f"{path.name} holds no signing key with a `kid`, RSA or EC")
    if any(_PRIVATE & key.keys() for key in found.values()):
        raise CallerCommandError(
            f"{path.name} holds a private key: a client keeps that for itself; send the public one"
        )
    return text


def _jwks_url(url: str | None) -> str | None:
    try:
        return None if url is None else checked_url(url)
    except ValueError as exc:
        raise CallerCommandError(f"--jwks-url {exc}") from None


def _key_row(key: ApiKey) -> tuple[str, ...]:
    scopes = " ".join(sorted(key.scopes))
    expires = _NEVER if key.expires_at is None else _day(key.expires_at)
    return f"{KEY_PREFIX}{key.id}", key.tenant, _state(key), scopes, expires, _used(key.last_used_at), key.name


def _client_row(client: Client) -> tuple[str, ...]:
    state = "valid" if client.revoked_at is None else "revoked"
    scopes = " ".join(sorted(client.scopes))
    return (
        client.id,
        client.tenant,
        state,
        scopes,
        client.jwks_url or "kept here",
        _used(client.last_used_at),
        client.name,
    )


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= datetime.now(UTC) else "valid"


def _used(moment: datetime | None) -> str:
    return _NEVER if moment is None else _day(moment)


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}Z"


__all__ = ["CallerCommands", "add_parsers", "tenant_of"]
