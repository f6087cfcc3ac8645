"""Who keeps which keys: each part of the house has a section of the key space (contract platform.md §2)."""

import base64
import binascii
import re
from collections.abc import AsyncIterator, Iterable
from typing import Any, Protocol

import sqlalchemy as sa
import structlog

from conductor.access.second_factor import factor_of, with_factor
from conductor.access.users import Users, normalised
from conductor.administration.backup.lines import LONGEST, BadLine
from conductor.definitions.state import GlobalState
from conductor.records import tables
from conductor.records.documents import Documents
from conductor.records.files import Files
from conductor.records.store import Records, Write

Json = dict[str, Any]

log = structlog.get_logger(__name__)

_ID = re.compile(r"[A-Za-z0-9_]{1,64}")


class Section(Protocol):
    """Values under the keys of one prefix. `buckets/`, `secrets/`, `timeline/`: their rooms bring them."""

    prefix: str

    def all(self) -> AsyncIterator[tuple[str, Any]]:
        """Every key with its value as it is exported; bytes are base64."""
        ...

    async def put(self, key: str, value: Any) -> None:
        """Store an exported value. Raises BadLine, or a Refusal."""
        ...

    async def clear(self, but: str = "") -> int:
        """Delete everything, except what belongs to the user `but`; how much there was."""
        ...

    async def value(self, key: str) -> Any:
        """What `put` of this key would replace, as it is exported; None if nothing. Raises what `put` raises."""
        ...

    async def forget(self, key: str) -> None:
        """Delete what is under one key; nothing is fine."""
        ...


class Sections:
    """All sections, by the longest prefix of a key."""

    def __init__(self, sections: Iterable[Section]) -> None:
        self._sections: dict[str, Section] = {}
        for section in sections:
            self.register(section)

    def register(self, section: Section) -> None:
        self._sections[section.prefix] = section

    def get(self, prefix: str) -> Section | None:
        return self._sections.get(prefix)

    async def put(self, key: str, value: Any) -> None:
        """Raises BadLine for a key that nobody keeps here."""
        await self._of(key).put(key, value)

    async def value(self, key: str) -> Any:
        """What is under the key, as it is exported; None if nothing. Raises BadLine."""
        return await self._of(key).value(key)

    async def forget(self, key: str) -> None:
        """Delete what is under the key."""
        await self._of(key).forget(key)

    async def restore(self, key: str, value: Any) -> None:
        """Store what was once exported, and nothing beside it under that key."""
        section = self._of(key)
        if section.prefix == key:  # a key that is a whole section: what has come in since goes
            await section.clear()
        await section.put(key, value)

    def _of(self, key: str) -> Section:
        found = [prefix for prefix in self._sections if key.startswith(prefix)]
        if not found:
            raise BadLine(f"nothing here keeps the key {key[:80]}")
        return self._sections[max(found, key=len)]


class UserSection:
    """`users/NAME`: the accounts with their password hashes, without their second factors.

    Those stay where the account is: an import neither brings one nor takes one from an account that is there.
    """

    prefix = "users/"

    def __init__(self, users: Users, files: Files) -> None:
        self._users = users
        self._files = FileSection(files)

    async def all(self) -> AsyncIterator[tuple[str, Any]]:
        for user in list(self._users.all()):
            yield f"users/{normalised(user['username'])}", with_factor(user, None)

    async def put(self, key: str, value: Any) -> None:
        if "." in key.rpartition("/")[2]:  # an avatar
            await self._files.put(key, value)
            return
        name = value.get("username") if isinstance(value, dict) else None
        if not isinstance(name, str) or not normalised(name) or len(name) > 128:
            raise BadLine("a user needs a username")
        for key_of, kind in (("privileges", dict), ("roles", list), ("categories", list), ("groups", list)):
            if not isinstance(value.get(key_of, kind()), kind):
                raise BadLine(f"a user's {key_of} have the wrong type")
        if self._users.get(name) is None:
            await self._users.save(with_factor(value, None))
        else:
            await self._users.change(name, lambda present: with_factor(value, factor_of(present)))

    async def value(self, key: str) -> Any:
        name = key.removeprefix(self.prefix)
        if "." in name.rpartition("/")[2]:
            return await self._files.value(key)
        user = self._users.get(name)
        return with_factor(user, None) if user else None

    async def forget(self, key: str) -> None:
        name = key.removeprefix(self.prefix)
        if "." in name.rpartition("/")[2]:
            await self._files.forget(key)
        else:
            await self._users.delete(name)

    async def clear(self, but: str = "") -> int:
        names = [user["username"] for user in self._users.all() if user["username"] != but]
        for name in names:
            await self._users.delete(name)
            await self._files.clear_under(f"users/{normalised(name)}")
        return len(names)


class HostSection:
    """`hosts/ID/data`: the last sample of each server."""

    prefix = "hosts/"

    def __init__(self, records: Records) -> None:
        self._records = records
        self._stored = Documents(records, tables.samples)

    async def all(self) -> AsyncIterator[tuple[str, Any]]:
        for sample in await self._stored.all():
            yield f"hosts/{sample.get('server', '')}/data", sample

    async def put(self, key: str, value: Any) -> None:
        _, id, *rest = key.split("/")
        date = value.get("date") if isinstance(value, dict) else None
        if rest != ["data"] or not _ID.fullmatch(id) or not isinstance(date, int | float):
            raise BadLine("a server's data need its ID and a date")
        await self._stored.put(id, value, date=int(date))

    async def value(self, key: str) -> Any:
        return await self._stored.get(key.split("/")[1])

    async def forget(self, key: str) -> None:
        await self._stored.delete(key.split("/")[1])

    async def clear(self, but: str = "") -> int:
        return await self._records.write(Write(sa.delete(tables.samples)))


class StateSection:
    """`global/state`: counters and cursors. The switch of the scheduler stays as it is."""

    prefix = "global/state"
    _OWN = ("scheduler", "maintenance")

    def __init__(self, state: GlobalState) -> None:
        self._state = state

    async def all(self) -> AsyncIterator[tuple[str, Any]]:
        from conductor.administration.state_paths import as_one

        yield "global/state", as_one(self._state.documents().items())

    async def put(self, key: str, value: Any) -> None:
        if not isinstance(value, dict):
            raise BadLine("the state is no object")
        rest = {}
        for name, part in value.items():
            if name in self._OWN or not isinstance(name, str) or name == "dirty":
                continue
            if name in ("events", "api_keys", "watches", "watch_owners") and isinstance(part, dict):
                for id, document in part.items():
                    if isinstance(document, dict):
                        await self._state.merge(f"{name}/{id}", document)
            elif isinstance(part, dict):
                await self._state.merge(name, part)
            else:
                rest[name] = part
        if rest:
            await self._state.merge("global", rest)

    async def value(self, key: str) -> Any:
        from conductor.administration.state_paths import as_one

        return as_one(self._state.documents().items())

    async def forget(self, key: str) -> None:
        await self.clear()

    async def clear(self, but: str = "") -> int:
        keys = [key for key in self._state.documents() if key not in self._OWN]
        for key in keys:
            await self._state.delete(key)
        return len(keys)


class FileSection:
    """`files/…` and `logs/jobs/…`: bytes in the object store, as base64. Exported one by one, by key."""

    def __init__(self, files: Files, prefix: str = "files/") -> None:
        self.prefix = prefix
        self._files = files

    async def all(self) -> AsyncIterator[tuple[str, Any]]:
        """Nothing: files are exported with the records that name them."""
        nothing: tuple[tuple[str, Any], ...] = ()
        for one in nothing:
            yield one

    async def one(self, key: str, most: int) -> str | None:
        """A file as base64; None if there is none, or it is larger than `most` bytes."""
        size = await self._files.size(key)
        if size is not None and size > most:
            log.info("a file is too large for the export", key=key, size=size)
        if size is None or size > most:
            return None
        body = await self._files.get(key)
        return None if body is None else base64.b64encode(body).decode()

    async def put(self, key: str, value: Any) -> None:
        if not isinstance(value, str):
            raise BadLine("a file's bytes are text in base64")
        try:
            body = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise BadLine("a file's bytes are no base64") from None
        await self._files.put(key, body)

    async def value(self, key: str) -> Any:
        return await self.one(key, LONGEST)

    async def forget(self, key: str) -> None:
        await self._files.delete(key)

    async def clear(self, but: str = "") -> int:
        await self._files.delete_under(self.prefix.rstrip("/"))
        return 0

    async def clear_under(self, folder: str) -> None:
        await self._files.delete_under(folder)
