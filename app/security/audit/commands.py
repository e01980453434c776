"""Commands and the audit trail: how each is recorded, and `defervesce audit verify` and `audit anchor`."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final, TextIO

from app.database.database import Database
from app.database.deeds import Deed
from app.database.errors import StoreError
from app.security.audit import anchor
from app.security.audit.asking import COMMAND_LINE, Asking, on_behalf, who_asks
from app.security.audit.entry import Head
from app.security.audit.trail import AuditTrail, entry_of
from app.security.audit.verify import IsSigned, Verified, verified
from app.security.caller import Caller

_LONGEST_USER: Final = 100


@contextmanager
def commanded(trail: AuditTrail, operation: str, tenant: str = COMMAND_LINE.tenant) -> Iterator[None]:
    """Do what is in the block as a command of whoever sits at the machine; that it failed is recorded, too."""
    asking = Asking(operation, None, lambda: _command_line(tenant))
    with on_behalf(asking):
        try:
            yield
        except Exception:
            with suppress(StoreError):
                trail.record(entry_of(Deed("request.failed", outcome="failed"), asking))
            raise


def record_read(trail: AuditTrail, cohort_id: str, details: Mapping[str, int | str | bool]) -> None:
    """Record that a command reads a cohort, before it does. DatabaseUnavailableError."""
    trail.record(entry_of(Deed("read", cohort_id, details=details), who_asks()))


def record_done(trail: AuditTrail, event: str, details: Mapping[str, int | str | bool] | None = None) -> None:
    """Record what a command does to the whole database. DatabaseUnavailableError."""
    trail.record(entry_of(Deed(event, details=details or {}), who_asks()))


def _command_line(tenant: str) -> Caller:
    """Return the caller that a command is: the machine's user beside it, where there is one."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return Caller(f"{COMMAND_LINE.id}:{user[:_LONGEST_USER]}", tenant, COMMAND_LINE.scopes)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `audit verify` was asked for: one tenant or all, anchors by tenant and position, trusted keys by id."""

    tenant: str | None = None
    anchors: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)


def verify(database: Database, trail: AuditTrail, wanted: Wanted, output: TextIO) -> bool:
    """Verify the chains and say what was found; returns whether all of them are whole."""
    if waiting := trail.waiting():
        output.write(f"{waiting} entries wait to be taken into their chains; the next entry brings them in\n")
    results = _results(database, wanted)
    if not results:
        output.write("the audit trail is empty\n")
    for result in results:
        _tell(result, output)
    return not any(result.findings for result in results)


def sign(database: Database, trail: AuditTrail, wanted: Wanted, output: TextIO) -> bool:
    """Sign the head of every whole chain that was not signed yet, by an entry that says so.

    For chains that nobody wrote to since the service was given its key. One that is not whole, or whose signature is of
    no trusted key, is told and left as it is. Returns whether all are whole and signed.
    """
    all_signed = True
    for result in _results(database, wanted):
        if [finding.kind for finding in result.findings] == ["signature"] and result.is_unsigned:
            trail.record(entry_of(Deed("audit.sign", tenant=result.tenant), who_asks()))
            output.write(f"{result.tenant}: {result.rows} rows, whole; signed by an entry that follows them\n")
        else:
            all_signed = all_signed and not result.findings
            _tell(result, output)
    return all_signed


def write_anchor(database: Database, output: TextIO) -> None:
    """Write the heads of all chains."""
    from app.security.store import audit  # noqa: PLC0415  # it loads SQLAlchemy
    from app.security.store.session import reading  # noqa: PLC0415  # as above

    with reading(database.engine) as connection:
        output.write(anchor.written(audit.heads(connection).values()))


def _results(database: Database, wanted: Wanted) -> list[Verified]:
    """Verify every chain as it is at one moment."""
    from app.security.store import audit  # noqa: PLC0415  # as above
    from app.security.store.session import reading  # noqa: PLC0415  # as above

    is_signed = _checker(wanted.keys)
    with reading(database.engine) as connection:
        heads = audit.heads(connection)
        every = sorted({*audit.tenants(connection), *wanted.anchors})
        return [
            verified(name, heads.get(name), audit.chain(connection, name), wanted.anchors.get(name, {}), is_signed)
            for name in ([wanted.tenant] if wanted.tenant is not None else every)
        ]


def _checker(keys: Mapping[str, str]) -> IsSigned:
    """Return what checks heads by the keys that are trusted."""

    def is_signed(head: Head) -> bool | None:
        if not keys:
            return None
        from app.security.receipts.signing import is_signed as holds  # noqa: PLC0415  # it loads cryptography

        public = keys.get(head.key_id or "")
        return public is not None and holds(head.signed(), head.signature or "", public)

    return is_signed


def _tell(result: Verified, output: TextIO) -> None:
    if not result.findings:
        output.write(f"{result.tenant}: {result.rows} rows, whole; the last has hash {result.row_hash}\n")
        return
    output.write(f"{result.tenant}: {result.rows} rows, NOT whole\n")
    output.writelines(f"  {finding.kind}: {finding.text}\n" for finding in result.findings)
