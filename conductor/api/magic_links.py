"""Magic links: finding the trigger of a key, and what a stranger with a link may give (contract scheduler.md §14)."""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from conductor.definitions.json_values import is_number, truthy
from conductor.definitions.locked import for_run
from conductor.definitions.params import (
    OVERRIDE_PREFIX,
    check_values,
    complete_params,
    definitions_of,
    refuse_reserved,
)
from conductor.definitions.repository import Definitions
from conductor.definitions.triggers import magic_token
from conductor.errors import BadParameter, Refusal
from conductor.jobs import limits
from shared import clock
from shared.protocol.tokens import matches

_PATH = re.compile(r"/([\w\-]{1,512})(/wait)?/?", re.ASCII)
_MINUTE = 60.0
_MOST_COUNTED = 10_000


class Link(NamedTuple):
    """What a key opens."""

    key: str
    event: dict[str, Any]
    trigger: Mapping[str, Any]


class MagicLinks:
    """Looks at events with magic triggers alone, however many others there are."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._version = -1
        self._events: list[dict[str, Any]] = []
        self._uses: dict[str, deque[float]] = {}

    def find(self, rest: str) -> tuple[Link, bool]:
        """The link of a path's rest, and whether it ends with /wait.

        Raises Refusal: `api` without a key that opens something, `event` for a disabled event.
        """
        path = _PATH.fullmatch(rest)
        if path is None:
            raise BadParameter("Malformed URL.")
        key = path[1]
        for event in self._with_magic():
            token = magic_token(key, str(event["id"]))
            for trigger in event["triggers"]:
                if _is_open(trigger) and matches(str(trigger["token"]), token):
                    if not truthy(event.get("enabled")):
                        raise Refusal("event", f"Event is disabled: {event.get('title')}")
                    return Link(key, event, trigger), bool(path[2])
        raise BadParameter("Authentication failed.")

    def use(self, link: Link) -> None:
        """Count a launch by this link. Raises Refusal (`rate`) beyond the trigger's `max_per_min`."""
        most = link.trigger.get("max_per_min")
        if not is_number(most) or most <= 0:
            return
        now = clock.monotonic()
        if len(self._uses) >= _MOST_COUNTED:
            self._uses = {token: uses for token, uses in self._uses.items() if uses[-1] > now - _MINUTE}
        uses = self._uses.setdefault(str(link.trigger["token"]), deque())
        while uses and uses[0] <= now - _MINUTE:
            uses.popleft()
        if len(uses) >= most:
            raise Refusal("rate", f"This link may be used {most:g} times a minute.")
        uses.append(now)

    def _with_magic(self) -> list[dict[str, Any]]:
        version = self._definitions.version("events")
        if version != self._version:
            self._events = [event for event in self._definitions.all("events") if _has_magic(event)]
            self._version = version
        return self._events


def params_of(link: Link, given: Mapping[str, Any], plugin: Mapping[str, Any] | None) -> dict[str, Any]:
    """The job's parameters from what a stranger gave. Raises BadParameter.

    Locked ones and hidden fields have the event's values. What overrides a property of the job must be one of
    the event's own fields: its author has offered it.
    """
    event = link.event
    refuse_reserved(given, "Magic")
    offered = {field["id"] for field in definitions_of(event.get("fields"))}
    for key in given:
        if key.startswith(OVERRIDE_PREFIX) and key not in offered:
            raise BadParameter(f"Magic: Invalid parameter ID: {key} (reserved)")
    params = for_run(complete_params(given, event.get("params") or {}, event.get("fields")), event, plugin)
    check_values(params, plugin.get("params") if plugin else None, "Plugin")
    check_values(params, event.get("fields"), "Event")
    return params


def check_uploads(event: Mapping[str, Any], sizes: Sequence[int]) -> None:
    """The event's file limit. Raises Refusal (`event`)."""
    limit = limits.first(event, "file")
    if limit is None or not sizes:
        return
    if limit.get("amount") is not None:
        most = int(limits.amount(limit))
        if most <= 0:
            raise Refusal("event", "File uploads are disabled for this event.")
        if len(sizes) > most:
            raise Refusal("event", f"Too many files: at most {most} may be uploaded.")
    size = limits.number(limit.get("size"))
    if size > 0 and sum(sizes) > size:
        raise Refusal("event", f"Files are too large: at most {size:g} bytes in total.")


def _has_magic(event: Mapping[str, Any]) -> bool:
    triggers = event.get("triggers")
    return isinstance(triggers, list) and any(
        isinstance(one, dict) and one.get("type") == "magic" and one.get("token") for one in triggers
    )


def _is_open(trigger: Any) -> bool:
    if not isinstance(trigger, dict) or trigger.get("type") != "magic" or not trigger.get("token"):
        return False
    expires = trigger.get("expires")
    return truthy(trigger.get("enabled")) and not (is_number(expires) and 0 < expires <= clock.now())
