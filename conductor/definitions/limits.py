"""Rules for `limits[]` of events and categories (contract api/README.md §11.1, structures/limit.yaml)."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from conductor.definitions.json_values import is_number, truthy
from conductor.errors import BadParameter

CONDITIONS = frozenset(
    ["start", "complete", "continue", "success", "error", "user", "warning", "critical", "abort"]
)
_NAME = re.compile(r"\w{1,64}", re.ASCII)
_EXTENSIONS = re.compile(r"[\w\s\-.,]*", re.ASCII)

Limit = Mapping[str, Any]
Fault = str | None
Check = Callable[[Limit], Fault]


def _needed(key: str, what: str) -> Check:
    def check(limit: Limit) -> Fault:
        value = limit.get(key)
        if not is_number(value):
            return f"Invalid {what} (not a number)"
        return None if value > 0 else f"Invalid {what} (must be a positive number)"

    return check


def _optional(key: str, what: str) -> Check:
    def check(limit: Limit) -> Fault:
        value = limit.get(key)
        return f"Invalid {what} (not a number)" if truthy(value) and not is_number(value) else None

    return check


def _extensions(limit: Limit) -> Fault:
    accept = limit.get("accept")
    if not truthy(accept) or (isinstance(accept, str) and _EXTENSIONS.fullmatch(accept)):
        return None
    return "Invalid file type list"


def _condition(limit: Limit) -> Fault:
    condition = limit.get("condition")
    known = isinstance(condition, str) and condition in CONDITIONS
    return None if known else "Invalid condition (unknown)"


def _shared(limit: Limit) -> Fault:
    name = limit.get("shared")
    if not truthy(name) or (isinstance(name, str) and _NAME.fullmatch(name)):
        return None
    return "Invalid name of a shared queue"


_CHECKS: Mapping[str, tuple[Check, ...]] = {
    "mem": (_needed("amount", "memory amount"), _optional("duration", "memory duration")),
    "cpu": (_needed("amount", "CPU amount"), _optional("duration", "CPU duration")),
    "log": (_needed("amount", "max log size"),),
    "time": (_needed("duration", "time limit"),),
    "job": (_needed("amount", "max jobs"), _optional("weight", "job weight"), _shared),
    "retry": (_optional("amount", "max retries"), _optional("duration", "retry delay")),
    "queue": (_optional("amount", "max queue"),),
    "file": (_optional("amount", "max files"), _optional("size", "max file size"), _extensions),
    "day": (_condition, _optional("amount", "max condition count")),
    "tag": (_optional("amount", "max tags"),),
}


def fault_of(limit: Any) -> Fault:
    """What is wrong with one limit, or None."""
    if not isinstance(limit, dict):
        return "Not an object"
    if "enabled" not in limit:
        return "Missing enabled flag"
    checks = _CHECKS.get(limit["type"]) if isinstance(limit.get("type"), str) else None
    if checks is None:
        return "Unknown type"
    return next((fault for check in checks if (fault := check(limit))), None)


def check_limits(limits: Any) -> None:
    """Raise BadParameter unless `limits` is an array of limits that agree with each other."""
    if not isinstance(limits, list):
        raise BadParameter("Malformed event parameter: limits (must be array)")
    for number, limit in enumerate(limits, 1):
        if fault := fault_of(limit):
            raise BadParameter(f"Malformed limit entry #{number}: {fault}")
    # A queue drains as job slots become free, so without a job limit nothing would ever leave it.
    queues = any(_on(limit, "queue") and truthy(limit.get("amount")) for limit in limits)
    if queues and not any(_on(limit, "job") for limit in limits):
        raise BadParameter("Limit Configuration: A queue limit needs an enabled job limit beside it.")


def _on(limit: Limit, type_: str) -> bool:
    return limit["type"] == type_ and truthy(limit["enabled"])
