"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _key(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _doc(name: str = "doc") -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=False)


def upgrade() -> None:
    op.create_table(
        "definitions",
        sa.Column("kind", _key(32), nullable=False),
        sa.Column("id", _key(128), nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        _doc(),
        sa.PrimaryKeyConstraint("kind", "id", name="pk_definitions"),
    )
    op.create_table(
        "users",
        sa.Column("id", _key(128), nullable=False),
        _doc(),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
    )
    op.create_table(
        "sessions",
        sa.Column("id", _key(64), nullable=False),
        sa.Column("username", sa.String(128), nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        _doc(),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
    )
    op.create_index("ix_sessions_username", "sessions", ["username"])
    op.create_index("ix_sessions_expires", "sessions", ["expires"])
    op.create_table(
        "state",
        sa.Column("key", _key(160), nullable=False),
        _doc(),
        sa.PrimaryKeyConstraint("key", name="pk_state"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", _key(64), nullable=False),
        sa.Column("completed", sa.Float, nullable=False),
        sa.Column("elapsed", sa.Float, nullable=False),
        sa.Column("event", sa.String(128), nullable=False),
        sa.Column("category", sa.String(128), nullable=False),
        _doc("summary"),
        _doc("heavy"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    op.create_index("ix_jobs_completed", "jobs", ["completed", "id"])
    op.create_index("ix_jobs_elapsed", "jobs", ["elapsed", "id"])
    op.create_table(
        "activity",
        sa.Column("id", _key(64), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        _doc(),
        sa.PrimaryKeyConstraint("id", name="pk_activity"),
    )
    op.create_index("ix_activity_action", "activity", ["action"])
    op.create_index("ix_activity_epoch", "activity", ["epoch"])
    op.create_table(
        "servers",
        sa.Column("id", _key(64), nullable=False),
        sa.Column("hostname", sa.String(255), nullable=False),
        _doc(),
        sa.PrimaryKeyConstraint("id", name="pk_servers"),
    )
    op.create_table(
        "samples",
        sa.Column("server", _key(64), nullable=False),
        sa.Column("date", sa.BigInteger, nullable=False),
        _doc(),
        sa.PrimaryKeyConstraint("server", name="pk_samples"),
    )
    op.create_table(
        "terms",
        sa.Column("index_name", _key(16), nullable=False),
        sa.Column("field", _key(32), nullable=False),
        sa.Column("word", _key(255), nullable=False),
        sa.Column("record", _key(64), nullable=False),
        sa.PrimaryKeyConstraint("index_name", "field", "word", "record", name="pk_terms"),
        sqlite_with_rowid=False,
    )
