"""The one repository of all kinds: what is read is in memory, what is changed is in SQL before it counts.

Contract api/README.md §10.4-10.7. A change is decided from memory under its kind's lock, committed, then made
visible and announced. Callers have checked privileges already; limits on categories and groups are checked
here, since they depend on the stored document.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog

from conductor.definitions import drafts
from conductor.definitions.drafts import Draft
from conductor.definitions.json_values import Json
from conductor.definitions.kinds import KINDS, Context, Kind
from conductor.definitions.shelf import Shelf
from conductor.definitions.state import GlobalState
from conductor.definitions.text import check_id
from conductor.definitions.unbroken import unbroken
from conductor.definitions.writer import Writer
from conductor.errors import BadParameter, Refusal, Unavailable
from conductor.records.store import Records, Write, upsert
from conductor.records.tables import definitions as table
from conductor.signals import SYSTEM, Actor, DefinitionChanged, Signals
from shared.clock import now

log = structlog.get_logger(__name__)

MAX_BYTES = 8 * 1024**2
"""Of one encoded definition."""

_PUT = upsert(table)
_DELETE = sa.delete(table).where(
    table.c.kind == sa.bindparam("gone_kind"), table.c.id == sa.bindparam("gone_id")
)
_ALL = sa.select(table.c.kind, table.c.id, table.c.position, table.c.doc).order_by(
    table.c.kind, table.c.position
)
_KIND = _ALL.where(table.c.kind == sa.bindparam("wanted"))


def _no_jobs(event_id: str) -> int:
    return 0


class Definitions:
    """Every definition. `load` it before the first use, and again when this conductor takes over."""

    def __init__(
        self,
        records: Records,
        signals: Signals,
        *,
        state: GlobalState | None = None,
        active_jobs: Callable[[str], int] = _no_jobs,
        kinds: Mapping[str, Kind] = KINDS,
    ) -> None:
        """`state`: the global state that the rest of the house uses. `active_jobs`: how many jobs of an event
        there are in any state; while there are some, the event cannot be deleted."""
        self.state = state or GlobalState(records)
        self._records = records
        self._signals = signals
        self._active_jobs = active_jobs
        self.kinds = kinds
        self._shelves = {name: Shelf(newest_first=kind.newest_first) for name, kind in kinds.items()}

    async def load(self) -> None:
        """Everything from SQL into memory. Raises Unavailable."""
        found: dict[str, list[tuple[str, int, Json]]] = {name: [] for name in self.kinds}
        for kind, id, position, doc in await self._records.read(_every_row):
            if kind in found:
                found[kind].append((id, position, msgspec.json.decode(doc)))
        for name, rows in found.items():
            self._shelves[name].fill(rows)
        await self.state.load()

    def all(self, kind: str) -> Sequence[Json]:
        """In storage order (API keys: newest first). Callers never modify what they get."""
        return self._shelves[kind].all()

    def get(self, kind: str, id: str) -> Json | None:
        """Callers never modify what they get; it stays as it is when the definition changes."""
        return self._shelves[kind].get(id)

    def version(self, kind: str) -> int:
        """Grows with each change of that kind, for caches of encoded lists."""
        return self._shelves[kind].version

    async def create(self, kind: str, doc: Json, *, actor: Actor, by: Writer) -> Json:
        """Store a new item; returns it whole. Raises Refusals; nothing is stored then."""
        return (await self.create_showing(kind, doc, actor=actor, by=by)).doc

    async def create_showing(self, kind: str, doc: Json, *, actor: Actor, by: Writer) -> Draft:
        """As `create`; `shown_once` of the result is never to be had again (an API key's `plain_key`)."""
        rules, shelf = self.kinds[kind], self._shelves[kind]
        async with shelf.lock:
            await self._settle(kind)
            draft = drafts.new(rules, doc, self._context(by), int(now()))
            item = draft.doc
            if shelf.get(item["id"]) is not None:
                raise Refusal(rules.code, f"That {_noun(rules)} ID already exists: {item['id']}")
            if rules.sort_ordered:
                item["sort_order"] = drafts.next_order(shelf.all())
            state = self._state_of(rules, item["id"], draft.state)
            [item] = await self._commit(rules, [item], state, fresh=True)
            self._announce(kind, "create", item, draft.updated, actor)
        return replace(draft, doc=item)

    async def update(self, kind: str, id: str, changes: Json, *, actor: Actor, by: Writer) -> Json:
        """Shallow-merge `changes` into an item; returns it whole. Raises Refusals."""
        rules, shelf = self.kinds[kind], self._shelves[kind]
        check_id(id)
        async with shelf.lock:
            await self._settle(kind)
            stored = shelf.get(id)
            if stored is None:
                raise Refusal(rules.unknown_code or rules.code, f"{_noun(rules)} not found: {id}")
            draft = drafts.change(rules, stored, changes, self._context(by), int(now()))
            [item] = await self._commit(rules, [draft.doc], self._state_of(rules, id, draft.state))
            self._announce(kind, "update", item, draft.updated, actor)
        return item

    async def delete(self, kind: str, id: str, *, actor: Actor, by: Writer) -> Json:
        """Remove an item and its global state; returns what it was. Raises Refusals."""
        rules, shelf = self.kinds[kind], self._shelves[kind]
        check_id(id)
        async with AsyncExitStack() as locks:
            for name in (kind, *rules.locks_on_delete):
                await locks.enter_async_context(self._shelves[name].lock)
            await self._settle(kind)
            stored = shelf.get(id)
            if stored is None:
                raise Refusal(rules.code, f"{_noun(rules)} not found: {id}")
            context = self._context(by)
            (rules.authorise_delete or rules.authorise)(stored, context)
            rules.guard_delete(stored, context)
            await unbroken(self._remove(rules, id))
            self._announce(kind, "delete", stored, (), actor)
        return stored

    async def multi_update(self, kind: str, items: list[Any], *, actor: Actor, by: Writer) -> None:
        """Set `sort_order` of several items at once; unknown IDs and all other properties are ignored."""
        rules, shelf = self.kinds[kind], self._shelves[kind]
        if not rules.sort_ordered:
            raise BadParameter(f"{_noun(rules)} definitions have no sort_order")
        found, names = drafts.orders(items)
        rules.authorise_all(self._context(by))
        async with shelf.lock:
            await self._settle(kind)
            docs = [
                {**stored, "sort_order": order}
                for id, order in found.items()
                if (stored := shelf.get(id)) is not None
            ]
            if docs:
                await self._commit(rules, docs)
            self._announce(kind, "multi_update", {}, names, actor)

    async def restore(self, contents: Mapping[str, Iterable[Json]], *, actor: Actor | None = None) -> None:
        """Store definitions of several kinds as they stand, over any with the same ID, in one transaction.

        For set-up and imports: no rule but a usable ID is asked. With an `actor`, each is announced.
        """
        async with AsyncExitStack() as locks:
            for name in sorted(contents):
                await locks.enter_async_context(self._shelves[name].lock)
            docs = {name: list(items) for name, items in contents.items()}
            writes = []
            for name, items in docs.items():
                position = self._shelves[name].position("")
                for item in items:
                    check_id(item.get("id"))
                    known = self._shelves[name].get(item["id"]) is not None
                    place = self._shelves[name].position(item["id"]) if known else position
                    position += not known
                    writes.append(_put(self.kinds[name], item["id"], place, _encoded(self.kinds[name], item)))

            if writes:
                await unbroken(self._store_all(docs, writes))
            for name, items in docs.items() if actor else ():
                for item in items:
                    self._announce(name, "create", item, tuple(item), actor or SYSTEM)

    async def _store_all(self, docs: Mapping[str, Sequence[Json]], writes: Sequence[Write]) -> None:
        try:
            await self._records.write(*writes)
        except Unavailable:
            for name in docs:
                self._shelves[name].doubtful = True
            raise
        for name, items in docs.items():
            self._shelves[name].put(items)

    def _context(self, by: Writer) -> Context:
        return Context(self, by, self._active_jobs)

    def _state_of(self, kind: Kind, id: str, changes: Json | None) -> tuple[str, Json] | None:
        return None if changes is None else (f"{kind.state_under}/{id}", changes)

    async def _commit(
        self, kind: Kind, docs: Sequence[Json], state: tuple[str, Json] | None = None, *, fresh: bool = False
    ) -> Sequence[Json]:
        """Returns the documents as SQL has them, which share nothing with what a caller sent."""
        shelf = self._shelves[kind.plural]
        rows = [_encoded(kind, doc) for doc in docs]
        stored: list[Json] = [msgspec.json.decode(row) for row in rows]
        writes = [
            _put(kind, doc["id"], shelf.position(doc["id"]), row)
            for doc, row in zip(stored, rows, strict=True)
        ]
        await unbroken(self._store(kind, stored, writes, state, fresh))
        return stored

    async def _store(
        self,
        kind: Kind,
        docs: Sequence[Json],
        writes: list[Write],
        state: tuple[str, Json] | None,
        fresh: bool,
    ) -> None:
        shelf = self._shelves[kind.plural]
        if state:
            if fresh:
                self.state.forget(state[0])  # what an earlier item of this ID may have left
            writes.append(self.state.staged(*state))
        try:
            await self._records.write(*writes)
        except Unavailable:
            shelf.doubtful = True
            if state:
                self.state.withdraw(state[0])
            raise
        shelf.put(docs)
        if state:
            self.state.apply(*state)

    async def _remove(self, kind: Kind, id: str) -> None:
        shelf = self._shelves[kind.plural]
        writes = [Write(_DELETE, {"gone_kind": kind.plural, "gone_id": id})]
        key = f"{kind.state_under}/{id}"
        if kind.state_under:
            writes.append(self.state.deletion(key))
        try:
            await self._records.write(*writes)
        except Unavailable:
            shelf.doubtful = True
            raise
        shelf.remove(id)
        if kind.state_under:
            self.state.forget(key)

    async def _settle(self, kind: str) -> None:
        """After a failed write: whether it happened is what SQL says, not what memory remembers."""
        shelf = self._shelves[kind]
        if not shelf.doubtful:
            return
        rows = await self._records.read(lambda connection: _rows_of(connection, kind))
        shelf.fill((id, position, msgspec.json.decode(doc)) for _, id, position, doc in rows)
        log.info("definitions were read again after a failed write", kind=kind)

    def _announce(self, kind: str, verb: str, item: Json, updated: tuple[str, ...], actor: Actor) -> None:
        self._signals.publish(
            DefinitionChanged(kind=kind, verb=verb, item=item, updated=updated, actor=actor)
        )


def _encoded(kind: Kind, doc: Json) -> bytes:
    try:
        encoded = msgspec.json.encode(doc)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BadParameter(f"{_noun(kind)} cannot be stored: {error}") from None
    if len(encoded) > MAX_BYTES:
        raise BadParameter(f"{_noun(kind)} is larger than {MAX_BYTES} bytes")
    return encoded


def _put(kind: Kind, id: str, position: int, encoded: bytes) -> Write:
    return Write(_PUT, {"kind": kind.plural, "id": id, "position": position, "doc": encoded})


def _noun(kind: Kind) -> str:
    return "API Key" if kind.singular == "api_key" else kind.singular.replace("_", " ").title()


def _every_row(connection: sa.Connection) -> list[tuple[str, str, int, bytes]]:
    return [tuple(row) for row in connection.execute(_ALL)]


def _rows_of(connection: sa.Connection, kind: str) -> list[tuple[str, str, int, bytes]]:
    return [tuple(row) for row in connection.execute(_KIND, {"wanted": kind})]
