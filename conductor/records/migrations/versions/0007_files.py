"""Expiry of files, and what is in buckets."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def _key(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "file_expiry",
        sa.Column("key", _key(1024), nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_file_expiry"),
    )
    op.create_index("ix_file_expiry_expires", "file_expiry", ["expires"])
    op.create_table(
        "bucket_data",
        sa.Column("bucket", _key(128), nullable=False),
        sa.Column("name", _key(512), nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("doc", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("bucket", "name", name="pk_bucket_data"),
    )
    op.create_table(
        "bucket_revisions",
        sa.Column("bucket", _key(128), nullable=False),
        sa.Column("revision", _key(32), nullable=False),
        sa.PrimaryKeyConstraint("bucket", name="pk_bucket_revisions"),
    )
    op.create_table(
        "bucket_files",
        sa.Column("bucket", _key(128), nullable=False),
        sa.Column("name", _key(255), nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("doc", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("bucket", "name", name="pk_bucket_files"),
    )
