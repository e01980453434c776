"""Cohorts, patients, strata, tallies, remembered answers, jobs."""
# ruff: noqa: INP001  # a folder named like the library must not be a package

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make every table."""
    _create_cohorts()
    _create_patients()
    _create_strata()
    _create_tallies()
    _create_idempotency()
    _create_jobs()


def downgrade() -> None:
    """Drop every table, and all that was kept."""
    for table in ("jobs", "idempotency", "tallies", "strata", "patients", "cohorts"):
        op.drop_table(table)


def _cohort(table: str) -> tuple[sa.Column[int], sa.ForeignKeyConstraint]:
    name = op.f(f"fk_{table}_cohort_number_cohorts")
    reference = sa.ForeignKeyConstraint(["cohort_number"], ["cohorts.number"], name=name, ondelete="CASCADE")
    return sa.Column("cohort_number", _NUMBER, nullable=False), reference


def _create_cohorts() -> None:
    op.create_table(
        "cohorts",
        sa.Column("number", _NUMBER, autoincrement=True, nullable=False, comment="order of creation; internal"),
        sa.Column("id", sa.String(64), nullable=False, comment="public id"),
        sa.Column("name", sa.String(500), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="grows with every change; the ETag"),
        sa.Column("n", sa.BigInteger(), nullable=False, comment="patients"),
        sa.Column(
            "next_position", sa.BigInteger(), nullable=False, comment="position of the next patient; never used twice"
        ),
        sa.Column("rules", sa.Text(), nullable=False, comment="JSON: the rule sets of the derivation"),
        sa.Column("read_only", sa.Boolean(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False),
        sa.CheckConstraint("n >= 0", name=op.f("ck_cohorts_n_not_negative")),
        sa.CheckConstraint("next_position > n", name=op.f("ck_cohorts_position_past_n")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_cohorts_version_positive")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_cohorts")),
        sa.UniqueConstraint("id", name=op.f("uq_cohorts_id")),
        sqlite_autoincrement=True,
    )


def _create_patients() -> None:
    cohort, reference = _cohort("patients")
    op.create_table(
        "patients",
        cohort,
        sa.Column("position", sa.BigInteger(), nullable=False, comment="order of arrival within the cohort"),
        sa.Column("patient_id", sa.String(200), nullable=False, comment="pseudonym"),
        sa.Column(
            "version", sa.BigInteger(), nullable=False, comment="version of the cohort that last wrote it; the ETag"
        ),
        sa.Column("stratum", sa.String(200), nullable=False, comment="treatment/cv_shock/kd_like/corticosteroids/sex"),
        sa.Column("record", sa.Text(), nullable=False, comment="canonical JSON of the record as sent"),
        sa.Column("measures", sa.Text(), nullable=False, comment="JSON: variable to scaled integer; what is tallied"),
        sa.Column("facts", sa.Text(), nullable=False, comment="JSON: derived facts, disagreements, warnings"),
        reference,
        sa.CheckConstraint("position >= 1", name=op.f("ck_patients_position_positive")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_patients_version_positive")),
        sa.PrimaryKeyConstraint("cohort_number", "position", name=op.f("pk_patients")),
        sa.UniqueConstraint("cohort_number", "patient_id", name=op.f("uq_patients_cohort_number_patient_id")),
    )


def _create_strata() -> None:
    cohort, reference = _cohort("strata")
    op.create_table(
        "strata",
        cohort,
        sa.Column("stratum", sa.String(200), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False, comment="patients in the stratum"),
        reference,
        sa.CheckConstraint("n > 0", name=op.f("ck_strata_n_positive")),
        sa.PrimaryKeyConstraint("cohort_number", "stratum", name=op.f("pk_strata")),
    )


def _create_tallies() -> None:
    cohort, reference = _cohort("tallies")
    op.create_table(
        "tallies",
        cohort,
        sa.Column("variable", sa.String(100), nullable=False),
        sa.Column("stratum", sa.String(200), nullable=False),
        sa.Column("digits", sa.SmallInteger(), nullable=False, comment="values are in units of 10**-digits"),
        sa.Column("counts", sa.LargeBinary(), nullable=False, comment="pairs of little-endian int64: value, count"),
        reference,
        sa.CheckConstraint("digits BETWEEN 0 AND 18", name=op.f("ck_tallies_digits_in_range")),
        sa.CheckConstraint("length(counts) > 0", name=op.f("ck_tallies_counts_not_empty")),
        sa.PrimaryKeyConstraint("cohort_number", "variable", "stratum", name=op.f("pk_tallies")),
    )
    if op.get_context().dialect.name == "postgresql":
        # Read whole and often, and made of small integers that a general compressor is slow on: keep them as they are.
        op.execute("ALTER TABLE tallies ALTER COLUMN counts SET STORAGE EXTERNAL")


def _create_idempotency() -> None:
    op.create_table(
        "idempotency",
        sa.Column("scope", sa.String(200), nullable=False, comment="method and path"),
        sa.Column("key", sa.String(255), nullable=False, comment="Idempotency-Key of the caller"),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False, comment="hash of the request"),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False, comment="JSON"),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.CheckConstraint("status BETWEEN 100 AND 599", name=op.f("ck_idempotency_status_in_range")),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("pk_idempotency")),
    )
    op.create_index(op.f("ix_idempotency_expires_at"), "idempotency", ["expires_at"])


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("cohort_id", sa.String(64), nullable=True, comment="public id; the job outlives the cohort"),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("progress", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.Text(), nullable=True, comment="JSON"),
        sa.Column("error", sa.Text(), nullable=True, comment="JSON"),
        sa.Column("owner", sa.String(200), nullable=False, comment="the process that runs it"),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("updated_at", _MOMENT, nullable=False, comment="also the process's last sign of life"),
        sa.CheckConstraint("progress >= 0", name=op.f("ck_jobs_progress_not_negative")),
        sa.CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed')", name=op.f("ck_jobs_state_known")),
        sa.CheckConstraint("total IS NULL OR total >= 0", name=op.f("ck_jobs_total_not_negative")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(op.f("ix_jobs_state_updated_at"), "jobs", ["state", "updated_at"])
