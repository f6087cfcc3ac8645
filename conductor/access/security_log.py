"""What an account did for its own security: logins, changes of it and of its password.

Contract structures/security_log.yaml. A session is named by its key, never by its ID; headers are those of
the actor, without credentials. Changes that an administrator made are not here but in the activity log.
"""

from typing import Any

import msgspec
import sqlalchemy as sa

from conductor.access.useragent import in_words
from conductor.access.users import normalised
from conductor.records.store import Records, Write, insert_new
from conductor.records.tables import security_log as table
from conductor.signals import Actor
from shared.clock import now
from shared.ids import short_id

Json = dict[str, Any]

KEPT_ROWS = 1_000
"""Of one account; older ones are removed as new ones come."""

_ADD = insert_new(table)
_REMOVE = sa.delete(table).where(table.c.username == sa.bindparam("owner"))
_OLDEST_KEPT = (
    sa.select(table.c.id)
    .where(table.c.username == sa.bindparam("owner"))
    .order_by(table.c.id.desc())
    .offset(KEPT_ROWS)
    .limit(1)
    .scalar_subquery()
)
_TRIM = sa.delete(table).where(table.c.username == sa.bindparam("owner"), table.c.id <= _OLDEST_KEPT)


class SecurityLog:
    """Rows by account, newest first."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def add(self, username: str, action: str, actor: Actor, **payload: Any) -> None:
        """Store a row. `action`: user_login, user_create, user_update, user_password or warning."""
        made: Json = {
            "id": short_id("a"),
            "action": action,
            "epoch": int(now()),
            "username": username,
            "ip": actor.ips[0] if actor.ips else "",
            "ips": list(actor.ips),
            "headers": {"user-agent": actor.useragent} if actor.useragent else {},
            **payload,
        }
        owner = normalised(username)
        row = {"id": made["id"], "username": owner, "doc": msgspec.json.encode(made)}
        await self._records.write(Write(_ADD, row), Write(_TRIM, {"owner": owner}))

    async def page(self, username: str, offset: int, limit: int) -> tuple[list[Json], int]:
        """Rows from `offset` on with `useragent` in words, and how many there are in all."""
        owner = normalised(username)

        def query(sql: sa.Connection) -> tuple[list[bytes], int]:
            of_owner = table.c.username == owner
            total = sql.execute(sa.select(sa.func.count()).where(of_owner)).scalar_one()
            newest = sa.select(table.c.doc).where(of_owner).order_by(table.c.id.desc())
            return list(sql.execute(newest.offset(offset).limit(limit)).scalars()), total

        docs, total = await self._records.read(query)
        rows: list[Json] = [msgspec.json.decode(doc) for doc in docs]
        for one in rows:
            one["useragent"] = in_words(str((one.get("headers") or {}).get("user-agent", "")))
        return rows, total

    @staticmethod
    def removal(username: str) -> Write:
        """The end of an account's log, for somebody else's transaction."""
        return Write(_REMOVE, {"owner": normalised(username)})
