"""Messages of Cronicle's plugins, which carry no `xy` (contract satellite_agent.md §5.8, compat.md §1.6). Pure."""

from collections.abc import Mapping
from typing import Any

_KEYS = frozenset(
    {
        "progress", "complete", "code", "description", "perf", "update_event", "table", "html", "files",
        "data", "tags", "push",
    }
)  # fmt: skip
_OTHERS = frozenset({"chain", "chain_params", "chain_error", "chain_data", "notify_success", "notify_fail"})


def translated(message: Mapping[str, Any]) -> dict[str, Any] | None:
    """The same as a message of today's; None for an object that is none of either."""
    if message.keys().isdisjoint(_KEYS | _OTHERS):
        return None
    found = {key: value for key, value in message.items() if key in _KEYS - {"tags", "push"}}
    pushed = message.get("push")
    push: dict[str, Any] = dict(pushed) if isinstance(pushed, dict) else {}
    if isinstance(message.get("tags"), list):
        push["tags"] = [*_list(push.get("tags")), *message["tags"]]
    if actions := _actions(message):
        push["actions"] = [*_list(push.get("actions")), *actions]
    if push:
        found["push"] = push
    if isinstance(message.get("chain_data"), dict):
        given = found.get("data")
        found["data"] = {**(given if isinstance(given, dict) else {}), **message["chain_data"]}
    return {"xy": 1, **found}


def _actions(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    actions: list[dict[str, Any]] = []
    for key, condition in (("chain", "success"), ("chain_error", "error")):
        if isinstance(message.get(key), str) and message[key]:
            action = {"enabled": True, "condition": condition, "type": "run_event", "event_id": message[key]}
            if key == "chain" and isinstance(message.get("chain_params"), dict):
                action["params"] = message["chain_params"]
            actions.append(action)
    for key, condition in (("notify_success", "success"), ("notify_fail", "error")):
        if isinstance(message.get(key), str) and message[key]:
            actions.append(
                {"enabled": True, "condition": condition, "type": "email", "email": message[key], "users": []}
            )
    return actions


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
