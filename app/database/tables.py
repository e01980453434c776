"""The tables, for SQLite and PostgreSQL alike. `alembic/versions` makes them; `alembic check` holds both together."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import TypeDecorator

from app.database.tenants import DEFAULT_TENANT, LONGEST_TENANT

METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
# SQLite numbers its rows by itself in a column of exactly this type.
_NUMBER: Final = BigInteger().with_variant(Integer(), "sqlite")


class UtcDateTime(TypeDecorator[datetime]):
    """A moment. It goes in with a time zone and comes out in UTC, on databases that know no zones, too."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Turn a moment into UTC; without its zone where the database keeps none."""
        if value is None:
            return None
        utc = value.astimezone(UTC)
        return utc if dialect.name == "postgresql" else utc.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002  # theirs
        """Return the moment in UTC."""
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _cohort() -> Column[Any]:
    return Column("cohort_number", _NUMBER, ForeignKey("cohorts.number", ondelete="CASCADE"), nullable=False)


def _tenant() -> Column[Any]:
    """Return the column that says whose a row is; a release that knew no tenants writes the default one."""
    return Column(
        "tenant", String(LONGEST_TENANT), nullable=False, server_default=DEFAULT_TENANT, comment="whose it is"
    )


COHORTS: Final = Table(
    "cohorts",
    METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=True, comment="order of creation; internal"),
    Column("id", String(64), nullable=False, comment="public id"),
    _tenant(),
    Column("name", String(500), nullable=False),
    Column("description", Text),
    Column("version", BigInteger, nullable=False, comment="grows with every change; the ETag"),
    Column("n", BigInteger, nullable=False, comment="patients"),
    Column("next_position", BigInteger, nullable=False, comment="position of the next patient; never used twice"),
    Column("rules", Text, nullable=False, comment="JSON: the rule sets of the derivation"),
    Column("read_only", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    UniqueConstraint("tenant", "id"),
    CheckConstraint("version >= 1", name="version_positive"),
    CheckConstraint("n >= 0", name="n_not_negative"),
    CheckConstraint("next_position > n", name="position_past_n"),
    # A number that was used once is not used again, after a cohort was deleted either: it is the lists' cursor.
    sqlite_autoincrement=True,
)
PATIENTS: Final = Table(
    "patients",
    METADATA,
    _cohort(),
    Column("position", BigInteger, nullable=False, comment="order of arrival within the cohort"),
    Column("patient_id", String(200), nullable=False, comment="pseudonym"),
    Column("version", BigInteger, nullable=False, comment="version of the cohort that last wrote it; the ETag"),
    Column("stratum", String(200), nullable=False, comment="treatment/cv_shock/kd_like/corticosteroids/sex"),
    Column("record", Text, nullable=False, comment="canonical JSON of the record as sent"),
    Column("measures", Text, nullable=False, comment="JSON: variable to scaled integer; what is tallied"),
    Column("facts", Text, nullable=False, comment="JSON: derived facts, disagreements, warnings"),
    PrimaryKeyConstraint("cohort_number", "position"),
    UniqueConstraint("cohort_number", "patient_id"),
    CheckConstraint("position >= 1", name="position_positive"),
    CheckConstraint("version >= 1", name="version_positive"),
)
STRATA: Final = Table(
    "strata",
    METADATA,
    _cohort(),
    Column("stratum", String(200), nullable=False),
    Column("n", BigInteger, nullable=False, comment="patients in the stratum"),
    PrimaryKeyConstraint("cohort_number", "stratum"),
    CheckConstraint("n > 0", name="n_positive"),
)
TALLIES: Final = Table(
    "tallies",
    METADATA,
    _cohort(),
    Column("variable", String(100), nullable=False),
    Column("stratum", String(200), nullable=False),
    Column("digits", SmallInteger, nullable=False, comment="values are in units of 10**-digits"),
    Column("counts", LargeBinary, nullable=False, comment="pairs of little-endian int64: value, count"),
    PrimaryKeyConstraint("cohort_number", "variable", "stratum"),
    CheckConstraint("digits BETWEEN 0 AND 18", name="digits_in_range"),
    CheckConstraint("length(counts) > 0", name="counts_not_empty"),
)
IDEMPOTENCY: Final = Table(
    "idempotency",
    METADATA,
    _tenant(),
    Column("scope", String(200), nullable=False, comment="method and path"),
    Column("key", String(255), nullable=False, comment="Idempotency-Key of the caller"),
    Column("fingerprint", LargeBinary, nullable=False, comment="hash of the request"),
    Column("status", SmallInteger, nullable=False),
    Column("headers", Text, nullable=False, comment="JSON"),
    Column("body", LargeBinary, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("tenant", "scope", "key"),
    Index(None, "expires_at"),
    CheckConstraint("status BETWEEN 100 AND 599", name="status_in_range"),
)
JOBS: Final = Table(
    "jobs",
    METADATA,
    _tenant(),
    Column("id", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("cohort_id", String(64), comment="public id; the job outlives the cohort"),
    Column("state", String(16), nullable=False),
    Column("progress", BigInteger, nullable=False),
    Column("total", BigInteger),
    Column("result", Text, comment="JSON"),
    Column("error", Text, comment="JSON"),
    Column("owner", String(200), nullable=False, comment="the process that runs it"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False, comment="also the process's last sign of life"),
    PrimaryKeyConstraint("tenant", "id"),
    Index(None, "state", "updated_at"),
    CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed')", name="state_known"),
    CheckConstraint("progress >= 0", name="progress_not_negative"),
    CheckConstraint("total IS NULL OR total >= 0", name="total_not_negative"),
)
API_KEYS: Final = Table(
    "api_keys",
    METADATA,
    Column("id", String(32), primary_key=True, comment="the visible part of the key"),
    Column("name", String(200), nullable=False, comment="who it was made for"),
    Column("tenant", String(LONGEST_TENANT), nullable=False),
    Column("scopes", String(200), nullable=False, comment="divided by spaces"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("last_used_at", UtcDateTime, comment="to the hour: not written for each request"),
)
API_KEY_SECRETS: Final = Table(
    "api_key_secrets",
    METADATA,
    Column("key_id", String(32), ForeignKey("api_keys.id", ondelete="CASCADE"), nullable=False),
    Column("hash", LargeBinary, nullable=False, comment="SHA-256 of the whole key"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("valid_until", UtcDateTime, comment="end of the overlap after a rotation"),
    PrimaryKeyConstraint("key_id", "hash"),
    CheckConstraint("length(hash) = 32", name="hash_length"),
)
CLIENTS: Final = Table(
    "clients",
    METADATA,
    Column("id", String(64), primary_key=True, comment="client_id"),
    Column("name", String(200), nullable=False),
    Column("tenant", String(LONGEST_TENANT), nullable=False),
    Column("scopes", String(200), nullable=False, comment="the most it may ask for, divided by spaces"),
    Column("jwks", Text, comment="JSON: its public keys"),
    Column("jwks_url", String(2000), comment="where its public keys are"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    Column("last_used_at", UtcDateTime, comment="when it last got a token, to the hour"),
    CheckConstraint("(jwks IS NULL) <> (jwks_url IS NULL)", name="one_source_of_keys"),
)
CLIENT_ASSERTIONS: Final = Table(
    "client_assertions",
    METADATA,
    Column("client_id", String(64), ForeignKey("clients.id", ondelete="CASCADE"), nullable=False),
    Column("jti", LargeBinary, nullable=False, comment="SHA-256 of an assertion's jti, which is not taken again"),
    Column("expires_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("client_id", "jti"),
    Index(None, "expires_at"),
)
ACCESS_TOKENS: Final = Table(
    "access_tokens",
    METADATA,
    Column("hash", LargeBinary, primary_key=True, comment="SHA-256 of the token"),
    Column("client_id", String(64), ForeignKey("clients.id", ondelete="CASCADE"), nullable=False),
    Column("scopes", String(200), nullable=False, comment="divided by spaces"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Index(None, "expires_at"),
)
AUDIT: Final = Table(
    "audit",
    METADATA,
    Column("tenant", String(200), nullable=False, comment="whose chain the row is of"),
    Column("position", BigInteger, nullable=False, comment="place in the tenant's chain, from 1, without gaps"),
    Column("id", String(32), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("caller", String(200), nullable=False, comment="id of the caller; never a secret"),
    Column("operation", String(100), nullable=False, comment="operation of the API, or command"),
    Column("event", String(64), nullable=False, comment="what it did"),
    Column("outcome", String(16), nullable=False),
    Column("status", SmallInteger, comment="status that was answered; null within a transaction"),
    Column("cohort_id", String(64), comment="public id"),
    Column("patient_id", String(64), comment="pseudonym"),
    Column("subject", String(100), comment="id of a job, a receipt, a key"),
    Column("request_id", String(128)),
    Column("details", Text, comment="JSON: counts and names of ours; never a patient's value"),
    Column("prev_hash", String(64), nullable=False, comment="row_hash of the row before"),
    Column("row_hash", String(64), nullable=False),
    Column("algorithm", String(32), nullable=False, comment="how row_hash is made"),
    PrimaryKeyConstraint("tenant", "position"),
    UniqueConstraint("id"),
    Index(None, "tenant", "cohort_id", "position"),
    Index(None, "tenant", "caller", "position"),
    CheckConstraint("position >= 1", name="position_positive"),
    CheckConstraint("outcome IN ('success', 'denied', 'failed')", name="outcome_known"),
)
AUDIT_HEADS: Final = Table(
    "audit_heads",
    METADATA,
    Column("tenant", String(200), primary_key=True),
    Column("position", BigInteger, nullable=False, comment="of the chain's last row"),
    Column("row_hash", String(64), nullable=False, comment="of the chain's last row"),
    Column("key_id", String(64), comment="key that signed; null without a key in the settings"),
    Column("signature", String(128), comment="Ed25519 over tenant, position, row_hash; base64url"),
    CheckConstraint("position >= 0", name="position_not_negative"),
)
RECEIPTS: Final = Table(
    "receipts",
    METADATA,
    Column("tenant", String(200), nullable=False),
    Column("id", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("document", Text, nullable=False, comment="JSON: the signed receipt, without any input"),
    Column("input", Text, comment="canonical JSON; only where the caller asked to keep it"),
    Column("answer", Text, comment="canonical JSON; only where the caller asked to keep it"),
    PrimaryKeyConstraint("tenant", "id"),
)
SIGNING_KEYS: Final = Table(
    "signing_keys",
    METADATA,
    Column("number", _NUMBER, primary_key=True, autoincrement=True, comment="order of making"),
    Column("id", String(64), nullable=False, comment="from the public key's hash"),
    Column("public_key", String(64), nullable=False, comment="32 bytes, base64url"),
    Column("private_key", String(64), comment="32 bytes, base64url; null when it stands in the settings or is retired"),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("id"),
)
