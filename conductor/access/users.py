"""User accounts: one record per user, all held in memory, written through to SQL.

Contract access.md §2, structures/user.yaml. The storage key is the normalised username: lower case
without punctuation, so `a.b` and `AB` are one account.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from conductor.access.passwords import Passwords
from conductor.records.store import Records, Write, upsert
from conductor.records.tables import users as table
from shared.clock import now
from shared.ids import password as generated_password

Json = dict[str, Any]

_SECRETS = ("password", "salt")
_PUNCTUATION = re.compile(r"[^a-z0-9_]")

_REMOVE = sa.delete(table).where(table.c.id == sa.bindparam("key"))
_SAVE = upsert(table)

PREFERENCES: Mapping[str, Any] = {
    "language": "",
    "region": "",
    "num_format": "",
    "hour_cycle": "h12",
    "timezone": "",
    "color_acc": False,
    "privacy_mode": False,
    "notifications": False,
    "effects": True,
    "page_info": True,
    "contrast": "auto",
    "motion": "auto",
    "volume": 7,
    "filters": {
        "brightness": 100,
        "contrast": 100,
        "hue": 0,
        "saturation": 100,
        "sepia": 0,
        "grayscale": 0,
    },
    "searches": [
        {"name": "All Completed", "uri": "Search", "icon": "cloud-search-outline"},
        {"name": "Successes", "uri": "Search?result=success", "icon": "check-circle-outline"},
        {"name": "Errors", "uri": "Search?result=error", "icon": "alert-decagram-outline"},
        {"name": "Warnings", "uri": "Search?result=warning", "icon": "alert-outline"},
        {"name": "Criticals", "uri": "Search?result=critical", "icon": "fire-alert"},
        {"name": "All Tickets", "uri": "Tickets", "icon": "text-box-multiple-outline"},
        {"name": "Open Tickets", "uri": "Tickets?status=open", "icon": "label-variant-outline"},
        {
            "name": "Overdue Tickets",
            "uri": "Tickets?status=open&query=due%3A%3Ctoday",
            "icon": "calendar-alert",
        },
        {"name": "My InBox", "uri": "Tickets?status=open&assignee=self", "icon": "email-variant"},
        {"name": "My Drafts", "uri": "Tickets?status=draft&username=self", "icon": "dots-horizontal"},
    ],
}
"""What every new user starts with (contract structures/defaults.yaml)."""


def normalised(username: str) -> str:
    """The storage key of a username; empty when nothing is left."""
    return _PUNCTUATION.sub("", username.lower())


def public(user: Mapping[str, Any]) -> Json:
    """The record without password and salt."""
    return {key: value for key, value in user.items() if key not in _SECRETS}


def stub(user: Mapping[str, Any]) -> Json:
    """What other users may know of a user."""
    return {
        "username": user["username"],
        "full_name": user.get("full_name", ""),
        "icon": user.get("icon", ""),
        "roles": user.get("roles", []),
    }


class Users:
    """The accounts. `version` grows with every change, for caches of what follows from them."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self.passwords = Passwords()
        self._by_key: dict[str, Json] = {}
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

    async def save(self, user: Json) -> None:
        """Insert or replace; in memory only once it is stored."""
        key = normalised(user["username"])
        await self._records.write(Write(_SAVE, {"id": key, "doc": msgspec.json.encode(user)}))
        self._by_key[key] = user
        self.version += 1

    async def delete(self, username: str) -> None:
        key = normalised(username)
        await self._records.write(Write(_REMOVE, {"key": key}))
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
