"""The states of all alerts on all servers, and which of them SQL does not know yet."""

from collections.abc import Iterable, Mapping

from conductor.errors import Unavailable
from conductor.monitoring.alerts.evaluation import AlertState
from conductor.monitoring.alerts.store import AlertStore

_NONE: Mapping[str, AlertState] = {}


class Board:
    """States by server, then alert; no state: it counts 0."""

    def __init__(self) -> None:
        self._states: dict[str, dict[str, AlertState]] = {}
        self._unsaved: set[tuple[str, str]] = set()

    def of_server(self, server_id: str) -> Mapping[str, AlertState]:
        return self._states.get(server_id, _NONE)

    def get(self, server_id: str, alert_id: str) -> AlertState | None:
        return self.of_server(server_id).get(alert_id)

    def every(self) -> list[AlertState]:
        return [state for own in self._states.values() for state in own.values()]

    @property
    def servers(self) -> list[str]:
        """Those with any state."""
        return list(self._states)

    def load(self, states: Iterable[AlertState], unsaved: Iterable[tuple[str, str]]) -> None:
        """As they are stored but for `unsaved`."""
        self.clear()
        for state in states:
            self._states.setdefault(state.server, {})[state.alert] = state
        self._unsaved.update(unsaved)

    def exchange(
        self, server_id: str, before: Mapping[str, AlertState], after: Mapping[str, AlertState]
    ) -> None:
        """Put `after` in place of `before`; the server's other states stay."""
        kept = self.of_server(server_id)
        merged = {key: state for key, state in kept.items() if key not in before} | dict(after)
        for alert_id in kept.keys() | merged.keys():
            if kept.get(alert_id) is not merged.get(alert_id):
                self._unsaved.add((server_id, alert_id))
        if merged:
            self._states[server_id] = merged
        else:
            self._states.pop(server_id, None)

    def drop(self, state: AlertState) -> None:
        self.exchange(state.server, {state.alert: state}, {})

    def clear(self) -> None:
        self._states.clear()
        self._unsaved.clear()

    async def save(self, store: AlertStore) -> None:
        """Write what has changed, all together. Raises Unavailable: it is written the next time."""
        unsaved, self._unsaved = self._unsaved, set()
        states: list[AlertState] = []
        gone: list[tuple[str, str]] = []
        for server_id, alert_id in unsaved:
            state = self.get(server_id, alert_id)
            if state is None:
                gone.append((server_id, alert_id))
            else:
                states.append(state)
        try:
            await store.save(states, gone)
        except Unavailable:
            self._unsaved |= unsaved
            raise
