"""The demonstration's other half: live monitors of this host, and an alert that fires and clears."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from conductor.cli.client import ApiError, Client, Json
from conductor.cli.view import View

ALERT = "demo_memory"
SECONDS = 60.0
"""How long the monitors are shown; briefly it is two samples."""

_PATIENCE = 10.0
_POLL = 0.2
_MB = 1024 * 1024

T = TypeVar("T")


async def define_alert(client: Client) -> None:
    """An alert that is true of any host, before there is one: a satellite's first sample fires it."""
    await client.call(
        "create_alert",
        id=ALERT,
        title="Memory is in use",
        expression="memory.used > (memory.total * 0.001)",
        message="{{bytes(memory.used)}} of {{bytes(memory.total)}} are in use",
        exclusive_actions=True,
    )


async def show_monitors(client: Client, server_id: str, view: View, *, brief: bool) -> None:
    """Tell why the alert fired, show the monitors for a while, and have the alert clear."""
    fired = await _within(_PATIENCE, lambda: _active(client))
    if fired is not None:
        why = {str(part["text"]): f"{part['value']}" for part in fired.get("why") or ()}
        view.alert("Alert fired", {"message": str(fired["message"]), **why})
    view.step("Watching this host")
    with view.monitors() as shown:
        await _follow(client, server_id, shown.show, samples=2 if brief else int(SECONDS))
    if fired is not None:
        await client.call("update_alert", id=ALERT, enabled=False)
        if await _within(_PATIENCE, lambda: _gone(client)):
            view.step("Alert cleared")


async def _follow(
    client: Client, server_id: str, show: Callable[[dict[str, tuple[float, str]]], None], *, samples: int
) -> None:
    """Show so many quick samples as they come in, or what comes within their time and a little."""
    deadline, last, seen = time.monotonic() + samples + _PATIENCE / 2, 0, 0
    while seen < samples and time.monotonic() < deadline:
        rows = await _quick(client, server_id)
        for row in rows if seen else rows[-1:]:
            if row.get("date", 0) > last and seen < samples:
                last, seen = row["date"], seen + 1
                show(readings(row))
        await asyncio.sleep(_POLL)


async def _quick(client: Client, server_id: str) -> list[Json]:
    """The server's quick samples; none yet of one that has not sent its first minute sample."""
    try:
        return list((await client.call("get_quickmon_data", server=server_id))["servers"].get(server_id, []))
    except ApiError:
        pass
    try:
        return list((await client.call("get_server", id=server_id)).get("quick") or [])
    except ApiError:
        return []


def readings(row: Json) -> dict[str, tuple[float, str]]:
    """A quick sample for people, computed by the conductor's quick monitors or as the satellite sent it."""
    usage = _first(row, ("_qm_cpu_usage",), ("cpu", "currentLoad"))
    load = _first(row, ("_qm_cpu_load",), ("cpu", "avgLoad"))
    used = _first(row, ("_qm_mem_used",), ("mem", "used")) / _MB
    free = _first(row, ("_qm_mem_avail",), ("mem", "available")) / _MB
    return {
        "CPU": (usage, f"{usage:.1f} %"),
        "load": (load, f"{load:.2f}"),
        "memory in use": (used, f"{used:,.0f} MB"),
        "memory available": (free, f"{free:,.0f} MB"),
    }


def _first(row: Json, *paths: tuple[str, ...]) -> float:
    for path in paths:
        value: Any = row
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, int | float):
            return float(value)
    return 0.0


async def _active(client: Client) -> Json | None:
    alerts = (await client.call("get_multiple", lists="alerts", alerts=1))["activeAlerts"]
    return next((one for one in alerts.values() if one.get("alert") == ALERT), None)


async def _gone(client: Client) -> bool:
    return await _active(client) is None


async def _within(seconds: float, look: Callable[[], Awaitable[T]]) -> T | None:
    """What `look` answers once it is true, or None after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := await look():
            return found
        await asyncio.sleep(_POLL)
    return None
