"""The causal event log."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def _key(name: str, length: int) -> sa.Column[str]:
    collated = sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
    return sa.Column(name, collated, nullable=False)


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "events",
        sa.Column("seq", number, nullable=False, autoincrement=False),
        _key("id", 36),
        sa.Column("occurred", sa.BigInteger, nullable=False),
        _key("type", 64),
        _key("actor_type", 16),
        _key("actor", 128),
        _key("resource_type", 32),
        _key("resource", 36),
        _key("correlation", 36),
        _key("causation", 36),
        _key("category", 64),
        sa.Column("groups", sa.Text, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_events"),
        sa.UniqueConstraint("id", name="uq_events_id"),
    )
    op.create_index("ix_events_correlation", "events", ["correlation", "seq"])
    op.create_index("ix_events_resource", "events", ["resource", "seq"])
    op.create_index("ix_events_occurred", "events", ["occurred"])
