"""The active alerts, as browsers, placement, snapshots and notices ask for them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Json = dict[str, Any]
Definition = Callable[[str], Mapping[str, Any] | None]


class ActiveAlerts:
    """Invocations that are active, by key `<server>-<alert>`; each is stored. Callers change none of them."""

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._by_key: dict[str, Json] = {}
        self._by_server: dict[str, dict[str, Json]] = {}
        self._keys: dict[str, str] = {}

    # Answers

    def all(self) -> Mapping[str, Json]:
        return self._by_key

    def of_server(self, server_id: str) -> list[Json]:
        return list(self._by_server.get(server_id, {}).values())

    def of_group(self, group_id: str) -> list[Json]:
        """Those whose server was in the group when they fired."""
        return [one for one in self._by_key.values() if group_id in (one.get("groups") or ())]

    def of_alert(self, alert_id: str) -> list[Json]:
        return [one for one in self._by_key.values() if one.get("alert") == alert_id]

    def limiting(self, server_id: str) -> list[str]:
        """Titles of the server's active alerts whose definition now has `limit_jobs` (alerts.md §7)."""
        own = self._by_server.get(server_id)
        if not own:
            return []
        definitions = (self._definition(alert_id) for alert_id in own)
        return [str(one.get("title") or one["id"]) for one in definitions if one and one.get("limit_jobs")]

    def get(self, invocation_id: str) -> Json | None:
        key = self._keys.get(invocation_id)
        return self._by_key.get(key) if key else None

    def at(self, server_id: str, alert_id: str) -> Json | None:
        return self._by_server.get(server_id, {}).get(alert_id)

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[Json]:
        return iter(list(self._by_key.values()))

    # Changes

    def put(self, invocation: Json) -> None:
        server_id, alert_id = str(invocation["server"]), str(invocation["alert"])
        key = key_of(server_id, alert_id)
        self._by_key[key] = invocation
        self._by_server.setdefault(server_id, {})[alert_id] = invocation
        self._keys[str(invocation["id"])] = key

    def drop(self, server_id: str, alert_id: str) -> None:
        invocation = self._by_key.pop(key_of(server_id, alert_id), None)
        if invocation is None:
            return
        self._keys.pop(str(invocation["id"]), None)
        own = self._by_server[server_id]
        del own[alert_id]
        if not own:
            del self._by_server[server_id]

    def clear(self) -> None:
        self._by_key.clear()
        self._by_server.clear()
        self._keys.clear()


def key_of(server_id: str, alert_id: str) -> str:
    return f"{server_id}-{alert_id}"
