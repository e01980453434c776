"""The audit trail with its heads, receipts, and the keys that sign them."""
# ruff: noqa: INP001  # a folder named like the library must not be a package

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the four tables."""
    _create_audit()
    _create_heads()
    _create_receipts()
    _create_signing_keys()


def downgrade() -> None:
    """Drop the four tables, and with them all that was recorded: keep a copy before."""
    for table in ("signing_keys", "receipts", "audit_heads", "audit"):
        op.drop_table(table)


def _create_audit() -> None:
    op.create_table(
        "audit",
        sa.Column("tenant", sa.String(200), nullable=False, comment="whose chain the row is of"),
        sa.Column(
            "position", sa.BigInteger(), nullable=False, comment="place in the tenant's chain, from 1, without gaps"
        ),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("at", _MOMENT, nullable=False),
        sa.Column("caller", sa.String(200), nullable=False, comment="id of the caller; never a secret"),
        sa.Column("operation", sa.String(100), nullable=False, comment="operation of the API, or command"),
        sa.Column("event", sa.String(64), nullable=False, comment="what it did"),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column(
            "status", sa.SmallInteger(), nullable=True, comment="status that was answered; null within a transaction"
        ),
        sa.Column("cohort_id", sa.String(64), nullable=True, comment="public id"),
        sa.Column("patient_id", sa.String(64), nullable=True, comment="pseudonym"),
        sa.Column("subject", sa.String(100), nullable=True, comment="id of a job, a receipt, a key"),
        sa.Column("request_id", sa.String(128), nullable=True),
        sa.Column(
            "details", sa.Text(), nullable=True, comment="JSON: counts and names of ours; never a patient's value"
        ),
        sa.Column("prev_hash", sa.String(64), nullable=False, comment="row_hash of the row before"),
        sa.Column("row_hash", sa.String(64), nullable=False),
        sa.Column("algorithm", sa.String(32), nullable=False, comment="how row_hash is made"),
        sa.CheckConstraint("position >= 1", name=op.f("ck_audit_position_positive")),
        sa.CheckConstraint("outcome IN ('success', 'denied', 'failed')", name=op.f("ck_audit_outcome_known")),
        sa.PrimaryKeyConstraint("tenant", "position", name=op.f("pk_audit")),
        sa.UniqueConstraint("id", name=op.f("uq_audit_id")),
    )
    op.create_index(op.f("ix_audit_tenant_cohort_id_position"), "audit", ["tenant", "cohort_id", "position"])
    op.create_index(op.f("ix_audit_tenant_caller_position"), "audit", ["tenant", "caller", "position"])


def _create_heads() -> None:
    op.create_table(
        "audit_heads",
        sa.Column("tenant", sa.String(200), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False, comment="of the chain's last row"),
        sa.Column("row_hash", sa.String(64), nullable=False, comment="of the chain's last row"),
        sa.Column(
            "key_id", sa.String(64), nullable=True, comment="key that signed; null without a key in the settings"
        ),
        sa.Column(
            "signature",
            sa.String(128),
            nullable=True,
            comment="Ed25519 over tenant, position, row_hash; base64url",
        ),
        sa.CheckConstraint("position >= 0", name=op.f("ck_audit_heads_position_not_negative")),
        sa.PrimaryKeyConstraint("tenant", name=op.f("pk_audit_heads")),
    )


def _create_receipts() -> None:
    op.create_table(
        "receipts",
        sa.Column("tenant", sa.String(200), nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("document", sa.Text(), nullable=False, comment="JSON: the signed receipt, without any input"),
        sa.Column("input", sa.Text(), nullable=True, comment="canonical JSON; only where the caller asked to keep it"),
        sa.Column("answer", sa.Text(), nullable=True, comment="canonical JSON; only where the caller asked to keep it"),
        sa.PrimaryKeyConstraint("tenant", "id", name=op.f("pk_receipts")),
    )


def _create_signing_keys() -> None:
    op.create_table(
        "signing_keys",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False, comment="order of making"),
        sa.Column("id", sa.String(64), nullable=False, comment="from the public key's hash"),
        sa.Column("public_key", sa.String(64), nullable=False, comment="32 bytes, base64url"),
        sa.Column(
            "private_key",
            sa.String(64),
            nullable=True,
            comment="32 bytes, base64url; null when it stands in the settings or is retired",
        ),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_signing_keys")),
        sa.UniqueConstraint("id", name=op.f("uq_signing_keys_id")),
    )
