"""The part of the command line that has to do with records: `defervesce audit ...` and `receipt ...`.

It stands beside `app.cli` and is told what to do by it. The application is looked up by its import string, as there.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.cohorts.database import CohortDatabase, database_of
from app.database.tenants import DEFAULT_TENANT
from app.security.audit.commands import commanded
from app.security.audit.refusals import CommandRefusedError
from app.security.audit.trail import AuditTrail
from app.security.canonical_json import canonical
from app.security.sealing import seal_of
from app.settings import Settings, SettingsError, load_settings

if TYPE_CHECKING:
    from app.security.receipts.model import Receipt

_FACTORY: Final = "app.main:create_app"
_DIFFERENT: Final = 1


def add_recording(commands: Any) -> None:  # noqa: ANN401  # argparse has no public name for it
    """Add the commands."""
    _add_audit(commands)
    _add_receipt(commands)


def _add_audit(commands: Any) -> None:  # noqa: ANN401  # argparse has no public name for it
    audit = commands.add_parser("audit", help="look after the audit trail").add_subparsers(
        required=True, metavar="action"
    )
    verify = audit.add_parser(
        "verify", help="find changed, removed and reordered rows; exit 1 when there are any, 2 when it cannot be told"
    )
    verify.add_argument("--tenant", help="one tenant's chain; all by default")
    verify.add_argument("--anchor", type=Path, metavar="FILE", help="also compare with what `audit anchor` wrote then")
    verify.add_argument("--public-key", type=Path, metavar="FILE", help="also trust this key for the heads' signatures")
    verify.set_defaults(run=_verify_audit)
    sign = audit.add_parser(
        "sign",
        help="sign chains that nobody wrote to since DEFERVESCE_SIGNING_KEY was set; exit 1 when one is not whole",
    )
    sign.add_argument("--tenant", help="one tenant's chain; all by default")
    sign.add_argument("--public-key", type=Path, metavar="FILE", help="also trust this key, such as the one before")
    sign.set_defaults(run=_sign_audit)
    anchor = audit.add_parser("anchor", help="write the heads of the chains, to be kept outside the database")
    anchor.add_argument("--output", type=Path, help="file to write; standard output by default")
    anchor.set_defaults(run=_anchor_audit)


def _add_receipt(commands: Any) -> None:  # noqa: ANN401  # as above
    receipt = commands.add_parser("receipt", help="check receipts of answers").add_subparsers(
        required=True, metavar="action"
    )
    verify = receipt.add_parser(
        "verify", help="check a receipt without the service; exit 1 when it does not hold, 2 when it cannot be told"
    )
    verify.add_argument("file", type=Path, help="the receipt, as GET /v1/receipts/{receipt_id} shows it")
    verify.add_argument("--input", type=Path, metavar="FILE", help="the input as it was sent: answer it again")
    verify.add_argument("--answer", type=Path, metavar="FILE", help="the answer as it was given: say where it differs")
    verify.add_argument(
        "--public-key",
        type=Path,
        metavar="FILE",
        help="public key, or what GET /v1/receipts/keys answers; by default the keys of the settings and the database",
    )
    verify.set_defaults(run=_verify_receipt)
    rotate = receipt.add_parser(
        "rotate-key", help="draw a new key to sign by and forget the old one's private half; its public half stays"
    )
    rotate.set_defaults(run=_rotate_key)


class Opened(NamedTuple):
    """The settings' database, with what records what is done to it."""

    settings: Settings
    database: CohortDatabase
    trail: AuditTrail


@contextmanager
def opened(operation: str, tenant: str = DEFAULT_TENANT) -> Iterator[Opened]:
    """Open the settings' database for a command about something of a tenant's."""
    settings = load_settings()
    database = database_of(settings)
    trail = AuditTrail(database, seal_of(settings.signing_key_bytes))
    database.trail = trail.of_transaction
    try:
        with commanded(trail, operation, tenant):
            yield Opened(settings, database, trail)
    finally:
        database.dispose()


def _verify_audit(options: argparse.Namespace) -> int:
    from app.security.audit import anchor, commands  # noqa: PLC0415  # the other commands need none

    with opened("audit verify") as (settings, database, trail):
        anchors = {} if options.anchor is None else anchor.read(_text_of(options.anchor))
        keys = _public_keys(options.public_key) | _own_public_key(settings)
        wanted = commands.Wanted(options.tenant, anchors, keys)
        return 0 if commands.verify(database, trail, wanted, sys.stdout) else _DIFFERENT


def _sign_audit(options: argparse.Namespace) -> int:
    from app.security.audit import commands  # noqa: PLC0415  # as above

    with opened("audit sign") as (settings, database, trail):
        if not _own_public_key(settings):
            raise CommandRefusedError("there is no key to sign with: set DEFERVESCE_SIGNING_KEY")
        keys = _public_keys(options.public_key) | _own_public_key(settings)
        return (
            0 if commands.sign(database, trail, commands.Wanted(options.tenant, {}, keys), sys.stdout) else _DIFFERENT
        )


def _anchor_audit(options: argparse.Namespace) -> int:
    from app.security.audit.commands import write_anchor  # noqa: PLC0415  # as above

    with opened("audit anchor") as (_, database, trail):
        trail.take_in()
        anchor = io.StringIO()
        write_anchor(database, anchor)
        if options.output is None:
            sys.stdout.write(anchor.getvalue())
        else:
            _put(options.output, anchor.getvalue())
    return 0


def _put(path: Path, text: str) -> None:
    """Write a file whole or not at all: what was there before stays until the new text is on the disk."""
    try:
        if path.exists() and not path.is_file():
            # A terminal, a pipe: there is nothing to lose, and nothing may take its place.
            path.write_text(text, encoding="utf-8")
            return
        file = path.resolve()
        partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
        try:
            with partial.open("x", encoding="utf-8") as output:
                output.write(text)
                output.flush()
                os.fsync(output.fileno())
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as exc:
        raise CommandRefusedError(f"{path.name} cannot be written: {exc.strerror}") from None


def _verify_receipt(options: argparse.Namespace) -> int:
    from app.security.receipts import commands  # noqa: PLC0415  # as above

    receipt = commands.read_receipt(_text_of(options.file))
    answer = None if options.answer is None else _answer_of(options.answer)
    if not commands.is_authentic(receipt, _public_keys(options.public_key) or _known_keys()):
        print(f"{receipt.id}: not authentic: no trusted key signed this", file=sys.stderr)
        return _DIFFERENT
    if options.input is None:
        print(f"{receipt.id}: authentic; name --input to hold an input against it")
        return 0
    return _hold_against(receipt, _text_of(options.input), answer)


def _hold_against(receipt: Receipt, sent: str, answer: object) -> int:
    """Answer a receipt's input again by the rules that are installed."""
    from uvicorn.importer import import_from_string  # noqa: PLC0415  # as above

    from app.api.problems import ProblemError  # noqa: PLC0415  # as above
    from app.security.receipts import commands  # noqa: PLC0415  # as above

    settings = load_settings()
    replaying = import_from_string(_FACTORY)(settings).replaying()
    try:
        found = asyncio.run(commands.held_against(receipt, sent.encode(), answer, replaying))
    except ProblemError as exc:
        places = ", ".join(f"{error.pointer or 'the body'} {error.code}" for error in exc.errors)
        raise CommandRefusedError(f"the input is refused: {places or exc.detail}") from None
    return 0 if commands.tell(found, sys.stdout) else _DIFFERENT


def _rotate_key(__: argparse.Namespace) -> int:
    from app.security.receipts.keeper import rotate  # noqa: PLC0415  # as above

    with opened("receipt rotate-key") as (settings, database, trail):
        if settings.signing_key_bytes is not None:
            raise SettingsError("the key stands in the settings: change DEFERVESCE_SIGNING_KEY or its file instead")
        print(f"receipts are signed by key {rotate(database, trail)} from now on")
    return 0


def _known_keys() -> dict[str, str]:
    """Return the public keys of the settings and of their database."""
    from app.security.receipts.keeper import public_keys  # noqa: PLC0415  # as above

    with opened("receipt verify") as (settings, database, _):
        return public_keys(database) | _own_public_key(settings)


def _own_public_key(settings: Settings) -> dict[str, str]:
    if settings.signing_key_bytes is None:
        return {}
    from app.security.receipts.signing import Signer  # noqa: PLC0415  # as above

    own = Signer(settings.signing_key_bytes)
    return {own.key_id: own.public}


def _public_keys(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    from app.security.receipts.signing import public_keys  # noqa: PLC0415  # as above

    try:
        return public_keys(_text_of(path))
    except (ValueError, RecursionError):
        raise CommandRefusedError(f"{path.name} holds no Ed25519 public key") from None


def _answer_of(path: Path) -> object:
    """Read an answer; what has no canonical form, such as NaN, was never one."""
    try:
        answer = json.loads(_text_of(path))
        canonical(answer)
    except (ValueError, RecursionError):
        raise CommandRefusedError(f"{path.name} is no JSON") from None
    return answer


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise CommandRefusedError(f"{path.name} cannot be read") from None
