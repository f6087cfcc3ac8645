"""Forgotten passwords: a key by mail, good once and for a day. Contract access.md §3.4.

Whether an account exists, has this address or has asked too often, no answer tells.
"""

import asyncio
import secrets
from typing import Any

import sqlalchemy as sa
from msgspec import structs

from conductor.access.attempts import Attempts
from conductor.access.changes import AccountChanges
from conductor.access.post import Post, date_time
from conductor.access.sessions import key_of
from conductor.access.users import Json, Users, normalised, public
from conductor.errors import Refusal
from conductor.records.store import Records, Write, insert_new
from conductor.records.tables import password_recovery as table
from conductor.settings import Settings
from conductor.signals import Actor
from shared.clock import now
from shared.ids import hex_id

KEY_SECONDS = 86_400
_SHORTEST_DELAY, _LONGEST_DELAY = 0.1, 0.25
"""Seconds, in whatever way a call ends: how long it took must not tell."""
_PER_ADDRESS = 60  # requests an hour

_ADD = insert_new(table)
_REMOVE_ALL = sa.delete(table).where(table.c.username == sa.bindparam("owner"))
_PURGE = sa.delete(table).where(table.c.expires <= sa.bindparam("moment"))


class Recovery:
    """Hands out recovery keys and takes them back."""

    def __init__(
        self, records: Records, users: Users, changes: AccountChanges, post: Post, settings: Settings
    ) -> None:
        self._records = records
        self._users = users
        self._changes = changes
        self._post = post
        self._settings = settings
        self._requests = Attempts(_PER_ADDRESS, _PER_ADDRESS)

    async def forgot(self, username: str, email: str, actor: Actor, headers: Json) -> None:
        """Mail a key where name and address belong together; return after a while in any case."""
        address = actor.ips[0] if actor.ips else ""
        async with asyncio.TaskGroup() as group:
            group.create_task(_a_while())
            if not self._requests.refused(address):
                self._requests.failed(address)
                group.create_task(self._hand_out(username, email, actor, headers))

    async def reset(self, username: str, key: str, new_password: str, actor: Actor) -> None:
        """Use the key up and set the password. Raises Refusal `login`, one text for every cause."""
        await _a_while()
        user = self._users.get(username)
        self._changes.check_new_password(new_password)
        owner = await self._records.read(
            lambda sql: sql.execute(
                sa.select(table.c.username).where(
                    table.c.id == key_of(key.lower()), table.c.expires > int(now())
                )
            ).scalar()
        )
        fits = user is not None and user.get("active") and owner == normalised(user["username"])
        # The key is gone before anything else happens: of two calls with it one is refused.
        if user is None or not fits or not await self._use_up(key.lower(), owner):
            raise Refusal("login", "Password reset failed.")
        actor = structs.replace(actor, kind="user", id=user["username"])
        rest = Write(_REMOVE_ALL, {"owner": normalised(username)})
        await self._changes.reset_password(user, new_password, [rest], actor)

    async def purge(self) -> int:
        """Delete expired keys; how many there were."""
        return await self._records.write(Write(_PURGE, {"moment": int(now())}))

    async def _use_up(self, key: str, owner: Any) -> bool:
        remove = sa.delete(table).where(table.c.id == key_of(key), table.c.username == owner)
        return await self._records.write(Write(remove)) == 1

    async def _hand_out(self, username: str, email: str, actor: Actor, headers: Json) -> None:
        user = self._users.get(username)
        if user is None or not user.get("active") or not user.get("email"):
            return
        if str(user["email"]).lower() != email.lower():
            return
        try:
            user = await self._users.change(user["username"], self._counted)
        except _TooOftenError:
            return
        key = hex_id()
        row = {
            "id": key_of(key),
            "username": normalised(user["username"]),
            "expires": int(now()) + KEY_SECONDS,
        }
        await self._records.write(Write(_ADD, row))
        link = f"{self._settings.base_app_url}/#Login?u={user['username']}&h={key}"
        data = {
            "user": public(user),
            "self_url": link,
            "recovery_key": key,
            "date_time": date_time(now()),
            "ip": actor.ips[0] if actor.ips else "",
            "request": {"headers": headers},
        }
        self._post.send("recover_password", data, str(user["email"]))

    def _counted(self, user: Json) -> Json:
        hour = int(now() // 3600)
        count = user.get("fp_count", 0) + 1 if user.get("fp_date_code") == hour else 1
        if count > self._settings.User.max_forgot_passwords_per_hour:
            raise _TooOftenError
        return {**user, "fp_date_code": hour, "fp_count": count}


async def _a_while() -> None:
    await asyncio.sleep(
        _SHORTEST_DELAY + secrets.randbelow(1_000) / 1_000 * (_LONGEST_DELAY - _SHORTEST_DELAY)
    )


class _TooOftenError(Exception):
    """The account has had its keys for this hour."""
