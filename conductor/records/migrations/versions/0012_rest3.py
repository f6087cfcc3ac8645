"""What an import has replaced; deliveries of web hooks; earlier values and uses of secrets; shared overrides."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def _key(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "import_undo",
        sa.Column("number", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("doc", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_import_undo"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", _key(64), nullable=False),
        sa.Column("date", sa.BigInteger, nullable=False),
        sa.Column("doc", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_date", "deliveries", ["date", "id"])
    op.create_table(
        "secret_versions",
        sa.Column("id", _key(128), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False, autoincrement=False),
        sa.Column("doc", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", "revision", name="pk_secret_versions"),
    )
    op.create_table(
        "secret_uses",
        sa.Column("id", _key(128), nullable=False),
        sa.Column("consumer", _key(160), nullable=False),
        sa.Column("doc", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", "consumer", name="pk_secret_uses"),
    )
    op.create_table(
        "overrides",
        sa.Column("path", _key(255), nullable=False),
        sa.Column("doc", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("path", name="pk_overrides"),
    )
