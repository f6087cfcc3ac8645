"""What alerts count on each server, and the actions they owe."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def _key(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "alert_states",
        sa.Column("server", _key(64), nullable=False),
        sa.Column("alert", _key(128), nullable=False),
        sa.Column("doc", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("server", "alert", name="pk_alert_states"),
    )
    op.create_table(
        "alert_actions",
        sa.Column("id", _key(128), nullable=False),
        sa.Column("doc", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alert_actions"),
    )
