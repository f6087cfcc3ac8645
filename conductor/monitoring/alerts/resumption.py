"""What a term goes on with, out of what the last one left behind wherever it broke off. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from conductor.monitoring.alerts.evaluation import AlertState

Json = dict[str, Any]
Key = tuple[str, str]


class Resumed(NamedTuple):
    states: list[AlertState]
    active: list[Json]
    unsaved: list[Key]
    """Keys (server, alert) whose stored state is not what it is here."""


def resumed(
    states: Iterable[AlertState],
    active: Collection[Json],
    stored: Mapping[str, Json],
    top: Callable[[str], int],
) -> Resumed:
    """`active`: the stored invocations that are; `stored`: those of fired states by ID; `top`: full counts.

    A state goes on in its invocation. It died before the invocation was stored: it fires at the next true
    sample. After it had cleared: it is forgotten. An active invocation that no state knows (of an older
    version, imported, or of one that died between two writes) gets a state and clears when it should.
    """
    left = {_key(invocation): invocation for invocation in active}
    kept: dict[Key, AlertState] = {}
    unsaved: list[Key] = []
    for state in states:
        key = (state.server, state.alert)
        invocation = left.get(key)
        if invocation is not None and invocation["id"] == state.id:
            now = msgspec.structs.replace(state, notified=True, stale=False)
        elif invocation is not None:
            continue
        elif not state.notified:
            now = state
        elif state.id not in stored:
            now = msgspec.structs.replace(state, notified=False)
        elif stored[state.id].get("stale"):
            now = msgspec.structs.replace(state, stale=True)
        else:
            unsaved.append(key)
            continue
        kept[key] = now
        if now != state:
            unsaved.append(key)
    for key, invocation in left.items():
        if key not in kept:
            kept[key] = _adopted(invocation, top(key[1]))
            unsaved.append(key)
    return Resumed(list(kept.values()), list(left.values()), unsaved)


def _adopted(invocation: Json, count: int) -> AlertState:
    server, alert = _key(invocation)
    date = invocation.get("date")
    return AlertState(
        id=str(invocation["id"]),
        server=server,
        alert=alert,
        date=int(date) if isinstance(date, int | float) else 0,
        exp=str(invocation.get("exp") or ""),
        message=str(invocation.get("message") or ""),
        count=count,
        notified=True,
    )


def _key(invocation: Json) -> Key:
    return str(invocation.get("server", "")), str(invocation.get("alert", ""))
