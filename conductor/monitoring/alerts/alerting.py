"""Feeds samples to the alerts of their server and sees to what comes of it. One for each conductor.

`sampled` decides at once and in memory; what fired or cleared is stored by `run`, in order for each alert on
each server, and only then told, limiting jobs and acting. States are written a few times a minute, all
together: after an unclean end an alert goes on counting where it was some seconds before, in the same
invocation.
"""

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import msgspec
import structlog

from conductor.announcer import Signals
from conductor.definitions.repository import Definitions
from conductor.errors import Unavailable
from conductor.monitoring.alerts.active import ActiveAlerts
from conductor.monitoring.alerts.board import Board
from conductor.monitoring.alerts.context import NAMES, Contexts, Recent
from conductor.monitoring.alerts.evaluation import AlertState, Outcome, evaluate
from conductor.monitoring.alerts.follow_ups import FollowUps
from conductor.monitoring.alerts.history import History
from conductor.monitoring.alerts.owing import Owing
from conductor.monitoring.alerts.ports import NoSamples, Samples, ServerJobs, Servers
from conductor.monitoring.alerts.presence import Presence
from conductor.monitoring.alerts.related import Related
from conductor.monitoring.alerts.resumption import resumed
from conductor.monitoring.alerts.rules import OFFLINE, Rule, Rules
from conductor.monitoring.alerts.silences import Silences
from conductor.monitoring.alerts.store import AlertStore
from conductor.monitoring.alerts.transitions import Transition, Transitions, Turn, measured_of
from conductor.monitoring.alerts.turns import Turns
from conductor.signals import DefinitionChanged, JobStarted, ServerRemoved, Signal, TicketChanged
from shared import clock, ids
from shared.expressions import ExpressionError
from shared.expressions.explain import explain, names_of

Json = dict[str, Any]

STALE_SECONDS = 90.0
"""An alert whose server has sent nothing for so long is neither active nor cleared."""

_SAVE_SECONDS = 10.0
_LOOK_SECONDS = 1.0
_SWEEPS = 6
"""Looks for silent servers within the time after which one counts as silent."""
_MINUTE = 60

log = structlog.get_logger(__name__)


class Alerting:
    """`load` when a term begins, then `run` beside it; `forget` at its end. `sampled` is the sample observer."""

    def __init__(
        self,
        store: AlertStore,
        active: ActiveAlerts,
        definitions: Definitions,
        signals: Signals,
        servers: Servers,
        jobs: ServerJobs,
        *,
        stale_seconds: float = STALE_SECONDS,
    ) -> None:
        self.active = active
        self.samples: Samples = NoSamples()
        """Where the last sample of a silent server is."""
        self.rules = Rules(definitions)
        self.history = History()
        self.owing = Owing(store, active, self._enabled, servers.record, signals.events)
        self.silences = Silences(store, definitions)
        self._related = Related(store, active)
        self._follow_ups = FollowUps(store, active, signals, self.silences, self.owing.add)
        self._turns = Turns(
            Transitions(store, active, signals, jobs, self.silences, self._follow_ups, self.owing.add)
        )
        self._due: set[str] = set()
        """Invocations of which something is under way."""
        self._store = store
        self._definitions = definitions
        self._servers = servers
        self._stale_seconds = stale_seconds
        self._sweep_seconds = max(_LOOK_SECONDS, stale_seconds / _SWEEPS)
        self._open = False
        self._full = False
        self._board = Board()
        self._recent = Recent()
        self._contexts = Contexts(
            self._recent, lambda: servers.online, lambda server_id: self.samples.recent(server_id)
        )
        self._presence = Presence()
        self._version = -1

    # A term

    async def load(self, servers: Iterable[Json]) -> None:
        """States, active alerts and owed actions as the last term left them; `servers`: every known record."""
        self.forget()
        states, active = await self._store.states(), await self._store.active()
        stored = await self._store.get_many(state.id for state in states if state.notified)
        found = resumed(states, active, stored, self._top)
        self._board.load(found.states, found.unsaved)
        for invocation in found.active:
            self.active.put(invocation)
        self._presence.load(servers, self._board.servers)
        await self.owing.load()
        await self.silences.load(clock.now())
        self._open = True

    def forget(self) -> None:
        """The term has ended."""
        self._open = False
        self._due.clear()
        self._contexts.forget()
        self.silences.forget()
        self._board.clear()
        self._presence.clear()
        self._turns.clear()
        self._version = -1
        self.active.clear()
        self.history.clear()
        self.owing.forget()

    async def run(self) -> None:
        """Until cancelled. Raises Deposed, in a group."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._turns.run(), name="alerts that changed")
            group.create_task(self._keep(), name="states of alerts")
            group.create_task(self._watch(), name="watch over alerts")
            group.create_task(self.owing.run(), name="actions of alerts")

    async def flush(self) -> None:
        """Write what waits; at the orderly end of a term."""
        await self._board.save(self._store)

    # Samples

    def sampled(self, server: Mapping[str, Any], sample: Json, now: float, /) -> None:
        """Take one accepted minute sample: the host record, whose `data` has `monitors` and `deltas`.

        What fires is set in its `new_alerts`. Never waits.
        """
        if not self._open or not self._turns.has_room():
            return
        self._follow_definitions()
        server_id, data = str(server["id"]), sample["data"]
        self._presence.heard(server, now)
        rules = self.rules.of(server.get("groups") or ())
        if self.rules.reads:
            self._recent.add(server_id, int(now), data.get("monitors") or {})
        data = self._beside(server_id, rules, data, now)
        fired = self._evaluate(rules, self._board.of_server(server_id), server, data, int(now))
        if fired:
            sample["new_alerts"] = {**(sample.get("new_alerts") or {}), **dict.fromkeys(fired, True)}

    def _evaluate(
        self,
        rules: tuple[Rule, ...],
        states: Mapping[str, AlertState],
        server: Mapping[str, Any],
        data: Mapping[str, Any],
        now: int,
    ) -> list[str]:
        server_id = str(server["id"])
        outcome = evaluate(rules, states, data, server_id=server_id, now=now, new_id=_new_id)
        self.history.add(server_id, now, rules, outcome.results)
        if outcome.states is states:
            return []
        self._board.exchange(server_id, states, outcome.states)
        self._refresh(outcome, now)
        for turn, turned in (
            (Turn.FIRED, outcome.fired),
            (Turn.CLEARED, outcome.cleared),
            (Turn.BACK, outcome.resumed),
        ):
            for state in turned:
                why = _why(state.exp, data) if turn is Turn.FIRED else ()
                self._turns.put(self._transition(turn, state, server, now, why=why))
        return [state.alert for state in outcome.fired]

    def _refresh(self, outcome: Outcome, now: int) -> None:
        """Active invocations carry the present message; what is stored has that of the firing."""
        for state in outcome.states.values():
            if state.notified and (invocation := self.active.at(state.server, state.alert)):
                invocation.update(message=state.message, modified=now, count=state.count)
                if measured := measured_of(state, self._definitions.get("alerts", state.alert) or {}):
                    invocation["monitor"] = measured

    def _transition(
        self,
        turn: Turn,
        state: AlertState,
        server: Mapping[str, Any],
        now: int,
        *,
        why: tuple[Mapping[str, Any], ...] = (),
        acts: bool = True,
        despite_snooze: bool = False,
    ) -> Transition:
        definition = self._definitions.get("alerts", state.alert) or {"id": state.alert}
        return Transition(turn, state, dict(server), definition, now, why, acts, despite_snooze)

    def _beside(
        self, server_id: str, rules: Iterable[Rule], data: Json, now: float, *, offline: int = 0
    ) -> Json:
        """The sample with what rules read beside it."""
        names: set[str] = set()
        for rule in rules:
            names |= rule.reads
            if rule.reads_offline:
                data = {**data, OFFLINE: offline}
        return {**data, **self._contexts.of(server_id, names, now)} if names else data

    # What others ask for

    def context(self, server_id: str, expression: str, data: Json) -> Json:
        """What an expression would read of this sample now. Raises ExpressionError."""
        beside = self._contexts.of(server_id, names_of(expression) & NAMES, clock.now())
        return {**data, OFFLINE: 0, **beside}

    async def clear(self, alert_id: str, *, job_id: str = "") -> None:
        """Clear an active invocation early (alerts.md §4): its server online, its definition there; else nothing.

        Returns when it is cleared. If its condition holds on, it fires anew after its warm-up.
        """
        invocation = self.active.get(alert_id)
        if invocation is None:
            return
        server_id, definition_id = str(invocation["server"]), str(invocation["alert"])
        server = self._servers.online.get(server_id)
        state = self._board.get(server_id, definition_id)
        if server is None or state is None or self._definitions.get("alerts", definition_id) is None:
            return
        self._board.drop(state)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        now = int(clock.now())
        self._turns.put(self._transition(Turn.CLEARED, state, server, now, despite_snooze=True), done)
        await done

    def state_of(self, server_id: str, alert_id: str) -> AlertState | None:
        return self._board.get(server_id, alert_id)

    def forget_server(self, server_id: str) -> None:
        """The server is deleted: its alerts are over, without anything being told or run."""
        for state in list(self._board.of_server(server_id).values()):
            self._board.drop(state)
            if state.notified:
                server = self._presence.record(server_id)
                self._turns.put(self._transition(Turn.CLEARED, state, server, int(clock.now()), acts=False))
        self._recent.forget(server_id)
        self._presence.forget(server_id)
        self.history.forget(server_id)

    async def observe(self, signal: Signal) -> None:
        """Jobs that start on a server join its active alerts; deleted tickets leave them."""
        match signal:
            case JobStarted():
                await self._related.job_started(signal.server_id, signal.job_id)
            case ServerRemoved():
                self._presence.changed(signal.server)
            case TicketChanged(verb="delete"):
                self._related.ticket_deleted(signal.ticket)
            case DefinitionChanged(kind="alerts"):
                self._follow_definitions()
            case DefinitionChanged(kind="maintenance_windows"):
                self.follow_up()

    def _enabled(self, alert_id: str) -> bool:
        return bool((self._definitions.get("alerts", alert_id) or {}).get("enabled"))

    # Tasks of the term

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(_SAVE_SECONDS)
            try:
                await self._board.save(self._store)
            except Unavailable as error:
                log.warning("states of alerts wait for the database", error=str(error))

    async def _watch(self) -> None:
        """Definitions that are gone or disabled, and servers that are silent."""
        swept = clock.monotonic()
        while True:
            self._follow_definitions()
            await asyncio.sleep(_LOOK_SECONDS)
            if clock.monotonic() - swept >= self._sweep_seconds:
                swept = clock.monotonic()
                self.sweep()
                self.follow_up()
                await self.look_at_silent()

    def _follow_definitions(self) -> None:
        """What is disabled clears at once, without actions; what is deleted is gone at once."""
        version = self.rules.version
        if not self._open or version == self._version:
            return
        self._version = version
        now = int(clock.now())
        for state in self._board.every():
            if self.rules.get(state.alert) is not None:
                continue
            self._board.drop(state)
            if not state.notified:
                continue
            server = self._presence.record(state.server)
            gone = self._definitions.get("alerts", state.alert) is None
            self._turns.put(
                self._transition(Turn.GONE if gone else Turn.CLEARED, state, server, now, acts=False)
            )

    def sweep(self) -> None:
        """Alerts of servers that sent nothing lately go stale; what was only warming up is forgotten."""
        for server_id in self._board.servers:
            if self._presence.silence(server_id) < self._stale_seconds:
                continue
            server = self._presence.record(server_id)
            for state in list(self._board.of_server(server_id).values()):
                rule = self.rules.get(state.alert)
                if state.stale or (rule is not None and rule.reads_offline):
                    continue
                if not state.notified:
                    self._board.drop(state)
                    continue
                silent = msgspec.structs.replace(state, stale=True)
                self._board.exchange(server_id, {state.alert: state}, {state.alert: silent})
                self._turns.put(self._transition(Turn.SILENT, silent, server, int(clock.now())))

    def follow_up(self) -> None:
        """What is due of alerts that stay active: told after a silence, escalated, repeated."""
        now = clock.now()
        self.silences.sweep(now)
        for invocation in self.active:
            id, server_id, alert_id = (str(invocation[key]) for key in ("id", "server", "alert"))
            definition = self._definitions.get("alerts", alert_id)
            state = self._board.get(server_id, alert_id)
            server = self._presence.record(server_id)
            if definition is None or state is None or id in self._due:
                continue
            if not self._follow_ups.is_due(invocation, definition, server, now):
                continue
            if not self._turns.has_room():
                return
            self._due.add(id)
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            done.add_done_callback(partial(self._followed, id))
            self._turns.put(self._transition(Turn.DUE, state, server, int(now)), done)

    def _followed(self, id: str, done: "asyncio.Future[None]") -> None:
        self._due.discard(id)
        if not done.cancelled():
            done.exception()  # the term has ended: the next one looks again

    async def look_at_silent(self) -> None:
        """Evaluate the rules that read `offline` on servers that are gone, each at most once a minute.

        Their context is the server's last sample. For a while after a take-over nobody counts as gone.
        """
        now = clock.now()
        if not self.rules.reading_offline() or self._presence.lasts < self._stale_seconds:
            return
        for server_id, server in self._presence.records():
            if self._presence.silence(server_id) < self._stale_seconds or server_id in self._servers.online:
                continue
            rules = tuple(rule for rule in self.rules.of(server.get("groups") or ()) if rule.reads_offline)
            if not rules or now - self.history.last(server_id) < _MINUTE or not self._turns.has_room():
                continue
            try:
                sample = await self.samples.latest(server_id) or {}
            except Unavailable:
                return
            own = self._board.of_server(server_id)
            states = {rule.id: own[rule.id] for rule in rules if rule.id in own}
            offline = int(now - self._presence.last_sample(server_id))
            data = self._beside(server_id, rules, sample.get("data") or {}, now, offline=offline)
            self._evaluate(rules, states, server, data, int(now))

    # Inside

    def _top(self, alert_id: str) -> int:
        rule = self.rules.get(alert_id)
        return rule.clear_samples if rule else 1


def _why(text: str, data: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    try:
        return tuple(part.as_dict() for part in explain(text, data))
    except ExpressionError:
        return ()


def _new_id() -> str:
    return ids.short_id("a")
