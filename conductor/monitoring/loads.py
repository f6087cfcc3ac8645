"""What servers were busy with when they were last heard of: what placement compares (contract jobs.md §7).

A satellite that comes back knows its processors and not their load, and for up to a minute nothing would be known
of it: jobs would go there because it was gone. So the last sample of a term counts until the next one comes, whatever
its age; of a server that has sent none in this term its record counts.
"""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

_KEPT = {"cpu": ("avgLoad", "cores"), "memory": ("active", "total")}
"""A sample has some hundred KB, of which placement reads these."""
MOST = 20_000
"""Servers remembered; beyond it those that were heard of longest ago are forgotten."""


class Loads:
    """Observes samples. Fills the port `conductor.jobs.ports.ServerLoad`."""

    def __init__(self) -> None:
        self._latest: dict[str, Json] = {}

    def sampled(self, server: Mapping[str, Any], sample: Json, now: float, /) -> None:
        """Keep what placement reads of a minute sample."""
        server_id, data = str(server["id"]), sample["data"]
        kept: Json = {"date": now, "monitors": data["monitors"], "deltas": data["deltas"]}
        for part, names in _KEPT.items():
            found = data.get(part)
            if isinstance(found, dict):
                kept[part] = {name: found[name] for name in names if name in found}
        self._latest.pop(server_id, None)
        self._latest[server_id] = kept
        if len(self._latest) > MOST:
            del self._latest[next(iter(self._latest))]

    def latest(self, server_id: str) -> Mapping[str, Any] | None:
        """`date` (Unix time), `monitors`, `deltas` and, as far as they were measured, `cpu` and `memory`."""
        return self._latest.get(server_id)

    def forget(self) -> None:
        """The term has ended: somebody else hears of the servers."""
        self._latest.clear()
