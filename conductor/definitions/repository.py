"""The one repository of all kinds: what is read is in memory, what is changed is in SQL before it counts.

Contract api/README.md §10.4-10.7. A change is decided from memory under its kind's lock, committed, then made
visible and announced. Callers have checked privileges already; limits on categories and groups are checked
here, since they depend on the stored document.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from dataclasses import replace
from typing import Any

import msgspec
from msgspec import structs

from conductor.announcer import Signals
from conductor.definitions import drafts, rows
from conductor.definitions.apart import Apart, Staged
from conductor.definitions.drafts import Draft
from conductor.definitions.json_values import Json
from conductor.definitions.kinds import KINDS, Context, Kind
from conductor.definitions.references import released
from conductor.definitions.rows import MAX_BYTES
from conductor.definitions.shelves import Shelves
from conductor.definitions.state import GlobalState
from conductor.definitions.text import check_id
from conductor.definitions.unbroken import unbroken
from conductor.definitions.versions import version_writes
from conductor.definitions.writer import Writer
from conductor.errors import BadParameter, Refusal, Unavailable
from conductor.records.store import Records, Write
from conductor.signals import SYSTEM, Actor, DefinitionChanged, EventRow
from shared.clock import now

__all__ = ["MAX_BYTES", "Definitions"]


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
        apart: Mapping[str, Apart] | None = None,
    ) -> None:
        """`state`: the global state that the rest of the house uses. `active_jobs`: how many jobs of an event
        there are in any state; while there are some, the event cannot be deleted. `apart`: by kind, the
        stores of what is not in the documents (the values of `secrets`)."""
        self.state = state or GlobalState(records)
        self._records = records
        self._signals = signals
        self._active_jobs = active_jobs
        self.kinds = kinds
        self._apart = dict(apart or {})
        self._shelves = Shelves(records, kinds)

    async def load(self) -> None:
        """Everything from SQL into memory. Raises Unavailable."""
        await self._shelves.load()
        await self.state.load()
        for store in self._apart.values():
            await store.load()

    def all(self, kind: str) -> Sequence[Json]:
        """In storage order (API keys: newest first). Callers never modify what they get."""
        return self._shelves[kind].all()

    def get(self, kind: str, id: str) -> Json | None:
        """Callers never modify what they get; it stays as it is when the definition changes."""
        return self._shelves[kind].get(id)

    def version(self, kind: str) -> int:
        """Grows with each change of that kind, for caches of encoded lists."""
        return self._shelves[kind].version

    async def create(
        self, kind: str, doc: Json, *, actor: Actor, by: Writer, correlation_id: str = ""
    ) -> Json:
        """Store a new item; returns it whole. Raises Refusals; nothing is stored then.

        `correlation_id` (here as in all that changes something) is the story that the change belongs to.
        """
        draft = await self.create_showing(kind, doc, actor=actor, by=by, correlation_id=correlation_id)
        return draft.doc

    async def create_showing(
        self, kind: str, doc: Json, *, actor: Actor, by: Writer, correlation_id: str = ""
    ) -> Draft:
        """As `create`; `shown_once` of the result is never to be had again (an API key's `plain_key`)."""
        rules, shelf = self.kinds[kind], self._shelves[kind]
        async with shelf.lock:
            await self._settle(kind)
            draft = drafts.new(rules, doc, self._context(by), int(now()))
            item = draft.doc
            if shelf.get(item["id"]) is not None:
                raise Refusal(rules.code, f"That {rows.noun(rules)} ID already exists: {item['id']}")
            if rules.sort_ordered:
                item["sort_order"] = drafts.next_order(shelf.all())
            state = self._state_of(rules, item["id"], draft.state)
            async with self._beside(kind):
                beside = await self._staged(rules, item["id"], draft.apart)
                past = version_writes(rules, "create", item, actor, correlation_id)
                told = _changed(kind, "create", item, draft.updated, actor, correlation_id)
                [item] = await self._commit(
                    rules, [item], state, fresh=True, beside=beside, past=past, told=told
                )
        return replace(draft, doc=item)

    async def update(
        self, kind: str, id: str, changes: Json, *, actor: Actor, by: Writer, correlation_id: str = ""
    ) -> Json:
        """Shallow-merge `changes` into an item; returns it whole. Raises Refusals."""
        rules, shelf = self.kinds[kind], self._shelves[kind]
        check_id(id)
        async with shelf.lock:
            await self._settle(kind)
            stored = shelf.get(id)
            if stored is None:
                raise Refusal(rules.unknown_code or rules.code, f"{rows.noun(rules)} not found: {id}")
            draft = drafts.change(rules, stored, changes, self._context(by), int(now()))
            state = self._state_of(rules, id, draft.state)
            async with self._beside(kind):
                beside = await self._staged(rules, id, draft.apart)
                past = version_writes(rules, "update", draft.doc, actor, correlation_id)
                told = _changed(kind, "update", draft.doc, draft.updated, actor, correlation_id)
                [item] = await self._commit(rules, [draft.doc], state, beside=beside, past=past, told=told)
        return item

    async def revise(
        self,
        kind: str,
        id: str,
        change: Callable[[Json], Mapping[str, Any]],
        *,
        actor: Actor,
        correlation_id: str = "",
    ) -> Json:
        """Set what `change` makes of the stored item, properties that clients cannot set included.

        For changes that the house itself makes, whose callers have checked everything. Raises Refusals.
        """
        rules, shelf = self.kinds[kind], self._shelves[kind]
        async with shelf.lock:
            await self._settle(kind)
            stored = shelf.get(id)
            if stored is None:
                raise Refusal(rules.code, f"{rows.noun(rules)} not found: {id}")
            changes = change(stored)
            doc = drafts.touched(stored, changes, int(now()))
            past = version_writes(rules, "update", doc, actor, correlation_id)
            told = _changed(kind, "update", doc, tuple(changes), actor, correlation_id)
            [item] = await self._commit(rules, [doc], past=past, told=told)
        return item

    def check_update(self, kind: str, id: str, changes: Json, *, by: Writer) -> None:
        """Raise the Refusal that `update` would raise now, for callers that store something else first."""
        rules = self.kinds[kind]
        stored = self._shelves[kind].get(id)
        if stored is None:
            raise Refusal(rules.code, f"{rows.noun(rules)} not found: {id}")
        drafts.change(rules, stored, changes, self._context(by), int(now()))

    async def delete(self, kind: str, id: str, *, actor: Actor, by: Writer, correlation_id: str = "") -> Json:
        """Remove an item, its global state and what must not outlive it; returns what it was. Raises Refusals.

        What other definitions lose with it (`references.released`) changes in the same transaction.
        """
        rules, shelf = self.kinds[kind], self._shelves[kind]
        check_id(id)
        async with AsyncExitStack() as locks:
            for name in sorted({kind, *rules.locks_on_delete}):  # one order, or two deletions could block
                await locks.enter_async_context(self._shelves[name].lock)
                await self._settle(name)
            stored = shelf.get(id)
            if stored is None:
                raise Refusal(rules.code, f"{rows.noun(rules)} not found: {id}")
            context = self._context(by)
            (rules.authorise_delete or rules.authorise)(stored, context)
            rules.guard_delete(stored, context)
            losing = [
                (name, drafts.touched(doc, changes, int(now())), tuple(changes))
                for name, doc, changes in released(kind, id, self)
            ]
            past = version_writes(rules, "delete", stored, actor, correlation_id)
            for name, doc, _ in losing:
                past += version_writes(self.kinds[name], "update", doc, actor, correlation_id)
            told = [_changed(kind, "delete", stored, (), actor, correlation_id)]
            told += [
                _changed(name, "update", doc, changed, actor, correlation_id) for name, doc, changed in losing
            ]
            async with self._beside(kind):
                await unbroken(self._remove(rules, id, [(name, doc) for name, doc, _ in losing], past, told))
        return stored

    async def multi_update(
        self, kind: str, items: list[Any], *, actor: Actor, by: Writer, correlation_id: str = ""
    ) -> None:
        """Set `sort_order` of several items at once; unknown IDs and all other properties are ignored."""
        rules, shelf = self.kinds[kind], self._shelves[kind]
        if not rules.sort_ordered:
            raise BadParameter(f"{rows.noun(rules)} definitions have no sort_order")
        found, names = drafts.orders(items)
        rules.authorise_all(self._context(by))
        async with shelf.lock:
            await self._settle(kind)
            docs = [
                {**stored, "sort_order": order}
                for id, order in found.items()
                if (stored := shelf.get(id)) is not None
            ]
            told = _changed(kind, "multi_update", {}, names, actor, correlation_id)
            if docs:
                await self._commit(rules, docs, told=told)
            else:
                self._signals.publish_logged(told)  # nothing has changed: no event

    async def restore(
        self,
        contents: Mapping[str, Iterable[Json]],
        *,
        actor: Actor | None = None,
        unsung: Sequence[str] = (),
    ) -> None:
        """Store definitions of several kinds as they stand, over any with the same ID, in one transaction.

        For set-up and imports: no rule but a usable ID is asked. With an `actor`, each is announced, save
        those of the kinds in `unsung`.
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
                    encoded = rows.encoded(self.kinds[name], item)
                    writes.append(rows.put(self.kinds[name], item["id"], place, encoded))
                    writes += version_writes(self.kinds[name], "create", item, actor or SYSTEM)
            told = [
                _changed(name, "create", item, tuple(item), actor or SYSTEM)
                for name, items in docs.items()
                for item in (items if actor and name not in unsung else ())
            ]
            if writes:
                await unbroken(self._store_all(docs, writes, told))
            self._publish(told)

    async def _store_all(
        self,
        docs: Mapping[str, Sequence[Json]],
        writes: Sequence[Write],
        told: Sequence[DefinitionChanged],
    ) -> None:
        try:
            await self._records.write(*writes, events=self._signals.events(*told))
        except Unavailable:
            self._shelves.doubt(docs)
            raise
        for name, items in docs.items():
            self._shelves[name].put(items)

    def _context(self, by: Writer) -> Context:
        return Context(self, by, self._active_jobs)

    def _state_of(self, kind: Kind, id: str, changes: Json | None) -> tuple[str, Json] | None:
        return None if changes is None else (f"{kind.state_under}/{id}", changes)

    def _beside(self, kind: str) -> AbstractAsyncContextManager[Any]:
        """Whatever the kind's other store needs held during a change."""
        store = self._apart.get(kind)
        return store.lock if store else nullcontext()

    async def _staged(self, kind: Kind, id: str, parts: Json) -> Staged:
        """What the kind's other store adds to the transaction."""
        if not parts:
            return Staged()
        store = self._apart.get(kind.plural)
        if store is None:
            raise Unavailable(f"{rows.noun(kind)}: there is no store for {', '.join(parts)}")
        return await store.staged(id, parts)

    async def _commit(
        self,
        kind: Kind,
        docs: Sequence[Json],
        state: tuple[str, Json] | None = None,
        *,
        fresh: bool = False,
        beside: Staged | None = None,
        past: Sequence[Write] = (),
        told: DefinitionChanged,
    ) -> Sequence[Json]:
        """Returns the documents as SQL has them, which share nothing with what a caller sent.

        `told` goes to the event log in the same transaction, and to everybody once it is committed.
        """
        shelf = self._shelves[kind.plural]
        encoded = [rows.encoded(kind, doc) for doc in docs]
        stored: list[Json] = [msgspec.json.decode(doc) for doc in encoded]
        writes = [
            rows.put(kind, doc["id"], shelf.position(doc["id"]), row)
            for doc, row in zip(stored, encoded, strict=True)
        ]
        writes += past
        events = self._signals.events(told)
        await unbroken(self._store(kind, stored, writes, state, fresh, beside or Staged(), events))
        self._publish([structs.replace(told, item=stored[0]) if told.item else told])
        return stored

    async def _store(
        self,
        kind: Kind,
        docs: Sequence[Json],
        writes: list[Write],
        state: tuple[str, Json] | None,
        fresh: bool,
        beside: Staged,
        events: Sequence[EventRow],
    ) -> None:
        shelf = self._shelves[kind.plural]
        writes += beside.writes
        if state:
            if fresh:
                self.state.forget(state[0])  # what an earlier item of this ID may have left
            writes.append(self.state.staged(*state))
        try:
            await self._records.write(*writes, events=events)
        except Unavailable:
            shelf.doubtful = True
            if state:
                self.state.withdraw(state[0])
            raise
        shelf.put(docs)
        beside.committed()
        if state:
            self.state.apply(*state)

    async def _remove(
        self,
        kind: Kind,
        id: str,
        losing: Sequence[tuple[str, Json]],
        past: Sequence[Write],
        told: Sequence[DefinitionChanged],
    ) -> None:
        """`losing`: definitions of other kinds as they are without the item."""
        shelf = self._shelves[kind.plural]
        store = self._apart.get(kind.plural)
        beside = store.removal(id) if store else Staged()
        writes = [rows.deletion(kind, id), *beside.writes, *past]
        for name, doc in losing:
            rules = self.kinds[name]
            position = self._shelves[name].position(doc["id"])
            writes.append(rows.put(rules, doc["id"], position, rows.encoded(rules, doc)))
        key = f"{kind.state_under}/{id}"
        if kind.state_under:
            writes.append(self.state.deletion(key))
        try:
            await self._records.write(*writes, events=self._signals.events(*told))
        except Unavailable:
            self._shelves.doubt({kind.plural, *(name for name, _ in losing)})
            raise
        shelf.remove(id)
        beside.committed()
        for name, doc in losing:
            self._shelves[name].put([doc])
        if kind.state_under:
            self.state.forget(key)
        self._publish(told)

    async def _settle(self, kind: str) -> None:
        if await self._shelves.settle(kind) and kind in self._apart:
            await self._apart[kind].load()

    def _publish(self, told: Sequence[DefinitionChanged]) -> None:
        for signal in told:
            self._signals.publish_logged(signal)


def _changed(
    kind: str, verb: str, item: Json, updated: tuple[str, ...], actor: Actor, correlation_id: str = ""
) -> DefinitionChanged:
    return DefinitionChanged(
        kind=kind, verb=verb, item=item, updated=updated, actor=actor, correlation_id=correlation_id
    )
