"""Rules for `actions[]` of events, categories, groups and alerts.

Contract api/README.md §11.2 and structures/action.yaml. Whether a web hook, channel or bucket exists is
asked when the action runs, since they may come and go; `actions/references.py` lists those that are not there.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from conductor.definitions.json_values import Json, truthy
from conductor.definitions.kind import Library
from conductor.definitions.params import check_values, refuse_reserved
from conductor.definitions.text import has_markup, is_word, shown
from conductor.errors import BadParameter

TICKET_TYPES = frozenset(["issue", "feature", "release", "change", "maintenance", "question", "other"])
BUCKET_SYNCS = frozenset(("data", "files", "data_and_files"))
MOST_ESCALATIONS = 20
MOST_MINUTES = 366 * 24 * 60
_CONDITION = re.compile(
    r"start|complete|success|warning|error|user|critical|abort|tag:\w+|alert_new|alert_cleared", re.ASCII
)

Action = Json
Check = Callable[[Action, Library, str], None]


def check_actions(actions: Any, library: Library, name: str = "actions") -> None:
    """Raise BadParameter unless `actions` (the property `name`) is an array of valid actions."""
    if not isinstance(actions, list):
        raise BadParameter(f"Malformed event parameter: {name} (must be array)")
    for number, action in enumerate(actions, 1):
        prefix = f"Malformed action entry #{number}"
        if not isinstance(action, dict):
            raise BadParameter(f"{prefix}: Not an object")
        if "enabled" not in action:
            raise BadParameter(f"{prefix}: Missing enabled flag")
        condition = action.get("condition")
        if not isinstance(condition, str) or not _CONDITION.fullmatch(condition):
            raise BadParameter(f"{prefix}: Invalid condition")
        type_ = action.get("type")
        check = _CHECKS.get(type_) if isinstance(type_, str) else None
        if check is None:
            raise BadParameter(f"{prefix}: Unknown type")
        check(action, library, prefix)


def check_escalations(steps: Any, library: Library) -> None:
    """Raise BadParameter unless an alert's `escalations` is absent or a list of `{after: minutes, actions}`.

    The actions of a step need no condition: it is theirs.
    """
    if steps is None:
        return
    if not isinstance(steps, list) or len(steps) > MOST_ESCALATIONS:
        raise BadParameter(f"Malformed parameter: escalations (an array of at most {MOST_ESCALATIONS} steps)")
    for number, step in enumerate(steps, 1):
        prefix = f"Malformed escalation #{number}"
        if not isinstance(step, dict) or not isinstance(step.get("actions"), list):
            raise BadParameter(f"{prefix}: must be an object with actions")
        minutes = step.get("after")
        if isinstance(minutes, bool) or not isinstance(minutes, int) or not 1 <= minutes <= MOST_MINUTES:
            raise BadParameter(f"{prefix}: after must be a whole number of minutes, 1 to {MOST_MINUTES}")
        check_actions(
            [
                {**action, "condition": "alert_new"} if isinstance(action, dict) else action
                for action in step["actions"]
            ],
            library,
            f"escalations[{number - 1}].actions",
        )


def _free(action: Action, library: Library, prefix: str) -> None: ...


def _email(action: Action, library: Library, prefix: str) -> None:
    users, email = action.get("users"), action.get("email")
    if users is not None and not isinstance(users, list):
        raise BadParameter(f"{prefix}: Invalid user list.")
    if truthy(email) and not isinstance(email, str):
        raise BadParameter(f"{prefix}: Invalid email address.")
    if not users and not email:
        raise BadParameter(f"{prefix}: No email addresses provided.")


def _run_event(action: Action, library: Library, prefix: str) -> None:
    event_id = action.get("event_id")
    if not is_word(event_id):
        raise BadParameter(f"{prefix}: Invalid Event ID.")
    event = library.get("events", str(event_id))
    if event is None:
        raise BadParameter(f"{prefix}: Event not found: {event_id}")
    params = action.get("params")
    if params is None:
        return
    if not isinstance(params, dict):
        raise BadParameter(f"{prefix}: Invalid params (must be object)")
    refuse_reserved(params, prefix)
    check_values(params, event.get("fields"), prefix)


def _store(action: Action, library: Library, prefix: str) -> None:
    if not is_word(action.get("bucket_id")):
        raise BadParameter(f"{prefix}: Invalid Bucket ID.")
    sync = action.get("bucket_sync")
    if not isinstance(sync, str) or sync not in BUCKET_SYNCS:
        raise BadParameter(f"{prefix}: Invalid Bucket sync type.")


def _ticket(action: Action, library: Library, prefix: str) -> None:
    type_, due = action.get("ticket_type"), action.get("ticket_due")
    if not isinstance(type_, str) or type_ not in TICKET_TYPES:
        raise BadParameter(f"{prefix}: Invalid Ticket type.")
    if not isinstance(action.get("ticket_assignees"), list):
        raise BadParameter(f"{prefix}: Invalid Ticket assignees.")
    if not isinstance(action.get("ticket_tags"), list):
        raise BadParameter(f"{prefix}: Invalid Ticket tag list.")
    if truthy(due) and (isinstance(due, bool) or not isinstance(due, (int, float, str))):
        raise BadParameter(f"{prefix}: Invalid Ticket due type.")


def _tag(action: Action, library: Library, prefix: str) -> None:
    if not isinstance(action.get("tags"), list):
        raise BadParameter(f"{prefix}: Invalid tag list.")
    if not action["tags"]:
        raise BadParameter(f"{prefix}: No tags selected.")


def _label(action: Action, library: Library, prefix: str) -> None:
    label = action.get("label")
    if not isinstance(label, str):
        raise BadParameter(f"{prefix}: Invalid label.")
    if has_markup(label):
        raise BadParameter(f"{prefix}: Label contains invalid characters.")
    if not label.strip():
        raise BadParameter(f"{prefix}: No label specified.")


def _plugin(action: Action, library: Library, prefix: str) -> None:
    plugin_id, params = action.get("plugin_id"), action.get("params")
    if not is_word(plugin_id):
        raise BadParameter(f"{prefix}: Invalid Plugin ID.")
    plugin = library.get("plugins", str(plugin_id))
    if plugin is None or plugin.get("type") != "action":
        raise BadParameter(f"{prefix}: Plugin not found: {shown(plugin_id)}")
    if params is not None and not isinstance(params, dict):
        raise BadParameter(f"{prefix}: Invalid params (must be object)")
    refuse_reserved(params or {}, prefix)
    check_values(params or {}, plugin.get("params"), prefix)


def _word(key: str, what: str) -> Check:
    def check(action: Action, library: Library, prefix: str) -> None:
        if not is_word(action.get(key)):
            raise BadParameter(f"{prefix}: Invalid {what} ID.")

    return check


_CHECKS: Mapping[str, Check] = {
    "email": _email,
    "web_hook": _word("web_hook", "Web Hook"),
    "run_event": _run_event,
    "channel": _word("channel_id", "Channel"),
    "store": _store,
    "fetch": _store,
    "ticket": _ticket,
    "tag": _tag,
    "label": _label,
    "plugin": _plugin,
    "snapshot": _free,
    "suspend": _free,
    "disable": _free,
    "delete": _free,
}
