"""Tenants of what is kept, API keys, clients, their access tokens.

Safe beside the release before it: what that one writes belongs to the tenant `default`.
"""
# ruff: noqa: INP001  # a folder named like the library must not be a package

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)
_DEFAULT = "default"
_SHARED = "*"
# Table, its key before, its key with the tenant, and the names of the two constraints.
_KEYS = {
    "cohorts": ("uq_cohorts_id", ["id"], "uq_cohorts_tenant_id", ["tenant", "id"]),
    "idempotency": ("pk_idempotency", ["scope", "key"], "pk_idempotency", ["tenant", "scope", "key"]),
    "jobs": ("pk_jobs", ["id"], "pk_jobs", ["tenant", "id"]),
}
_MADE = ("access_tokens", "client_assertions", "clients", "api_key_secrets", "api_keys")


def upgrade() -> None:
    """Give every row its tenant, and make the tables of callers."""
    for table in _KEYS:
        if _is_sqlite():
            _rebuild(table, with_tenant=True)
        else:
            _add_tenant(table)
    op.execute(sa.text("UPDATE cohorts SET tenant = '*' WHERE id = 'study' AND read_only"))
    _create_keys()
    _create_clients()


def downgrade() -> None:
    """Drop the callers and the tenants. Refused while there are several: they would see each other's cohorts."""
    _refuse_several_tenants()
    for table in _MADE:
        op.drop_table(table)
    for table in _KEYS:
        if _is_sqlite():
            _rebuild(table, with_tenant=False)
        else:
            _drop_tenant(table)


def _is_sqlite() -> bool:
    return op.get_context().dialect.name == "sqlite"


def _refuse_several_tenants() -> None:
    if op.get_context().as_sql:
        return
    for table in _KEYS:
        others = sa.text(f"SELECT count(*) FROM {table} WHERE tenant NOT IN ('{_DEFAULT}', '{_SHARED}')")  # noqa: S608  # our own words
        if op.get_bind().execute(others).scalar():
            raise RuntimeError(f"{table} holds rows of other tenants than `{_DEFAULT}`; the release before knows none")


def _tenant() -> sa.Column[str]:
    return sa.Column("tenant", sa.String(64), nullable=False, server_default=_DEFAULT, comment="whose it is")


def _constraint(name: str, columns: list[str]) -> Any:  # noqa: ANN401  # one of two kinds of constraint
    kind = sa.PrimaryKeyConstraint if name.startswith("pk") else sa.UniqueConstraint
    return kind(*columns, name=op.f(name))


def _add_tenant(table: str) -> None:
    before, _, name, columns = _KEYS[table]
    op.add_column(table, _tenant())
    _exchange(table, before, name, columns)


def _drop_tenant(table: str) -> None:
    name, columns, after, _ = _KEYS[table]
    _exchange(table, after, name, columns)
    op.drop_column(table, "tenant")


def _exchange(table: str, before: str, name: str, columns: list[str]) -> None:
    if name.startswith("pk"):
        op.drop_constraint(op.f(before), table, type_="primary")
        op.create_primary_key(op.f(name), table, columns)
    else:
        op.drop_constraint(op.f(before), table, type_="unique")
        op.create_unique_constraint(op.f(name), table, columns)


def _rebuild(table: str, *, with_tenant: bool) -> None:
    """Make an SQLite table anew with another key: it knows no ALTER for that. Foreign keys are off meanwhile (env.py).

    What refers to the table refers to its name, and goes on doing so. The last number that was given stays given.
    """
    columns = _columns(table)
    kept = ", ".join(column.name for column in columns)
    before, before_columns, after, after_columns = _KEYS[table]
    key = _constraint(after, after_columns) if with_tenant else _constraint(before, before_columns)
    made = [*columns, *([_tenant()] if with_tenant else []), key, *_checks(table)]
    op.create_table(f"{table}_anew", *made, sqlite_autoincrement=table == "cohorts")
    op.execute(f"INSERT INTO {table}_anew ({kept}) SELECT {kept} FROM {table}")  # noqa: S608  # our own words
    if table == "cohorts":
        op.execute(_GIVEN)
    op.execute(f"DROP TABLE {table}")
    op.execute(f"ALTER TABLE {table}_anew RENAME TO {table}")
    for name, indexed in _INDEXES.get(table, ()):
        op.create_index(op.f(name), table, indexed)


_GIVEN = (
    "INSERT OR REPLACE INTO sqlite_sequence (rowid, name, seq)"
    " SELECT (SELECT rowid FROM sqlite_sequence WHERE name = 'cohorts_anew'), 'cohorts_anew', seq"
    " FROM sqlite_sequence WHERE name = 'cohorts'"
)
_INDEXES: dict[str, tuple[tuple[str, list[str]], ...]] = {
    "idempotency": (("ix_idempotency_expires_at", ["expires_at"]),),
    "jobs": (("ix_jobs_state_updated_at", ["state", "updated_at"]),),
}


def _columns(table: str) -> list[sa.Column[Any]]:
    """Return a table's columns as revision 0001 made them."""
    if table == "cohorts":
        return [
            sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
            sa.Column("id", sa.String(64), nullable=False),
            sa.Column("name", sa.String(500), nullable=False),
            sa.Column("description", sa.Text()),
            sa.Column("version", sa.BigInteger(), nullable=False),
            sa.Column("n", sa.BigInteger(), nullable=False),
            sa.Column("next_position", sa.BigInteger(), nullable=False),
            sa.Column("rules", sa.Text(), nullable=False),
            sa.Column("read_only", sa.Boolean(), nullable=False),
            sa.Column("created_at", _MOMENT, nullable=False),
            sa.Column("updated_at", _MOMENT, nullable=False),
        ]
    if table == "idempotency":
        return [
            sa.Column("scope", sa.String(200), nullable=False),
            sa.Column("key", sa.String(255), nullable=False),
            sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
            sa.Column("status", sa.SmallInteger(), nullable=False),
            sa.Column("headers", sa.Text(), nullable=False),
            sa.Column("body", sa.LargeBinary(), nullable=False),
            sa.Column("expires_at", _MOMENT, nullable=False),
        ]
    return [
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("cohort_id", sa.String(64)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("progress", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger()),
        sa.Column("result", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
    ]


def _checks(table: str) -> list[sa.CheckConstraint]:
    rules = {
        "cohorts": {
            "n_not_negative": "n >= 0",
            "position_past_n": "next_position > n",
            "version_positive": "version >= 1",
        },
        "idempotency": {"status_in_range": "status BETWEEN 100 AND 599"},
        "jobs": {
            "progress_not_negative": "progress >= 0",
            "state_known": "state IN ('queued', 'running', 'succeeded', 'failed')",
            "total_not_negative": "total IS NULL OR total >= 0",
        },
    }[table]
    return [sa.CheckConstraint(rule, name=op.f(f"ck_{table}_{name}")) for name, rule in rules.items()]


def _create_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(32), nullable=False, comment="the visible part of the key"),
        sa.Column("name", sa.String(200), nullable=False, comment="who it was made for"),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("scopes", sa.String(200), nullable=False, comment="divided by spaces"),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=True),
        sa.Column("revoked_at", _MOMENT, nullable=True),
        sa.Column("last_used_at", _MOMENT, nullable=True, comment="to the hour: not written for each request"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    op.create_table(
        "api_key_secrets",
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the whole key"),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("valid_until", _MOMENT, nullable=True, comment="end of the overlap after a rotation"),
        _owner("api_key_secrets", "key_id", "api_keys"),
        sa.CheckConstraint("length(hash) = 32", name=op.f("ck_api_key_secrets_hash_length")),
        sa.PrimaryKeyConstraint("key_id", "hash", name=op.f("pk_api_key_secrets")),
    )


def _owner(table: str, column: str, owners: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{owners}")
    return sa.ForeignKeyConstraint([column], [f"{owners}.id"], name=name, ondelete="CASCADE")


def _create_clients() -> None:
    op.create_table(
        "clients",
        sa.Column("id", sa.String(64), nullable=False, comment="client_id"),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("scopes", sa.String(200), nullable=False, comment="the most it may ask for, divided by spaces"),
        sa.Column("jwks", sa.Text(), nullable=True, comment="JSON: its public keys"),
        sa.Column("jwks_url", sa.String(2000), nullable=True, comment="where its public keys are"),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("revoked_at", _MOMENT, nullable=True),
        sa.Column("last_used_at", _MOMENT, nullable=True, comment="when it last got a token, to the hour"),
        sa.CheckConstraint("(jwks IS NULL) <> (jwks_url IS NULL)", name=op.f("ck_clients_one_source_of_keys")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clients")),
    )
    op.create_table(
        "client_assertions",
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column(
            "jti", sa.LargeBinary(), nullable=False, comment="SHA-256 of an assertion's jti, which is not taken again"
        ),
        sa.Column("expires_at", _MOMENT, nullable=False),
        _owner("client_assertions", "client_id", "clients"),
        sa.PrimaryKeyConstraint("client_id", "jti", name=op.f("pk_client_assertions")),
    )
    op.create_index(op.f("ix_client_assertions_expires_at"), "client_assertions", ["expires_at"])
    op.create_table(
        "access_tokens",
        sa.Column("hash", sa.LargeBinary(), nullable=False, comment="SHA-256 of the token"),
        sa.Column("client_id", sa.String(64), nullable=False),
        sa.Column("scopes", sa.String(200), nullable=False, comment="divided by spaces"),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        _owner("access_tokens", "client_id", "clients"),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_access_tokens")),
    )
    op.create_index(op.f("ix_access_tokens_expires_at"), "access_tokens", ["expires_at"])
