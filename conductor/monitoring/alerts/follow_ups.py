"""What follows the firing of an alert that stays active: told after a silence, escalated, repeated, kept up to date.

`due` decides; here it is stored, with the actions it owes in the same transaction, and only then run.
"""

from collections.abc import Callable, Mapping
from typing import Any

from conductor.announcer import Signals
from conductor.audit import causes
from conductor.monitoring.alerts.active import ActiveAlerts
from conductor.monitoring.alerts.due import Due, Step, actions_of, due
from conductor.monitoring.alerts.silences import Silences
from conductor.monitoring.alerts.store import AlertStore, Owed
from conductor.signals import Activity, AlertsShifted
from shared import clock

Json = dict[str, Any]
Doc = Mapping[str, Any]

_KEPT = ("id", "hostname", "title", "ip", "groups")


class FollowUps:
    def __init__(
        self,
        store: AlertStore,
        active: ActiveAlerts,
        signals: Signals,
        silences: Silences,
        owe: Callable[[Owed], None],
    ) -> None:
        self._store = store
        self._active = active
        self._signals = signals
        self._silences = silences
        self._owe = owe

    def is_due(self, invocation: Doc, definition: Doc, server: Doc, now: float) -> bool:
        """Whether anything of an active invocation is to be done now. What is silenced waits for the end of it."""
        found = due(invocation, definition, now)
        if found is None or found.step is Step.REFRESHED:
            return found is not None
        quiet = self._silences.of(definition, server, now) is not None
        return not quiet and (found.step is Step.TOLD or self._silences.snoozed(definition, now) is None)

    async def carry_out(self, invocation_id: str, definition: Doc, server: Doc) -> None:
        """Whatever is due of an active invocation now, and nothing if nothing is. Raises Unavailable."""
        now = int(clock.now())
        invocation = self._active.get(invocation_id)
        if invocation is None or not self.is_due(invocation, definition, server, now):
            return
        found = due(invocation, definition, now)
        if found is None:
            return
        if found.step is Step.REFRESHED:
            await self._refresh(invocation, now)
            return
        if found.step is Step.TOLD and (snooze := self._silences.snoozed(definition, now)):
            await self._change(invocation, {"silenced": snooze}, None)
            return
        owed = owed_of(invocation, definition, server, found)
        told = _escalation(invocation, definition, server, found) if found.step is Step.ESCALATED else None
        await self._change(invocation, _progress(found, now), owed, told)
        if owed is not None:
            self._owe(owed)

    async def _refresh(self, invocation: Json, now: int) -> None:
        """The present message and values, for those who read the stored record."""
        present = {"last_message": invocation.get("message"), "monitor": invocation.get("monitor")}
        present = {key: value for key, value in present.items() if value is not None}

        def changed(doc: Json) -> Json | None:
            return (
                None if all(doc.get(key) == value for key, value in present.items()) else {**doc, **present}
            )

        if await self._store.change(str(invocation["id"]), changed) is not None:
            self._signals.publish(AlertsShifted(server_id=str(invocation["server"])))
        invocation["refreshed"] = now

    async def _change(
        self, invocation: Json, changes: Json, owed: Owed | None, told: Activity | None = None
    ) -> None:
        events = self._signals.events(told) if told else ()
        stored = await self._store.change(
            str(invocation["id"]), lambda doc: {**doc, **changes}, lambda doc: events, owed=owed
        )
        if stored is not None:
            invocation.update(changes)
            self._signals.publish(AlertsShifted(server_id=str(invocation["server"])))
            if told:
                self._signals.publish_logged(told)


def _escalation(invocation: Doc, definition: Doc, server: Doc, found: Due) -> Activity:
    name = server.get("title") or server.get("hostname") or invocation["server"]
    return Activity(
        action="alert_escalate",
        description=f"Alert escalated: {name}: {definition.get('title') or invocation['alert']}",
        payload={"alert": dict(invocation), "step": found.number},
        keywords=(str(invocation["id"]), str(invocation["alert"]), str(invocation["server"])),
        resource=("alert_invocation", str(invocation["id"])),
        correlation_id=causes.alerted(str(invocation["id"])),
        groups=tuple(map(str, server.get("groups") or ())),
    )


def owed_of(invocation: Doc, definition: Doc, server: Doc, found: Due) -> Owed | None:
    """The actions of a step; None while the definition is disabled."""
    if not definition.get("enabled"):
        return None
    stage = ""
    given = dict(definition)
    if found.step is Step.ESCALATED:
        stage = f"escalation-{found.number}"
        given |= {"actions": actions_of(definition, found.number), "exclusive_actions": True}
    elif found.step is Step.REPEATED:
        stage = f"repeat-{found.number}"
    return Owed(
        invocation=str(invocation["id"]),
        condition="alert_new",
        server={key: server[key] for key in _KEPT if key in server},
        definition=given,
        stage=stage,
    )


def _progress(found: Due, now: int) -> Json:
    match found.step:
        case Step.ESCALATED:
            return {"escalated": found.number}
        case Step.REPEATED:
            return {"repeats": found.number}
        case _:
            return {"told": now}
