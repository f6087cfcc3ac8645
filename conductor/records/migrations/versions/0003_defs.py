"""The values of secrets, and the versions of definitions."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _key(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "secret_values",
        sa.Column("id", _key(128), nullable=False),
        sa.Column("doc", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_secret_values"),
    )
    op.create_table(
        "versions",
        sa.Column("kind", _key(32), nullable=False),
        sa.Column("id", _key(128), nullable=False),
        sa.Column("number", _key(64), nullable=False),
        sa.Column("doc", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("kind", "id", "number", name="pk_versions"),
    )
