"""Giving, finding and checking receipts in one database. Every method blocks: call them on a worker thread."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.database.database import Database
from app.database.deeds import Deed
from app.security.audit.trail import AuditTrail
from app.security.caller import Caller
from app.security.canonical_json import canonical, digest
from app.security.receipts.model import FORMAT, Receipt, rules_in

if TYPE_CHECKING:
    import sqlalchemy as sa

    from app.security.receipts.replay import Installed
    from app.security.receipts.signing import Signer
    from app.security.store.receipts import StoredReceipt

_ID_BYTES: Final = 16


class Answered(NamedTuple):
    """An operation, its validated input and its answer, both as JSON values."""

    operation: str
    input: Any
    answer: Any


class ReceiptKeeper:
    """Signs by the key of the settings, or by one that is drawn once and kept in the database."""

    def __init__(self, database: Database, trail: AuditTrail, here: Installed, private: bytes | None = None) -> None:
        """`private`: the 32 bytes of the settings' key."""
        self.here = here
        self._database = database
        self._trail = trail
        self._private = private

    def keep(self, caller: Caller, answered: Answered, *, with_input: bool) -> Receipt:
        """Give a receipt and keep it; with input and answer only when the caller asked for that."""
        from app.security.store import receipts  # noqa: PLC0415  # it loads SQLAlchemy
        from app.security.store.session import writing  # noqa: PLC0415  # as above

        with writing(self._database.engine) as connection:
            receipt = self._signed(connection, caller, answered)
            held = (canonical(answered.input).decode(), canonical(answered.answer).decode())
            receipts.add(connection, receipts.StoredReceipt(receipt, *(held if with_input else (None, None))))
            self._trail.of_transaction(connection, [Deed("receipt.keep", subject=receipt.id)])
        return receipt

    def shown(self, caller: Caller, answered: Answered, receipt_id: str) -> Receipt:
        """Give a receipt that is not kept, under an id of its own: the one of the documentation."""
        from app.security.store.session import writing  # noqa: PLC0415  # as above

        with writing(self._database.engine) as connection:
            return self._signed(connection, caller, answered, receipt_id)

    def find(self, tenant: str, receipt_id: str) -> StoredReceipt | None:
        """Return a tenant's receipt, or None."""
        from app.security.store import receipts  # noqa: PLC0415  # as above
        from app.security.store.session import reading  # noqa: PLC0415  # as above

        with reading(self._database.engine) as connection:
            return receipts.find(connection, tenant, receipt_id)

    def public_keys(self) -> dict[str, str]:
        """Return every public key (base64url) of receipts, by its id; one is drawn if there is none."""
        from app.security.store import signing_keys  # noqa: PLC0415  # as above
        from app.security.store.session import writing  # noqa: PLC0415  # as above

        found = public_keys(self._database)
        if found and (self._own is None or self._own.key_id in found):
            return found
        with writing(self._database.engine) as connection:
            self._signer(connection)
            return signing_keys.public(connection)

    def is_authentic(self, receipt: Receipt) -> bool:
        """Say whether a receipt was signed by one of our keys."""
        from app.security.receipts.signing import is_signed  # noqa: PLC0415  # it loads cryptography

        public = self.public_keys().get(receipt.key_id)
        return public is not None and is_signed(receipt.signed(), receipt.signature, public)

    def _signed(
        self, connection: sa.Connection, caller: Caller, answered: Answered, receipt_id: str | None = None
    ) -> Receipt:
        signer = self._signer(connection)
        unsigned = Receipt(
            format=FORMAT,
            id=receipt_id or secrets.token_hex(_ID_BYTES),
            created_at=datetime.now(UTC),
            tenant=caller.tenant,
            caller=caller.id,
            operation=answered.operation,
            input_sha256=digest(answered.input),
            answer_sha256=digest(answered.answer),
            rules=rules_in(answered.answer),
            rulebook_sha256=self.here.rulebook_sha256,
            code=self.here.code,
            key_id=signer.key_id,
            signature="-",
        )
        return unsigned.model_copy(update={"signature": signer.sign(unsigned.signed())})

    def _signer(self, connection: sa.Connection) -> Signer:
        """Return the key to sign with. Within a transaction that writes."""
        from app.security.receipts.signing import Signer  # noqa: PLC0415  # as above
        from app.security.store import signing_keys  # noqa: PLC0415  # as above

        if self._own is not None:
            if self._own.key_id not in signing_keys.public(connection):
                signing_keys.add(connection, self._own, with_private=False)
            return self._own
        if (found := signing_keys.current(connection)) is not None:
            return found
        signing_keys.hold(connection)
        found = signing_keys.current(connection)
        if found is None:
            found = Signer.drawn()
            signing_keys.add(connection, found, with_private=True)
        return found

    @cached_property
    def _own(self) -> Signer | None:
        from app.security.receipts.signing import Signer  # noqa: PLC0415  # as above

        return None if self._private is None else Signer(self._private)


def public_keys(database: Database) -> dict[str, str]:
    """Return the public keys (base64url) that a database keeps, by their ids."""
    from app.security.store import signing_keys  # noqa: PLC0415  # it loads SQLAlchemy
    from app.security.store.session import reading  # noqa: PLC0415  # as above

    with reading(database.engine) as connection:
        return signing_keys.public(connection)


def rotate(database: Database, trail: AuditTrail) -> str:
    """Draw a new key and forget the private half of the one before; returns the new key's id."""
    from app.security.receipts.signing import Signer  # noqa: PLC0415  # it loads cryptography
    from app.security.store import signing_keys  # noqa: PLC0415  # as above
    from app.security.store.session import writing  # noqa: PLC0415  # as above

    with writing(database.engine) as connection:
        signing_keys.hold(connection)
        signing_keys.retire(connection)
        drawn = Signer.drawn()
        signing_keys.add(connection, drawn, with_private=True)
        trail.of_transaction(connection, [Deed("receipt.rotate_key", subject=drawn.key_id)])
    return drawn.key_id
