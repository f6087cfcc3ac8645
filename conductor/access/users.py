"""User accounts: one record per user, all held in memory, written through to SQL.

Contract access.md §2, structures/user.yaml. The storage key is the normalised username: lower case
without punctuation, so `a.b` and `AB` are one account. There is no other key: a name that collides is taken.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from conductor.access.passwords import Passwords
from conductor.access.preferences import PREFERENCES
from conductor.access.second_factor import KEY as FACTOR
from conductor.access.second_factor import shown as factor_shown
from conductor.errors import Refusal
from conductor.records.store import Records, Write, upsert
from conductor.records.tables import secret_values
from conductor.records.tables import users as table
from conductor.signals import EventRow
from shared.clock import now
from shared.ids import password as generated_password

__all__ = ["PREFERENCES", "Json", "Users", "brief", "factor_place", "normalised", "public", "stub"]

Json = dict[str, Any]

Events = Callable[[Json], Sequence[EventRow]]
"""What the event log says of an account's new state."""


def _none(user: Json) -> Sequence[EventRow]:
    return ()


_SECRETS = ("password", "salt", FACTOR)
_BRIEF = ("username", "full_name", "email", "active", "created", "modified")
_PUNCTUATION = re.compile(r"[^a-z0-9_]")

_REMOVE = sa.delete(table).where(table.c.id == sa.bindparam("key"))
_SAVE = upsert(table)
_FORGET_FACTOR = sa.delete(secret_values).where(secret_values.c.id == sa.bindparam("place"))


def normalised(username: str) -> str:
    """The storage key of a username; empty when nothing is left."""
    return _PUNCTUATION.sub("", username.lower())


def public(user: Mapping[str, Any]) -> Json:
    """The record without password and salt; of a second factor what may be shown."""
    rest = {key: value for key, value in user.items() if key not in _SECRETS}
    return {**rest, **factor_shown(user)} if FACTOR in user else rest


def factor_place(username: str) -> str:
    """Under which ID the secret of an account's second factor is sealed; no secret of users can have it."""
    return f"{FACTOR}/{normalised(username)}"


def stub(user: Mapping[str, Any]) -> Json:
    """What other users may know of a user."""
    return {
        "username": user["username"],
        "full_name": user.get("full_name", ""),
        "icon": user.get("icon", ""),
        "roles": user.get("roles", []),
    }


def brief(user: Mapping[str, Any]) -> Json:
    """What a log keeps of a user who has logged in."""
    return {key: user[key] for key in _BRIEF if key in user}


class Users:
    """The accounts. `version` grows with every change, for caches of what follows from them."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self.passwords = Passwords()
        self._by_key: dict[str, Json] = {}
        self._stubs: tuple[int, list[Json]] = (-1, [])
        self._changing = asyncio.Lock()
        self.version = 0

    async def load(self) -> None:
        """Read every account; again at each take-over."""
        rows = await self._records.read(lambda sql: list(sql.execute(sa.select(table.c.id, table.c.doc))))
        self._by_key = {key: msgspec.json.decode(doc) for key, doc in rows}
        self.version += 1

    def get(self, username: str) -> Json | None:
        """The stored record (with its password hash), or None. Callers never modify it."""
        return self._by_key.get(normalised(username))

    def all(self) -> Iterable[Json]:
        return self._by_key.values()

    def stubs(self) -> list[Json]:
        """A stub of each user; made anew only when an account has changed. Callers never modify it."""
        if self._stubs[0] != self.version:
            self._stubs = (self.version, [stub(one) for one in self._by_key.values()])
        return self._stubs[1]

    def emails_of(self, usernames: Iterable[str]) -> list[str]:
        """The addresses of those who exist and are active, each once, in the order asked for."""
        found = (self.get(name) for name in usernames if isinstance(name, str))
        emails = (str(user.get("email") or "") for user in found if user and user.get("active"))
        return list(dict.fromkeys(email for email in emails if email))

    async def add(self, user: Json, events: Events = _none) -> bool:
        """Store a new account; False when the name, or one that collides with it, is taken."""
        async with self._changing:
            if self.get(user["username"]) is not None:
                return False
            await self._store(user, (), events(user))
            return True

    async def change(
        self,
        username: str,
        revise: Callable[[Json], Json],
        also: Callable[[Json], Sequence[Write]] = lambda _: (),
        events: Events = _none,
    ) -> Json:
        """Store what `revise` makes of the record; returns it. `also` and `events` go into the same transaction.

        `revise` gets the latest record and must not modify it; nobody changes an account meanwhile. What it
        raises comes through and nothing is stored. Raises Refusal `user` when there is no such account.
        """
        async with self._changing:
            user = self._present(username)
            revised = revise(user)
            await self._store(revised, also(revised), events(revised))
            return revised

    async def save(self, user: Json) -> None:
        """Insert or replace; in memory only once it is stored."""
        async with self._changing:
            await self._store(user, ())

    async def delete(
        self,
        username: str,
        check: Callable[[Json], None] = lambda _: None,
        *also: Write,
        events: Sequence[EventRow] = (),
    ) -> None:
        """Remove the account, `also` and `events` in the same transaction; missing ones are fine.

        What `check` raises comes through and nothing is removed.
        """
        async with self._changing:
            user = self.get(username)
            if user is not None:
                check(user)
            key = normalised(username)
            forget = Write(_FORGET_FACTOR, {"place": factor_place(key)})
            await self._records.write(Write(_REMOVE, {"key": key}), forget, *also, events=events)
            self._by_key.pop(key, None)
            self.version += 1

    async def ensure_admin(self, password: str) -> str | None:
        """Read every account and, when there is none, create `admin`.

        Uses `password`, or generates one when it is empty; a generated one is returned, to be shown once.
        """
        await self.load()
        if self._by_key:
            return None
        generated = "" if password else generated_password()
        moment = int(now())
        await self.save(
            {
                "username": "admin",
                "password": await self.passwords.hash(password or generated),
                "salt": "",
                "full_name": "Administrator",
                "email": "admin@localhost",
                "active": 1,
                "force_password_change": True,
                "privileges": {"admin": True},
                "roles": [],
                "categories": [],
                "groups": [],
                "created": moment,
                "modified": moment,
                **PREFERENCES,
            }
        )
        return generated or None

    def _present(self, username: str) -> Json:
        user = self.get(username)
        if user is None:
            raise Refusal("user", f"User not found: {username}")
        return user

    async def _store(self, user: Json, also: Sequence[Write], events: Sequence[EventRow] = ()) -> None:
        key = normalised(user["username"])
        save = Write(_SAVE, {"id": key, "doc": msgspec.json.encode(user)})
        await self._records.write(save, *also, events=events)
        self._by_key[key] = user
        self.version += 1
