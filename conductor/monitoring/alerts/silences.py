"""Which alerts tell nobody now: asks the definitions, the cluster's state and how often each has fired lately."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from conductor.definitions.repository import Definitions
from conductor.definitions.state import GlobalState
from conductor.monitoring.alerts import silence
from conductor.monitoring.alerts.store import AlertStore

Json = dict[str, Any]
Doc = Mapping[str, Any]

_MOST_FIRINGS = 1_000
"""Of one alert on one server: a limit beyond it is none."""


class Silences:
    """`load` when a term begins; `fired` is told of each firing."""

    def __init__(self, store: AlertStore, definitions: Definitions) -> None:
        self._store = store
        self._definitions = definitions
        self._firings: dict[tuple[str, str], deque[float]] = {}

    async def load(self, now: float) -> None:
        """How often alerts that may flap have fired before this term. Raises Unavailable."""
        self._firings.clear()
        for definition in self._definitions.all("alerts"):
            if not definition.get("flap_limit"):
                continue
            since = now - silence.flap_seconds(definition)
            for invocation in await self._store.fired_since(str(definition["id"]), since):
                at = invocation.get("fired") or invocation.get("date")
                if isinstance(at, int | float):
                    self.fired(str(invocation.get("server")), definition, at)

    def forget(self) -> None:
        self._firings.clear()

    def fired(self, server_id: str, definition: Doc, at: float) -> None:
        if definition.get("flap_limit"):
            key = (server_id, str(definition["id"]))
            own = self._firings.setdefault(key, deque(maxlen=_MOST_FIRINGS))
            if at not in own:  # a firing that was carried out again counts once
                own.append(at)

    def sweep(self, now: float) -> None:
        """Drop what no limit looks at any more."""
        for key, own in list(self._firings.items()):
            definition = self._definitions.get("alerts", key[1])
            if definition is None or own[-1] <= now - silence.flap_seconds(definition):
                del self._firings[key]

    def firings(self, server_id: str, alert_id: str) -> list[float]:
        """When it has fired lately, oldest first; empty for an alert without a limit."""
        return list(self._firings.get((server_id, alert_id), ()))

    def of(self, definition: Doc, server: Doc, now: float) -> Json | None:
        """Why nobody is told of this alert on this server now, snoozes aside; the longest of the reasons."""
        alert_id, server_id = str(definition.get("id")), str(server.get("id"))
        groups = server.get("groups") or ()
        found = [
            silence.window_over(self._windows(), alert_id, server_id, groups, now),
            silence.flapping(definition, self.firings(server_id, alert_id), now),
        ]
        return max((one for one in found if one), key=lambda one: one["until"], default=None)

    def snoozed(self, definition: Doc, now: float) -> Json | None:
        state: GlobalState = self._definitions.state
        return silence.snoozed(definition, state.get("global").get("alert_snooze"), now)

    def _windows(self) -> list[Json]:
        return list(self._definitions.all("maintenance_windows"))
