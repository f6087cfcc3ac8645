"""Minute and quick samples as satellites send them (contract monitoring.md §3, §6).

A minute sample goes through monitors, deltas, observers (alerts), store, in this order, when it arrives. What it
changes is written some seconds later, together with that of all other servers. Until then it is in memory, where
readers find it; a primary that is killed loses these seconds of samples and nothing that was written.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec
import structlog

from conductor.errors import Unavailable
from conductor.monitoring.buckets import HOUR, OpenHour, bucket_of
from conductor.monitoring.first_samples import FirstSamples
from conductor.monitoring.intake import BadSample, cut, encoded, fired, refresh
from conductor.monitoring.late_samples import LateSamples, Standing
from conductor.monitoring.monitors import Budget, Catalogue, Evaluation, Monitors, Number, Reading, evaluate
from conductor.monitoring.once import Once
from conductor.monitoring.quick import QuickMonitors, QuickObserver
from conductor.monitoring.timelines import Ask, Timelines
from conductor.monitoring.unwritten import Unwritten
from conductor.records import tables
from conductor.records.documents import Documents
from conductor.records.store import Records
from shared import clock
from shared.clock import Seconds
from shared.protocol.messages import LateSamples as LateMessage

Record = dict[str, Any]

WRITE_SECONDS: Seconds = 5.0
"""Between two writes: a minute of a fleet is a dozen transactions."""
_FINISH_SECONDS = 5.0

log = structlog.get_logger(__name__)


class SampleObserver(Protocol):
    """Judges each accepted sample, as alerts do."""

    def __call__(self, server: Mapping[str, Any], sample: Record, now: float, /) -> None:
        """`sample`: the host record (contract structures/server_monitor_data.yaml), `data` with `monitors` and
        `deltas`. May set `new_alerts` on it, {definition: true}; these are stored with it and marked in the
        timelines. Called on the event loop and must not wait."""


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
        self._stored = Documents(records, tables.samples)
        self._servers: dict[str, _Server] = {}
        self._unwritten = Unwritten(
            records, self.timelines, self._open_hour, self._was_written, write_seconds
        )
        self._first = FirstSamples(self.timelines, self._unwritten, self._take_first)
        self._offline: set[str] = set()
        self._once = Once(log)
        self._late = LateSamples(self.timelines, self._unwritten, self.monitors, self._standing, self._once)
        self._budget = Budget()
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
        else:
            self._first.add(server, sample)

    def quick(self, server_id: str, data: Mapping[str, Any]) -> None:
        """Take a quick sample: only its row of numbers is kept."""
        row = self.quick_monitors.take(server_id, data, int(clock.now()))
        if row is not None:
            for observer in self._quick_observers:
                self._tell(server_id, observer, server_id, row, data)

    def late(self, server: Record, message: LateMessage, taken: Callable[[], None]) -> None:
        """Take samples of a cut into the minutes that have none; `taken` is called when they are in SQL. Alerts
        are not judged on them. Never raises."""
        groups = [str(group) for group in server.get("groups") or ()]
        self._late.add(str(server["id"]), groups, message, clock.now(), taken)

    def mark(self, server_id: str, alerts: Sequence[str]) -> None:
        """Note in the timelines that alerts have fired on the server's last sample."""
        state = self._servers.get(server_id)
        if state is not None and state.reading is not None:
            state.hour.mark(state.reading.date, alerts)
            self._unwritten.changed(server_id)

    # Out

    async def latest(self, server_id: str) -> Record | None:
        """The server's last host record, or None when it never sent a sample. Raises Unavailable."""
        await self._first.settled(server_id)
        kept = self._unwritten.latest(server_id)
        if kept is not None:
            return dict(msgspec.json.decode(kept))
        return await self._stored.get(server_id)

    async def rows(self, server_id: str, ask: Ask) -> msgspec.Raw:
        """Rows of a timeline as JSON. Raises Unavailable."""
        await self._first.settled(server_id)
        return await self.timelines.rows(server_id, ask, self._unwritten.rows(server_id))

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
        self._late.drop(server_id)
        if self._unwritten.has(server_id) or server_id in self._first:
            self._offline.add(server_id)
        else:
            self._servers.pop(server_id, None)

    async def delete(self, server_id: str) -> None:
        """Forget a deleted server's history as well. Raises Unavailable."""
        async with self._unwritten.lock:
            self.quick_monitors.forget(server_id)
            self._first.drop(server_id)
            self._late.drop(server_id)
            self._drop(server_id)
            await self.timelines.delete(server_id)

    def forget_all(self) -> None:
        """The term has ended: the next primary has the newer samples, and ours must not go over them."""
        self._servers.clear()
        self._first.forget()
        self._late.forget()
        self._unwritten.forget()
        self._offline.clear()
        self._once.clear()
        self.quick_monitors.clear()

    # Beside

    async def run(self) -> None:
        """Load what first samples need and write what was taken, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._first.run(), name="first samples")
            group.create_task(self._late.run(), name="late samples")
            group.create_task(self._unwritten.run(), name="writing of samples")

    async def finish(self) -> None:
        """The end of a term in office: write all that came, with as much patience as a stop has."""
        try:
            async with asyncio.timeout(_FINISH_SECONDS):
                await self._first.load()
        except (Unavailable, TimeoutError):
            log.warning("first samples are lost", samples=len(self._first))
        await self.flush()

    async def flush(self) -> None:
        """Write what waits now; what cannot be written waits on."""
        await self._unwritten.flush()

    # A sample

    def _take_first(self, server: Record, sample: Record, hour: OpenHour, before: Reading | None) -> None:
        server_id = str(sample["server"])
        state = self._servers[server_id] = _Server(hour, before)
        self._take(server, sample, state)
        if server_id in self._offline and not self._unwritten.has(server_id):
            self._drop(server_id)

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
        self._unwritten.sample(server_id, date, doc)
        self.taken += 1
        refresh(server, data)
        self._late.went_on(server_id)

    def _add(self, server_id: str, state: _Server, sample: Record, evaluation: Evaluation) -> None:
        """To the timelines."""
        date = sample["date"]
        if date // HOUR != state.hour.number:
            if not state.hour.empty:
                self._unwritten.closed(server_id, state.hour.documents(close=True))
            state.hour = OpenHour(date // HOUR)
        bucket = bucket_of(evaluation.values, evaluation.increases)
        state.hour.add(date, bucket, evaluation.values, fired(sample.get("new_alerts")))
        state.reading = Reading(date, evaluation.values)
        self._unwritten.changed(server_id)

    def _open_hour(self, server_id: str) -> OpenHour | None:
        state = self._servers.get(server_id)
        return state.hour if state else None

    def _standing(self, server_id: str) -> Standing | None:
        state = self._servers.get(server_id)
        return Standing(state.hour, state.accepted) if state else None

    def _was_written(self, servers: Iterable[str]) -> None:
        """Nothing more is needed of those that are offline."""
        for server_id in self._offline.intersection(servers):
            if not self._unwritten.has(server_id) and server_id not in self._first:
                self._drop(server_id)

    def _drop(self, server_id: str) -> None:
        self._servers.pop(server_id, None)
        self._unwritten.drop(server_id)
        self._offline.discard(server_id)

    def _tell(self, server_id: str, observer: Callable[..., None], *arguments: Any) -> None:
        try:
            observer(*arguments)
        except Exception:
            self._once.exception(server_id, "an observer of samples failed")
