"""Minute and quick samples as satellites send them (contract monitoring.md §3, §6).

A minute sample goes through monitors, deltas, observers (alerts), store, in this order, when it arrives. What it
changes is written some seconds later, together with that of all other servers. Until then it is in memory, where
readers find it; a primary that is killed loses these seconds of samples and nothing that was written.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec
import structlog

from conductor.errors import Deposed, Unavailable
from conductor.monitoring.buckets import HOUR, BadBlock, Key, OpenHour, bucket_of
from conductor.monitoring.intake import BadSample, cut, encoded, fired, refresh
from conductor.monitoring.monitors import Budget, Catalogue, Evaluation, Monitors, Number, Reading, evaluate
from conductor.monitoring.once import Once
from conductor.monitoring.quick import QuickMonitors, QuickObserver
from conductor.monitoring.timelines import Ask, Known, Timelines
from conductor.records import tables
from conductor.records.documents import Documents
from conductor.records.store import Records, Write, upsert
from shared import clock
from shared.clock import Seconds

Record = dict[str, Any]

WRITE_SECONDS: Seconds = 5.0
"""Between two writes: a minute of a fleet is a dozen transactions."""
_FULL = 500
"""Samples that do not wait for that."""
_TOGETHER = 250
"""Servers of one transaction."""
_LOAD_SECONDS = 0.05
"""First samples gather this long, so that a fleet that comes back is read in a few queries."""
_SETTLE_SECONDS = 10.0
_FINISH_SECONDS = 5.0
_UPSERT = upsert(tables.samples)

log = structlog.get_logger(__name__)


class SampleObserver(Protocol):
    """Judges each accepted sample, as alerts do."""

    def __call__(self, server: Mapping[str, Any], sample: Record, now: float, /) -> None:
        """`sample`: the host record (contract structures/server_monitor_data.yaml), `data` with `monitors` and
        `deltas`. May set `new_alerts` on it, {definition: true}; these are stored with it and marked in the
        timelines. Called on the event loop and must not wait."""


class _Text(NamedTuple):
    """A host record on its way to SQL."""

    date: int
    doc: bytes


class _Server:
    """What the next sample of a server depends on."""

    __slots__ = ("accepted", "hour", "reading")

    def __init__(self, hour: OpenHour, reading: Reading | None) -> None:
        self.hour = hour
        self.reading = reading
        self.accepted = reading.date // 60 if reading else -1
        """The minute of the last sample, dummies included."""


class Samples:
    """All samples of all servers. `run` must be running; between terms `forget_all` is called."""

    def __init__(
        self,
        records: Records,
        catalogue: Catalogue,
        quick: QuickMonitors,
        observers: Sequence[SampleObserver] = (),
        quick_observers: Sequence[QuickObserver] = (),
        *,
        write_seconds: Seconds = WRITE_SECONDS,
    ) -> None:
        """`observers` are called in their order with each accepted minute sample, `quick_observers` with each
        row of the quick monitors."""
        self._records = records
        self.timelines = Timelines(records)
        self.monitors = Monitors(catalogue)
        self.quick_monitors = quick
        self._observers = tuple(observers)
        self._quick_observers = tuple(quick_observers)
        self._write_seconds = write_seconds
        self._stored = Documents(records, tables.samples)
        self._servers: dict[str, _Server] = {}
        self._first: dict[str, tuple[Record, Record]] = {}
        """First samples, by server, that wait for what SQL knows of it."""
        self._first_came = asyncio.Event()
        self._settled = asyncio.Event()
        self._unwritten: dict[str, _Text] = {}
        self._closed: dict[tuple[str, Key], bytes] = {}
        """Hours that have ended and are not written yet."""
        self._changed: set[str] = set()
        self._writing: dict[str, _Text] = {}
        self._writing_lock = asyncio.Lock()
        self._any_unwritten = asyncio.Event()
        self._many_unwritten = asyncio.Event()
        self._offline: set[str] = set()
        self._once = Once(log)
        self._budget = Budget()
        self._term = 0
        self.taken = 0
        """Minute samples accepted since the start."""

    # In

    def minute(self, server: Record, message: Record) -> None:
        """Take a server's minute sample; of one minute of our clock the first counts. Never raises."""
        data = message.get("data")
        if not isinstance(data, dict):
            return
        date = int(clock.now())
        server_id = str(server["id"])
        self._offline.discard(server_id)
        sample = {
            "version": str(message.get("version", "1.0")),
            "date": date,
            "server": server_id,
            "hostname": server["hostname"],
            "ip": server.get("ip", ""),
            "groups": list(server.get("groups") or ()),
            "data": data,
        }
        state = self._servers.get(server_id)
        if state is not None and state.hour.number <= date // HOUR:
            self._take(server, sample, state)
        else:  # unknown, or the clock was set back into an hour that is closed
            self._first.setdefault(server_id, (server, sample))
            self._first_came.set()

    def quick(self, server_id: str, data: Mapping[str, Any]) -> None:
        """Take a quick sample: only its row of numbers is kept."""
        row = self.quick_monitors.take(server_id, data, int(clock.now()))
        if row is not None:
            for observer in self._quick_observers:
                self._tell(server_id, observer, server_id, row, data)

    def mark(self, server_id: str, alerts: Sequence[str]) -> None:
        """Note in the timelines that alerts have fired on the server's last sample."""
        state = self._servers.get(server_id)
        if state is not None and state.reading is not None:
            state.hour.mark(state.reading.date, alerts)
            self._changed.add(server_id)
            self._any_unwritten.set()

    # Out

    async def latest(self, server_id: str) -> Record | None:
        """The server's last host record, or None when it never sent a sample. Raises Unavailable."""
        await self._first_settled(server_id)
        kept = self._unwritten.get(server_id) or self._writing.get(server_id)
        if kept is not None:
            return dict(msgspec.json.decode(kept.doc))
        return await self._stored.get(server_id)

    async def rows(self, server_id: str, ask: Ask) -> msgspec.Raw:
        """Rows of a timeline as JSON. Raises Unavailable."""
        await self._first_settled(server_id)
        return await self.timelines.rows(server_id, ask, self._unwritten_rows(server_id))

    def recent(self, server_id: str) -> list[dict[str, Number | None]]:
        """The rows of its quick monitors, oldest first."""
        return self.quick_monitors.rows(server_id)

    def readings(self) -> dict[str, Reading]:
        """The monitors of every online server's last sample."""
        return {id: state.reading for id, state in self._servers.items() if state.reading is not None}

    # Coming and going

    def forget(self, server_id: str) -> None:
        """The server is offline: its last sample is in SQL, or will be, and the rest is of no use."""
        self.quick_monitors.forget(server_id)
        if server_id in self._unwritten or server_id in self._changed or server_id in self._first:
            self._offline.add(server_id)
        else:
            self._servers.pop(server_id, None)

    async def delete(self, server_id: str) -> None:
        """Forget a deleted server's history as well. Raises Unavailable."""
        async with self._writing_lock:
            self.quick_monitors.forget(server_id)
            self._first.pop(server_id, None)
            self._drop(server_id)
            await self.timelines.delete(server_id)

    def forget_all(self) -> None:
        """The term has ended: the next primary has the newer samples, and ours must not go over them."""
        self._term += 1
        self._servers.clear()
        self._first.clear()
        self._unwritten.clear()
        self._writing.clear()
        self._closed.clear()
        self._changed.clear()
        self._offline.clear()
        self._once.clear()
        self.quick_monitors.clear()

    # Beside

    async def run(self) -> None:
        """Load what first samples need and write what was taken, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._load_first(), name="first samples")
            group.create_task(self._write_on(), name="writing of samples")

    async def finish(self) -> None:
        """The end of a term in office: write all that came, with as much patience as a stop has."""
        try:
            async with asyncio.timeout(_FINISH_SECONDS):
                await self._load()
        except (Unavailable, TimeoutError):
            log.warning("first samples are lost", samples=len(self._first))
        await self.flush()

    async def flush(self) -> None:
        """Write what waits now; what cannot be written waits on."""
        async with self._writing_lock:
            self._any_unwritten.clear()
            self._many_unwritten.clear()
            servers = [*dict.fromkeys((*self._unwritten, *self._changed, *(id for id, _ in self._closed)))]
            for at in range(0, len(servers), _TOGETHER):
                if not await self._write(servers[at : at + _TOGETHER]):
                    break

    def _take(self, server: Record, sample: Record, state: _Server) -> None:
        """Everything that follows from one sample, but for writing it down. Never raises."""
        try:
            self._follow(server, sample, state)
        except Exception:  # one server's sample must not stop the minute of all
            self._once.exception(sample["server"], "a sample failed")

    def _follow(self, server: Record, sample: Record, state: _Server) -> None:
        date, data = sample["date"], sample["data"]
        server_id = sample["server"]
        minute = date // 60
        if minute == state.accepted or state.hour.has(date):
            return  # benign: sent again after a reconnection
        shortened = cut(data)
        if shortened:
            self._once.warn(server_id, "a sample's lists were shortened", lists=shortened)
        data["monitors"], data["deltas"] = {}, {}
        evaluation: Evaluation | None = None
        if not data.get("dummy"):
            budget = self._budget
            budget.begin(minute)
            evaluation = evaluate(
                self.monitors.all(), sample["groups"], data, state.reading, date, budget.exhausted
            )
            budget.spend(evaluation.slow)
            if evaluation.faults:
                id, reason = next(iter(evaluation.faults.items()))
                self._once.warn(server_id, "a monitor could not be evaluated", monitor=id, reason=reason)
        state.accepted = minute  # whatever becomes of it: a flood of bad samples must not cost one each
        try:
            text = encoded(data)
        except BadSample as error:
            self._once.warn(server_id, "a sample was dropped", reason=str(error))
            return
        if evaluation is not None:
            for observer in self._observers:
                self._tell(server_id, observer, server, sample, float(date))
            self._add(server_id, state, sample, evaluation)
        doc = msgspec.json.encode({**sample, "data": msgspec.Raw(text)})
        self._unwritten[server_id] = _Text(date, doc)
        self._any_unwritten.set()
        if len(self._unwritten) >= _FULL:
            self._many_unwritten.set()
        self.taken += 1
        refresh(server, data)

    def _add(self, server_id: str, state: _Server, sample: Record, evaluation: Evaluation) -> None:
        """To the timelines."""
        date = sample["date"]
        if date // HOUR != state.hour.number:
            if not state.hour.empty:
                for key, doc in state.hour.documents(close=True).items():
                    self._closed[server_id, key] = doc
            state.hour = OpenHour(date // HOUR)
        bucket = bucket_of(evaluation.values, evaluation.increases)
        state.hour.add(date, bucket, evaluation.values, fired(sample.get("new_alerts")))
        state.reading = Reading(date, evaluation.values)
        self._changed.add(server_id)

    async def _load_first(self) -> None:
        while True:
            await self._first_came.wait()
            await asyncio.sleep(_LOAD_SECONDS)
            try:
                await self._load()
            except Unavailable as error:
                log.warning("first samples wait for the database", error=error.description)
                await asyncio.sleep(1)

    async def _load(self) -> None:
        """Take the first samples that wait. Raises Unavailable; then they wait on."""
        term, first = self._term, dict(self._first)
        if not first:
            self._first_came.clear()
            return
        unwritten = self._changed | {id for id, _ in self._closed}
        if first.keys() & unwritten or self._writing_lock.locked():
            await self.flush()  # the clock was set back: what is read next must be in SQL
        hours: dict[int, list[str]] = {}
        for server_id, (_, sample) in first.items():
            hours.setdefault(sample["date"] // HOUR, []).append(server_id)
        known: dict[str, Known] = {}
        for hour, servers in hours.items():
            known |= await self.timelines.known(servers, hour)
        if term == self._term:
            await self._take_first(first, known, term)

    async def _take_first(
        self, first: Mapping[str, tuple[Record, Record]], known: Mapping[str, Known], term: int
    ) -> None:
        for number, (server_id, (server, sample)) in enumerate(first.items()):
            if self._first.pop(server_id, None) is None:
                continue  # deleted meanwhile
            found = known[server_id]
            hour = sample["date"] // HOUR
            try:
                open_hour = OpenHour(hour, found.documents)
            except BadBlock as error:
                log.warning(
                    "an hour of a timeline cannot be read, it begins anew", server=server_id, error=str(error)
                )
                open_hour = OpenHour(hour)
            state = self._servers[server_id] = _Server(open_hour, found.reading)
            self._take(server, sample, state)
            if server_id in self._offline and server_id not in self._unwritten:
                self._drop(server_id)
            if number % 20 == 19:
                await asyncio.sleep(0)
                if term != self._term:
                    return
        self._settled.set()
        self._settled = asyncio.Event()

    async def _first_settled(self, server_id: str) -> None:
        """Return when the server's first sample, if one waits, is taken."""
        if server_id not in self._first:
            return
        try:
            async with asyncio.timeout(_SETTLE_SECONDS):
                while server_id in self._first:
                    await self._settled.wait()
        except TimeoutError:
            raise Unavailable("The database did not answer") from None

    async def _write_on(self) -> None:
        while True:
            await self._any_unwritten.wait()
            try:
                async with asyncio.timeout(self._write_seconds):
                    await self._many_unwritten.wait()
            except TimeoutError:
                pass
            await self.flush()
            if self._any_unwritten.is_set():
                await asyncio.sleep(self._write_seconds / 10)

    async def _write(self, servers: Sequence[str]) -> bool:
        """One transaction; False when it must be tried again later."""
        term = self._term
        texts = {id: text for id in servers if (text := self._unwritten.pop(id, None)) is not None}
        self._writing = texts
        wanted = set(servers)
        closed = {place: doc for place, doc in self._closed.items() if place[0] in wanted}
        rows = [(server, key, doc) for (server, key), doc in closed.items()]
        changed = wanted & self._changed
        self._changed -= changed
        for id in changed:
            if (state := self._servers.get(id)) is not None and not state.hour.empty:
                rows += [(id, key, doc) for key, doc in state.hour.documents().items()]
        samples = [{"server": id, "date": text.date, "doc": text.doc} for id, text in texts.items()]
        try:
            await self._records.write(Write(_UPSERT, samples), self.timelines.write(rows))
        except Deposed:
            log.info("samples of an earlier term are dropped", samples=len(texts))
        except Unavailable as error:
            log.warning("samples wait for the database", error=error.description)
            if term == self._term:
                self._unwritten = {**texts, **self._unwritten}
                self._changed |= changed
                self._any_unwritten.set()
            return False
        finally:
            self._writing = {}
        if term == self._term:
            for place, doc in closed.items():
                if self._closed.get(place) is doc:
                    del self._closed[place]
            for id in self._offline & wanted:
                if id not in self._unwritten and id not in self._changed and id not in self._first:
                    self._drop(id)
        return True

    def _unwritten_rows(self, server_id: str) -> dict[Key, bytes]:
        """The rows that SQL may not have yet."""
        rows = {key: doc for (server, key), doc in self._closed.items() if server == server_id}
        state = self._servers.get(server_id)
        return rows if state is None or state.hour.empty else rows | state.hour.documents()

    def _drop(self, server_id: str) -> None:
        self._servers.pop(server_id, None)
        self._unwritten.pop(server_id, None)
        self._changed.discard(server_id)
        self._offline.discard(server_id)
        for place in [place for place in self._closed if place[0] == server_id]:
            del self._closed[place]

    def _tell(self, server_id: str, observer: Callable[..., None], *arguments: Any) -> None:
        try:
            observer(*arguments)
        except Exception:
            self._once.exception(server_id, "an observer of samples failed")
