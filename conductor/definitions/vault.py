"""The values of secrets, encrypted in SQL; and who is handed which (contract platform.md §14, api/secrets.yaml).

A primary decrypts everything once when its term begins and keeps it in memory until the term ends, so that a
job's launch waits for nothing. Values are in no document, list, log, activity row or signal.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec
import sqlalchemy as sa
import structlog

from conductor.announcer import Signals
from conductor.definitions.apart import Staged
from conductor.definitions.json_values import Json, is_number, text_of
from conductor.definitions.sealing import CannotOpenError, Fields, Seal
from conductor.definitions.secret_versions import SecretVersions
from conductor.definitions.secrets import check_fields
from conductor.errors import Refusal, Unavailable
from conductor.records.store import Records, Write, upsert
from conductor.records.tables import secret_values as table
from conductor.signals import SecretUsed
from shared import faults
from shared.clock import now

_PUT = upsert(table)
_DELETE = sa.delete(table).where(table.c.id == sa.bindparam("gone"))
_MARK = "*"
"""ID of the row that tells which key everything is under; no secret can have it."""
_FOREIGN_PLACE = "/"
"""In the ID of what other rooms keep here: it is sealed and rotated as secrets are, and no secret."""

log = structlog.get_logger(__name__)
uses = structlog.get_logger("secrets")
"""Each use, as operators look for it; never a value."""


class Vault:
    """The store behind the kind `secrets`. It holds values in memory between `load` and `forget`."""

    def __init__(self, records: Records, secret_key: str) -> None:
        """Costs nothing until there is a secret: the key is derived then."""
        self._records = records
        self.versions = SecretVersions(records)
        self._secret_key = secret_key
        self._seal: Seal | None = None
        self.lock = asyncio.Lock()
        """Held over every change: nothing is sealed with a key that is just being replaced."""
        self._deriving = asyncio.Lock()
        self._open: dict[str, Fields] = {}
        self._foreign = False

    # What the definitions ask of it

    async def load(self) -> None:
        """Decrypt everything. What cannot be opened is left out, and said in the log by ID. Raises Unavailable."""
        rows = await self._rows()
        self._open, self._foreign = {}, False
        if not rows:
            return
        seal = await self._key()
        opened, closed = await asyncio.to_thread(_open_all, seal, rows)
        self._open = _of_secrets(opened)
        mark = rows.get(_MARK)
        self._foreign = mark is not None and mark.get("kid") != seal.kid
        if closed or self._foreign:
            log.error(
                "secrets cannot be decrypted with this secret_key", secrets=closed, foreign=self._foreign
            )

    async def staged(self, id: str, parts: Json) -> Staged:
        """Store the secret's `fields`. Raises Refusal `secret` while stored ones are under another key."""
        fields: Fields = parts["fields"]
        writes = await self._writes(id, fields)
        if id in self._open and fields != self._open[id]:
            writes += self.versions.keeping(id, msgspec.json.encode(await self._envelope(id)))

        def committed() -> None:
            self._open[id] = fields

        return Staged(writes, committed)

    def removal(self, id: str) -> Staged:
        def committed() -> None:
            self._open.pop(id, None)

        return Staged((Write(_DELETE, {"gone": id}), self.versions.dropping(id)), committed)

    # What everybody else asks

    async def fields(self, secret_id: str) -> Fields:
        """The values as SQL has them now. Raises Refusal `secret` when there are none or they cannot be opened."""
        envelope = await self._envelope(secret_id)
        seal = await self._key()
        try:
            return await asyncio.to_thread(seal.open, secret_id, envelope)
        except CannotOpenError as error:
            raise Refusal("secret", f"Secret cannot be decrypted: {secret_id} ({error})") from None

    async def earlier(self, secret_id: str) -> list[Json]:
        """Earlier values, without the values: see `SecretVersions.listed`."""
        return await self.versions.listed(secret_id, await self._key())

    async def fields_before(self, secret_id: str, replaced: int) -> Fields:
        """The values that were replaced then. Raises Refusal `secret`."""
        return await self.versions.fields(secret_id, replaced, await self._key())

    async def ids(self) -> list[str]:
        """Of the secrets that have values."""
        return sorted(_of_secrets({id: id for id in await self._rows() if id != _MARK}))

    async def sealed(self, id: str, fields: Fields) -> tuple[Write, ...]:
        """Writes that keep `fields` for another room, under an ID with a slash; nothing of it stays in memory.

        Hold `lock` from before this call until they are committed. Raises Refusal `secret` while stored values
        are under another key.
        """
        return await self._writes(id, fields)

    async def drop(self, secret_ids: Sequence[str]) -> None:
        """Forget the values of these secrets."""
        async with self.lock:
            if secret_ids:
                await self._records.write(
                    Write(_DELETE, [{"gone": id} for id in secret_ids]),
                    *(self.versions.dropping(id) for id in secret_ids),
                )
            for id in secret_ids:
                self._open.pop(id, None)

    async def put(self, secret_id: str, fields: Fields) -> None:
        """Replace the values of a secret. Its document is not touched: `names` is the caller's. Raises Refusals."""
        check_fields(fields)
        await self._replace(secret_id, [dict(field) for field in fields])

    async def exported(self, secret_id: str) -> Json:
        """The values in the interchange envelope (structures/secret_record.yaml). Raises Refusal `secret`."""
        fields, seal = await self.fields(secret_id), await self._key()
        return await asyncio.to_thread(seal.seal_for_interchange, secret_id, fields)

    async def take_in(self, secret_id: str, envelope: Json, secret_key: str = "") -> list[str]:
        """Store imported values under our own key; returns their names.

        `secret_key` is the key that they are under, if not ours. Raises Refusal `secret` and stores nothing
        when they cannot be opened.
        """
        seal = await asyncio.to_thread(Seal, secret_key) if secret_key else await self._key()
        try:
            fields = await asyncio.to_thread(seal.open, secret_id, envelope)
        except CannotOpenError as error:
            raise Refusal("secret", f"Secret cannot be decrypted: {secret_id} ({error})") from None
        await self._replace(secret_id, fields)
        return [str(field.get("name", "")) for field in fields]

    async def rotate(self, old_key: str, new_key: str) -> int:
        """Put every value under `new_key`, in one transaction; returns how many there are.

        Nothing has changed when this fails or the process dies in it. From its return on this vault uses
        `new_key`. Raises Refusal `secret`, naming the IDs, when a value cannot be opened with `old_key`.
        """
        old, new = await asyncio.to_thread(Seal, old_key), await asyncio.to_thread(Seal, new_key)
        async with self.lock:
            opened, closed = await asyncio.to_thread(_open_all, old, await self._rows())
            if closed:
                raise Refusal("secret", f"Secrets cannot be decrypted with the old key: {', '.join(closed)}")
            sealed = await asyncio.to_thread(_seal_all, new, opened)
            versions = await self.versions.under(old, new)
            faults.reach("rotation.sealed")
            try:
                await self._records.write(
                    Write(_PUT, [_row(id, one) for id, one in sealed.items()]), *versions
                )
            except Unavailable:
                self._foreign = True  # perhaps: nothing is written until `load` has seen what happened
                raise
            faults.reach("rotation.committed")
            self._secret_key, self._seal, self._foreign = new_key, new, False
            self._open = _of_secrets(opened)
        return len(self._open)

    async def is_under(self, secret_key: str) -> bool | None:
        """Whether the stored values are under this key; None when nothing is stored."""
        mark = (await self._rows()).get(_MARK)
        if mark is None:
            return None
        seal = await asyncio.to_thread(Seal, secret_key)
        return mark.get("kid") == seal.kid

    def opened(self, secret_id: str) -> Sequence[Mapping[str, Any]] | None:
        """The values in memory; None when there are none. Nobody changes what they get."""
        return self._open.get(secret_id)

    def forget(self) -> None:
        """Drop what is decrypted: the term is over."""
        self._open = {}

    async def _replace(self, id: str, fields: Fields) -> None:
        async with self.lock:
            await self._records.write(*await self._writes(id, fields))
            self._open[id] = fields

    async def _writes(self, id: str, fields: Fields) -> tuple[Write, ...]:
        if self._foreign:
            raise Refusal(
                "secret", "The stored secrets are under another secret_key; set that one, or rotate."
            )
        seal = await self._key()
        envelope = await asyncio.to_thread(seal.seal, id, fields)
        return (Write(_PUT, [_row(id, envelope), _row(_MARK, {"kid": seal.kid})]),)

    async def _key(self) -> Seal:
        async with self._deriving:
            if self._seal is None:
                self._seal = await asyncio.to_thread(Seal, self._secret_key)
            return self._seal

    async def _rows(self) -> dict[str, Json]:
        query = sa.select(table.c.id, table.c.doc)
        rows = await self._records.read(lambda connection: connection.execute(query).all())
        return {id: msgspec.json.decode(doc) for id, doc in rows}

    async def _envelope(self, id: str) -> Json:
        query = sa.select(table.c.doc).where(table.c.id == id)
        doc = await self._records.read(lambda connection: connection.execute(query).scalar())
        if doc is None or id == _MARK:
            raise Refusal("secret", f"Secret has no values: {id}")
        envelope: Json = msgspec.json.decode(doc)
        return envelope


class Catalogue(Protocol):
    """The secrets' documents."""

    def all(self, kind: str) -> Sequence[Json]: ...

    def version(self, kind: str) -> int: ...


class Secrets:
    """Who is handed which values. Each use is announced by SecretUsed, without the values."""

    def __init__(self, catalogue: Catalogue, vault: Vault, signals: Signals) -> None:
        self._catalogue = catalogue
        self._vault = vault
        self._signals = signals
        self._version = -1
        self._assigned: dict[tuple[str, str], list[str]] = {}
        self._expires: dict[str, float] = {}

    def of_job(
        self,
        event_id: str,
        workflow_event_id: str = "",
        workflow_category: str = "",
        category_id: str = "",
        plugin_id: str = "",
    ) -> dict[str, str]:
        """The variables of a job, by name: of its event, the workflow's event, the workflow's category, its
        category, its plugin; later ones win. Empty IDs stand for nothing."""
        return self._merged(
            ("events", event_id),
            ("events", workflow_event_id),
            ("categories", workflow_category),
            ("categories", category_id),
            ("plugins", plugin_id),
        )

    def of_plugin(self, plugin_id: str) -> dict[str, str]:
        """For monitor commands and for what runs on the conductor."""
        return self._merged(("plugins", plugin_id))

    def of_web_hook(self, hook_id: str) -> dict[str, str]:
        return self._merged(("web_hooks", hook_id))

    def _merged(self, *holders: tuple[str, str]) -> dict[str, str]:
        if self._version != self._catalogue.version("secrets"):
            self._sort()
        values: dict[str, str] = {}
        for holder in dict.fromkeys(holders):
            for secret_id in self._assigned.get(holder, ()):
                if self._expired(secret_id):
                    log.warning(
                        "a secret has expired and is not handed out", secret=secret_id, used_by=holder
                    )
                    continue
                fields = self._vault.opened(secret_id)
                if fields is None:
                    log.error("a secret cannot be handed out", secret=secret_id, used_by=holder)
                    continue
                values.update(_variables(fields))
                uses.info("secret used", secret=secret_id, type=holder[0], consumer=holder[1])
                # The event log has it with the count of this use (secret_uses.py).
                self._signals.publish_logged(SecretUsed(secret_id=secret_id, used_by=holder))
        return values

    def _expired(self, secret_id: str) -> bool:
        expires = self._expires.get(secret_id, 0)
        return 0 < expires <= now()

    def _sort(self) -> None:
        """Enabled secrets by whom they are assigned to, in storage order."""
        assigned: dict[tuple[str, str], list[str]] = {}
        for secret in self._catalogue.all("secrets"):
            if not secret.get("enabled"):
                continue
            for kind in ("events", "categories", "plugins", "web_hooks"):
                for id in _strings(secret.get(kind)):
                    assigned.setdefault((kind, id), []).append(secret["id"])
        self._expires = {
            secret["id"]: expires
            for secret in self._catalogue.all("secrets")
            if is_number(expires := secret.get("expires"))
        }
        self._assigned = assigned
        self._version = self._catalogue.version("secrets")


def _variables(fields: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """By name; imported values may be anything, and those without a name have no use."""
    return {
        field["name"]: text_of(field.get("value", ""))
        for field in fields
        if isinstance(field.get("name"), str)
    }


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _open_all(seal: Seal, rows: Mapping[str, Json]) -> tuple[dict[str, Fields], list[str]]:
    """What can be opened, and the IDs of what cannot."""
    opened: dict[str, Fields] = {}
    closed: list[str] = []
    for id, envelope in rows.items():
        if id == _MARK:
            continue
        try:
            opened[id] = seal.open(id, envelope)
        except CannotOpenError:
            closed.append(id)
    return opened, closed


T = TypeVar("T")


def _of_secrets(by_id: Mapping[str, T]) -> dict[str, T]:
    """Without what other rooms keep."""
    return {id: one for id, one in by_id.items() if _FOREIGN_PLACE not in id}


def _seal_all(seal: Seal, opened: Mapping[str, Fields]) -> dict[str, Json]:
    """Envelopes by ID, with the mark that tells their key."""
    return {_MARK: {"kid": seal.kid}, **{id: seal.seal(id, fields) for id, fields in opened.items()}}


def _row(id: str, doc: Json) -> Json:
    return {"id": id, "doc": msgspec.json.encode(doc)}
