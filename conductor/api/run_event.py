"""`run_event`: launch an event now (contract api/events.yaml, jobs.md §3.1).

In all its forms: JSON, query, flat `parent/child` keys, multipart with a `json` part and files, `post_data`,
and with `/wait` in the path. Beyond the contract: `start_delay` and `splay`, in seconds.
"""

import random
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from conductor.access.account import Account
from conductor.api.body import parse_embedded
from conductor.api.call import Call
from conductor.api.endpoint import Endpoint, Takes
from conductor.api.input_files import InputFiles, stored_inputs
from conductor.api.office import Office
from conductor.api.params import TRANSPORT, check_writing
from conductor.definitions.event_rules import check_event
from conductor.definitions.json_values import number_of, truthy
from conductor.definitions.locked import for_run
from conductor.definitions.params import check_values, complete_params, refuse_reserved
from conductor.definitions.repository import Definitions
from conductor.errors import AccessDenied, BadParameter, Refusal
from conductor.filing.inputs import checked_inputs
from conductor.jobs.compose import OVERRIDES, Order, words
from conductor.jobs.macros import RESERVED_OVERRIDE_TARGET
from shared import clock

_NESTED = re.compile(r"(\w+)/(\w+)")
_MAX_IDEMPOTENCY_KEY = 255
_MOST_DELAY = 366 * 86_400.0

_OBJECT, _ARRAY, _STRING = (dict, "object"), (list, "array"), (str, "string")
_TYPES: Mapping[str, tuple[type, str]] = {
    "params": _OBJECT, "input": _OBJECT, "workflow": _OBJECT, "workflowData": _OBJECT, "parent": _OBJECT,
    "post_data": _OBJECT, "fields": _ARRAY, "limits": _ARRAY, "actions": _ARRAY, "targets": _ARRAY, "tags": _ARRAY,
    "tickets": _ARRAY, "test_conditions": _ARRAY, "algo": _STRING, "expression": _STRING, "label": _STRING,
    "icon": _STRING, "notes": _STRING, "plugin": _STRING,
}  # fmt: skip
_WORDS = frozenset({"targets", "tags", "tickets"})
_FLAGS = frozenset({"test", "test_actions", "test_limits", "priority", "invisible", "ephemeral"})


class RunEvent(msgspec.Struct, kw_only=True):
    """`id` or `title` names the event; the rest overrides it for this job alone."""

    id: str = ""
    title: str = ""
    params: dict[str, Any] | None = None
    input: Any = None
    test: bool | int | str = False


class Started(msgspec.Struct, kw_only=True):
    id: str
    """ID of the new job."""


def endpoints(
    office: Office, definitions: Definitions, files: InputFiles | None = None
) -> tuple[Endpoint[Any], ...]:
    async def run_event(call: Call, params: RunEvent) -> Mapping[str, Any]:
        request = _unfolded(call)
        event = _event(definitions, request, call.account)
        call.account.require_category(str(event.get("category")))
        call.account.require_targets(list(event.get("targets") or ()))
        test = _truthy(request.get("test"))
        if not test:
            require_enabled(event)
        manual = _manual(event)
        if manual is None and not test:
            raise Refusal("event", f"Event has no enabled manual trigger: {event.get('title')}")
        merged = _merged(definitions, event, request, call, test=test)
        until = _until(request)
        idempotency_key = _idempotency_key(call)
        if call.files:  # last of all: nothing is stored for a call that is refused
            merged["input"] = await stored_inputs(files, call.files, merged.get("input"), call.account.name)
        order = Order(
            event=merged,
            source="key" if call.account.kind == "api_key" else "user",
            username=call.account.name,
            idempotency_key=idempotency_key,
            correlation_id=call.correlation_id,
            until=until,
            start=start_of(merged, manual or {}),
        )
        if "wait" in call.path_rest.split("/"):
            return {"job": await office.engine.launch_and_wait(order, call.actor)}
        return {"id": await office.engine.launch(order, call.actor)}

    return (
        Endpoint(
            name="run_event",
            handler=run_event,
            params=RunEvent,
            result=Started,
            summary="Run an event now, with overrides for this job; /wait answers when the job has ended.",
            privilege="run_jobs",
            takes=Takes.BODY_WINS,
            mutates=True,
        ),
    )


def _unfolded(call: Call) -> dict[str, Any]:
    """The request with a `json` parameter laid over it and `parent/child` keys nested."""
    request = dict(call.params)
    if _truthy(call.query.get("post_data")):
        request = {key: value for key, value in call.query.items() if key not in TRANSPORT}
        request["post_data"] = call.body
    text = request.pop("json", None)
    if isinstance(text, str):
        more = parse_embedded(text)
        check_writing(more)
        request.update(more)
    for key in list(request):
        nested = _NESTED.fullmatch(key)
        if nested:
            parent = request.setdefault(nested[1], {})
            if isinstance(parent, dict):
                parent[nested[2]] = request.pop(key)
    return request


def _event(definitions: Definitions, request: Mapping[str, Any], account: Account) -> dict[str, Any]:
    """By ID, else by title: of several events with one title the first that the caller may run."""
    event_id, title = request.get("id"), request.get("title")
    if event_id:
        event = definitions.get("events", str(event_id))
        if event is None:
            raise Refusal("event", f"Event not found: {event_id}")
        return event
    if not title:
        raise Refusal("event", "Missing event id or title.")
    found = [event for event in definitions.all("events") if event.get("title") == title]
    if not found:
        raise Refusal("event", f"Event not found: {title}")
    return next((event for event in found if account.sees_event(event)), found[0])


def require_enabled(event: Mapping[str, Any]) -> None:
    if not truthy(event.get("enabled")):
        raise Refusal("event", f"Event is disabled: {event.get('title')}")


def _manual(event: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The first enabled manual trigger."""
    for one in event.get("triggers") or ():
        if one.get("type") == "manual" and truthy(one.get("enabled")):
            return dict(one)
    return None


def start_of(event: Mapping[str, Any], trigger: Mapping[str, Any]) -> str:
    """Where a workflow starts: where the caller says, else at the trigger."""
    workflow = event.get("workflow")
    chosen = workflow.get("start") if isinstance(workflow, dict) else ""
    return str(chosen or trigger.get("id") or "")


def _until(request: Mapping[str, Any]) -> float:
    """The moment before which the job must not start: after `start_delay`, and somewhere in `splay` then."""
    seconds = 0.0
    for key in ("start_delay", "splay"):
        value = request.get(key)
        if value in (None, ""):
            continue
        given = number_of(value)
        if given is None or not 0 <= given <= _MOST_DELAY:
            raise BadParameter(f"Malformed parameter: {key} (must be seconds, at most a year)")
        seconds += given if key == "start_delay" else random.uniform(0, given)  # noqa: S311 - spreads load
    return clock.now() + seconds if seconds else 0.0


def _merged(
    definitions: Definitions, event: dict[str, Any], request: Mapping[str, Any], call: Call, *, test: bool
) -> dict[str, Any]:
    """The event with the caller's allowed overrides, validated as a whole."""
    overrides = checked_overrides(request)
    if not test:
        for flag in ("test", "test_actions", "test_limits"):
            overrides.pop(flag, None)
    given = overrides.pop("params", {})
    merged = {**event, **overrides}
    params = complete_params(given, event.get("params") or {}, merged.get("fields"))
    if not call.account.admin:
        plugin = definitions.get("plugins", str(merged.get("plugin")))
        kept = event if merged.get("plugin") == event.get("plugin") else {**event, "params": {}}
        params = for_run(params, kept, plugin)
    merged["params"] = params
    refuse_reserved(params, "Event")
    if targets := params.get(RESERVED_OVERRIDE_TARGET):
        call.account.require_added_targets(words(targets), event.get("targets") or ())
    if "targets" in overrides:
        call.account.require_added_targets(overrides["targets"], event.get("targets") or ())
    if "plugin" in overrides and not call.account.may("edit_events"):
        raise AccessDenied("Only those who may edit events can run one with another plugin.")
    if overrides:
        check_event(merged, definitions)
    else:  # the stored event is valid: only this run's parameters are new
        plugin = definitions.get("plugins", str(merged.get("plugin")))
        check_values(merged["params"], plugin.get("params") if plugin else None, "Event Plugin")
    check_values(merged["params"], merged.get("fields"), "Event")
    return merged


def checked_overrides(request: Mapping[str, Any]) -> dict[str, Any]:
    """What the caller may set, with values of the right type: a wrong one must not become a broken job.

    Null counts as not given. Raises BadParameter.
    """
    overrides: dict[str, Any] = {}
    for key in OVERRIDES & request.keys():
        value = request[key]
        if value is None:
            continue
        if key in _FLAGS:
            value = _truthy(value)
        elif key in _WORDS and isinstance(value, str):
            value = words(value)
        elif key == "now":
            value = _time(value)
        elif (expected := _TYPES.get(key)) and not isinstance(value, expected[0]):
            raise BadParameter(f"Malformed parameter: {key} (must be {expected[1]})")
        if key in _WORDS and not all(isinstance(word, str) for word in value):
            raise BadParameter(f"Malformed parameter: {key} (must be array of strings)")
        overrides[key] = value
    if "input" in overrides:
        _check_input(overrides["input"])
    return overrides


def _time(value: Any) -> float:
    time = number_of(value)
    if time is None or time < 0:
        raise BadParameter("Malformed parameter: now (must be a time in seconds)")
    return time


def _check_input(given: dict[str, Any]) -> None:
    if not isinstance(given.get("data", {}), dict) or not isinstance(given.get("files", []), list):
        raise BadParameter("Malformed parameter: input (data must be object, files must be array)")
    if given.get("files"):
        given["files"] = checked_inputs(given["files"])


def _idempotency_key(call: Call) -> str:
    key: str = call.request.headers.get("Idempotency-Key", "")
    if len(key) > _MAX_IDEMPOTENCY_KEY:
        raise BadParameter(f"Malformed header: Idempotency-Key (over {_MAX_IDEMPOTENCY_KEY} characters)")
    if not (key.isascii() and key.isprintable()):
        raise BadParameter("Malformed header: Idempotency-Key (only printable ASCII)")
    return f"{call.account.kind}:{call.account.name}:{key}" if key else ""


def _truthy(value: Any) -> bool:
    return value not in (None, False, 0, "", "0", "false")
