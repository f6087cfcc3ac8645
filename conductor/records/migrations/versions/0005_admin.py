"""Alert invocations, snapshots and tickets, and servers that can be sorted."""

import sqlalchemy as sa
from alembic import op

revision = "0005_admin"
down_revision = "0004"
branch_labels = None
depends_on = None


def _key(length: int) -> sa.types.TypeEngine[str]:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _collection(name: str, *numbers: str, unique: tuple[str, ...] = ()) -> None:
    op.create_table(
        name,
        sa.Column("id", _key(64), nullable=False),
        *(sa.Column(number, sa.BigInteger, nullable=False) for number in (*unique, *numbers)),
        sa.Column("doc", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
        *(sa.UniqueConstraint(number, name=f"uq_{name}_{number}") for number in unique),
    )
    for number in numbers:
        op.create_index(f"ix_{name}_{number}", name, [number, "id"])


def upgrade() -> None:
    _collection("alerts", "date", "modified")
    _collection("snapshots", "date")
    _collection("tickets", "created", "modified", unique=("num",))
    op.add_column("servers", sa.Column("ip", sa.String(64), nullable=False, server_default=""))
    op.add_column("servers", sa.Column("modified", sa.BigInteger, nullable=False, server_default="0"))
    for column in ("hostname", "ip", "modified"):
        op.create_index(f"ix_servers_{column}", "servers", [column, "id"])
