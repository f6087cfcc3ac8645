"""What an alert's state on a server has come to, and how it is carried out: stored first, then told and acted on.

Contract alerts.md §3 and §4. Each method raises Unavailable, and may be called again.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

from conductor.announcer import Signals
from conductor.audit import causes
from conductor.monitoring.alerts.active import ActiveAlerts
from conductor.monitoring.alerts.evaluation import AlertState
from conductor.monitoring.alerts.follow_ups import FollowUps
from conductor.monitoring.alerts.ports import ServerJobs, with_parents
from conductor.monitoring.alerts.silence import kept_from
from conductor.monitoring.alerts.silences import Silences
from conductor.monitoring.alerts.store import MOST_JOBS, AlertStore, Owed
from conductor.signals import Activity, AlertCleared, AlertFired, AlertsShifted, EventRow
from shared import clock, faults

Json = dict[str, Any]


class Turn(StrEnum):
    FIRED = "alert_new"
    CLEARED = "alert_cleared"
    SILENT = "stale"
    BACK = "back"
    GONE = "gone"
    """The definition is deleted: nobody is told but browsers."""
    DUE = "due"
    """It stays active, and something is due of it."""


class Transition(NamedTuple):
    turn: Turn
    state: AlertState
    server: Mapping[str, Any]
    definition: Mapping[str, Any]
    date: int
    why: tuple[Mapping[str, Any], ...] = ()
    acts: bool = True
    """Its actions run, unless alerts are snoozed."""
    despite_snooze: bool = False


class Transitions:
    """Carries transitions out. Those of one alert on one server come one after the other."""

    def __init__(
        self,
        store: AlertStore,
        active: ActiveAlerts,
        signals: Signals,
        jobs: ServerJobs,
        silences: Silences,
        follow_ups: FollowUps,
        owe: Callable[[Owed], None],
    ) -> None:
        self._store = store
        self._active = active
        self._signals = signals
        self._jobs = jobs
        self._silences = silences
        self._owe = owe
        self._follow_ups = follow_ups

    async def carry_out(self, one: Transition) -> None:
        match one.turn:
            case Turn.FIRED:
                await self._fire(one)
            case Turn.CLEARED:
                await self._clear(one)
            case Turn.SILENT:
                await self._fall_silent(one)
            case Turn.BACK:
                await self._come_back(one)
            case Turn.DUE:
                await self._follow_ups.carry_out(one.state.id, one.definition, one.server)
            case Turn.GONE:
                await self._store.save((), [(one.state.server, one.state.alert)])
                self._active.drop(one.state.server, one.state.alert)
                self._signals.publish(AlertsShifted(server_id=one.state.server))

    async def _fire(self, one: Transition) -> None:
        state = one.state
        running = list(self._jobs.running_on(state.server))
        related = [*running, *self._parents(running)]
        tickets = [str(id) for job in related for id in job.get("tickets") or ()]
        invocation: Json = {
            "id": state.id,
            "active": True,
            "alert": state.alert,
            "server": state.server,
            "groups": list(one.server.get("groups") or ()),
            "date": state.date,
            "modified": one.date,
            "exp": state.exp,
            "message": state.message,
            "count": one.definition.get("samples") or state.count,
            "notified": True,
            "jobs": with_parents(running)[-MOST_JOBS:],
            "tickets": list(dict.fromkeys(tickets)),
            "actions": [],
            "why": list(one.why),
        }
        invocation["fired"] = one.date
        if one.definition.get("severity"):
            invocation["severity"] = one.definition["severity"]
        if measured := measured_of(state, one.definition):
            invocation["monitor"] = measured
        self._silences.fired(state.server, one.definition, one.date)
        silence = self._silence(one)
        invocation |= {"silenced": silence} if silence else {"told": one.date}
        owed = None if silence else self._owed(one)
        fired = AlertFired(invocation=dict(invocation), definition=one.definition, server=one.server)
        await self._store.fire(invocation, state, owed, self._signals.events(fired))
        faults.reach("conductor.alert_fired")
        self._active.put(invocation)
        self._signals.publish_logged(fired)
        if one.definition.get("abort_jobs"):
            for job in running:
                self._jobs.abort(str(job["id"]), f"Alert Fired: {one.definition.get('title', '')}")
        if owed is not None:
            self._owe(owed)

    async def _clear(self, one: Transition) -> None:
        state = one.state
        before = self._active.get(state.id) or await self._store.get(state.id) or {}
        silence = self._silence(one)
        owed = None if silence or kept_from(before) else self._owed(one)
        changes: Json = {
            "active": False,
            "stale": None,
            "modified": one.date,
            "last_message": state.message,
        }
        if measured := measured_of(state, one.definition):
            changes["monitor"] = measured
        if silence and not before.get("silenced"):
            changes["silenced"] = silence
        drop = self._store.drop_state(state.server, state.alert)

        def cleared(stored: Mapping[str, Any]) -> AlertCleared:
            return AlertCleared(
                invocation=stored,
                definition=one.definition,
                server=one.server,
                correlation_id=causes.alerted(state.id),
            )

        invocation = await self._store.end(
            state.id, changes, (drop,), owed, lambda stored: self._signals.events(cleared(stored))
        )
        self._active.drop(state.server, state.alert)
        if invocation is None:  # deleted by hand
            self._signals.publish(AlertsShifted(server_id=state.server))
            return
        self._signals.publish_logged(cleared(invocation))
        if owed is not None:
            self._owe(owed)

    async def _fall_silent(self, one: Transition) -> None:
        state = one.state
        changes = {"active": False, "stale": True, "modified": one.date}
        noted = partial(_noted, "alert_stale", "Lost contact, alert is stale", one)
        invocation = await self._store.end(
            state.id, changes, (self._store.put_state(state),), None, self._events(noted)
        )
        self._active.drop(state.server, state.alert)
        self._signals.publish(AlertsShifted(server_id=state.server))
        if invocation is not None:
            self._signals.publish_logged(noted(invocation))

    async def _come_back(self, one: Transition) -> None:
        state = one.state
        changes = {"active": True, "stale": None, "modified": one.date}
        noted = partial(_noted, "alert_resume", "Alert goes on", one)
        invocation = await self._store.end(
            state.id, changes, (self._store.put_state(state),), None, self._events(noted)
        )
        if invocation is not None:
            self._active.put(invocation)
            self._signals.publish(AlertsShifted(server_id=state.server))
            self._signals.publish_logged(noted(invocation))

    def _events(
        self, noted: Callable[[Mapping[str, Any]], Activity]
    ) -> Callable[[Mapping[str, Any]], Sequence[EventRow]]:
        return lambda stored: self._signals.events(noted(stored))

    def _parents(self, jobs: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        own = {str(job["id"]) for job in jobs}
        found = (self._jobs.get(id) for id in with_parents(jobs) if id not in own)
        return [job for job in found if job is not None]

    def _silence(self, one: Transition) -> Json | None:
        """Why nobody is told of it now; what comes of the definition itself is told to nobody anyway."""
        if not one.acts:
            return None
        now = clock.now()
        snooze = None if one.despite_snooze else self._silences.snoozed(one.definition, now)
        return self._silences.of(one.definition, {**one.server, "id": one.state.server}, now) or snooze

    def _owed(self, one: Transition) -> Owed | None:
        if not one.acts or not one.definition.get("enabled"):
            return None
        kept = ("id", "hostname", "title", "ip", "groups")
        return Owed(
            invocation=one.state.id,
            condition=one.turn.value,
            server={key: one.server[key] for key in kept if key in one.server},
            definition=dict(one.definition),
        )


def measured_of(state: AlertState, definition: Mapping[str, Any]) -> Json | None:
    """What the alert's monitor has been since the first true sample."""
    if state.values is None:
        return None
    values = state.values
    return {
        "id": definition.get("monitor_id", ""),
        "first": values.first,
        "last": values.last,
        "min": values.least,
        "max": values.most,
    }


def _noted(action: str, words: str, one: Transition, invocation: Mapping[str, Any]) -> Activity:
    """For the logs alone: it neither fires nor clears."""
    name = one.server.get("title") or one.server.get("hostname") or one.state.server
    return Activity(
        action=action,
        description=f"{words}: {name}: {one.definition.get('title') or one.state.alert}",
        payload={"alert": dict(invocation), "server": one.state.server},
        keywords=(one.state.id, one.state.alert, one.state.server),
        resource=("alert_invocation", one.state.id),
        correlation_id=causes.alerted(one.state.id),
        causation_id=causes.alerted(one.state.id),
        groups=tuple(map(str, invocation.get("groups") or ())),
    )
