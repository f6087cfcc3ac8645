"""Which servers were heard of, as what, and when they sent their last sample."""

from collections.abc import Iterable, Mapping
from typing import Any

from shared import clock
from shared.clock import Seconds

Json = dict[str, Any]


class Presence:
    def __init__(self) -> None:
        self._known: dict[str, Json] = {}
        self._heard: dict[str, tuple[float, float]] = {}
        """When each server sent its last sample: monotonic, wall."""
        self._loaded = 0.0

    def load(self, servers: Iterable[Json], others: Iterable[str]) -> None:
        """A term begins: everybody counts as heard just now. `others` have left no record."""
        self.clear()
        self._loaded = now = clock.monotonic()
        for record in servers:
            server_id = str(record["id"])
            self._known[server_id] = record
            self._heard[server_id] = (now, float(record.get("modified") or 0))
        for server_id in others:
            self._heard.setdefault(server_id, (now, clock.now()))

    def heard(self, server: Mapping[str, Any], now: float) -> None:
        """It sent a sample."""
        server_id = str(server["id"])
        self._known[server_id] = dict(server)
        self._heard[server_id] = (clock.monotonic(), now)

    def changed(self, server: Mapping[str, Any]) -> None:
        server_id = str(server.get("id", ""))
        if server_id in self._known:
            self._known[server_id] = dict(server)

    def record(self, server_id: str) -> Json:
        """The last one; of a server that has none its ID."""
        return self._known.get(server_id) or {"id": server_id}

    def records(self) -> list[tuple[str, Json]]:
        return list(self._known.items())

    def silence(self, server_id: str) -> Seconds:
        """Since its last sample."""
        return clock.monotonic() - self._heard.get(server_id, (0.0, 0.0))[0]

    def last_sample(self, server_id: str) -> float:
        """Unix time."""
        return self._heard.get(server_id, (0.0, clock.now()))[1]

    @property
    def lasts(self) -> Seconds:
        """How long this term has listened."""
        return clock.monotonic() - self._loaded

    def forget(self, server_id: str) -> None:
        self._known.pop(server_id, None)
        self._heard.pop(server_id, None)

    def clear(self) -> None:
        self._known.clear()
        self._heard.clear()
