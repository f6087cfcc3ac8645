"""Outgoing web hooks (contract api/web_hooks.yaml, structures/web_hook.yaml)."""

import re
from collections.abc import Mapping
from typing import Any

from conductor.definitions.compiled import check_template
from conductor.definitions.json_values import Json, is_number, truthy
from conductor.definitions.kind import Context, Kind
from conductor.definitions.text import WORD, check_flags, check_whole, require, require_text
from conductor.errors import BadParameter, Refusal

MOST_RETRIES = 100
LONGEST_TIMEOUT = 86_400
"""Seconds."""

_CODE = "web_hook"
_URL = re.compile(r"(?:https?://|\{\{)[^\r\n]*", re.IGNORECASE)
_HEADER_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_DEFAULTS: Mapping[str, Any] = {
    "enabled": True,
    "body": "",
    "timeout": 30,
    "retries": 0,
    "follow": False,
    "ssl_cert_bypass": False,
    "max_per_day": 0,
    "notes": "",
    "icon": "",
}


def check_web_hook(hook: Json) -> None:
    """Raise a Refusal unless the properties that are there are valid; for hooks that are not saved, too."""
    if "title" in hook:
        require_text(hook, "title")
    if "method" in hook:
        require(hook, "method", WORD)
    if "url" in hook:
        require(hook, "url", _URL)
        check_template(hook["url"], _CODE, "url")
    check_flags(hook, "enabled", "follow", "ssl_cert_bypass")
    check_whole(hook, "retries", 0, MOST_RETRIES)
    check_whole(hook, "max_per_day", 0)
    timeout = hook.get("timeout")
    if timeout is not None and not (is_number(timeout) and 0 <= timeout <= LONGEST_TIMEOUT):
        raise BadParameter(f"Malformed parameter: timeout (seconds, up to {LONGEST_TIMEOUT})")
    body = hook.get("body")
    if body is not None and not isinstance(body, str):
        raise BadParameter("Malformed parameter type: body (string)")
    check_template(body or "", _CODE, "body")
    if hook.get("headers") is not None:
        _check_headers(hook["headers"])


def _check_headers(headers: Any) -> None:
    if not isinstance(headers, list):
        raise Refusal(_CODE, "Web Hook headers must be an array.")
    for number, header in enumerate(headers, 1):
        prefix = f"Malformed Web Hook header #{number}"
        if not isinstance(header, dict):
            raise Refusal(_CODE, f"{prefix}: Not an object")
        name, value = header.get("name"), header.get("value")
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise Refusal(_CODE, f"{prefix}: Invalid name")
        if not isinstance(value, str) or "\r" in value or "\n" in value:
            raise Refusal(_CODE, f"{prefix}: Invalid value")
        check_template(value, _CODE, f"header {name}")


def _prepare(doc: Json, context: Context) -> Mapping[str, Any]:
    require_text(doc, "title")
    for key in ("method", "url"):
        require_text(doc, key)
    for key, value in _DEFAULTS.items():
        if doc.get(key) is None:
            doc[key] = value
    if not truthy(doc["timeout"]):
        doc["timeout"] = _DEFAULTS["timeout"]
    check_web_hook(doc)
    return {}


def _revise(stored: Json, changes: Json, context: Context) -> None:
    for key in ("method", "url"):
        if key in changes:
            require_text(changes, key)
    check_web_hook(changes)


WEB_HOOKS = Kind(
    plural="web_hooks",
    singular="web_hook",
    prefix="w",
    code=_CODE,
    privilege="web_hooks",
    locks_on_delete=("secrets",),
    prepare=_prepare,
    revise=_revise,
)
