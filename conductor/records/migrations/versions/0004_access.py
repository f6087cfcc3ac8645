"""Pending password resets, and each account's security log."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def _key(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "password_recovery",
        sa.Column("id", _key(64), nullable=False),
        sa.Column("username", sa.String(128), nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_password_recovery"),
    )
    op.create_index("ix_password_recovery_username", "password_recovery", ["username"])
    op.create_index("ix_password_recovery_expires", "password_recovery", ["expires"])
    op.create_table(
        "security_log",
        sa.Column("id", _key(64), nullable=False),
        sa.Column("username", _key(128), nullable=False),
        sa.Column("doc", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_security_log"),
    )
    op.create_index("ix_security_log_username", "security_log", ["username", "id"])
