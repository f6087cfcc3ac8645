"""Secrets: who gets them (contract api/secrets.yaml, structures/secret.yaml). Their values are in the vault."""

import re
from collections.abc import Mapping
from typing import Any

from conductor.definitions.json_values import Json
from conductor.definitions.kind import Context, Kind
from conductor.definitions.text import check_flags, check_strings, check_types, require_text, shown
from conductor.errors import BadParameter, Refusal
from shared.schema.reserved import RESERVED_WORDS

ASSIGNED_TO = ("events", "categories", "plugins", "web_hooks")
"""The lists of IDs to which a secret is given; each is the name of a kind."""

_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def check_fields(fields: Any) -> list[str]:
    """The names of the variables, in order. Raises a Refusal unless each has a name of its own and a text.

    Names are those that an environment and a template can hold.
    """
    if not isinstance(fields, list):
        raise BadParameter("Parameter is not an array: fields")
    names: list[str] = []
    for field in fields:
        if not isinstance(field, dict):
            raise BadParameter("Malformed parameter: fields (each must be an object with name and value)")
        name, value = field.get("name"), field.get("value")
        if not isinstance(name, str) or name in RESERVED_WORDS or not _NAME.fullmatch(name):
            raise Refusal("secret", f"Invalid secret variable name: {shown(name)}")
        if name in names:
            raise Refusal("secret", f"Duplicate secret variable name: {name}")
        if not isinstance(value, str):
            raise BadParameter(f"Malformed parameter: fields (the value of {name} must be a string)")
        if "\0" in value:
            raise BadParameter(f"Malformed parameter: fields (the value of {name} holds a NUL character)")
        names.append(name)
    return names


def _prepare(doc: Json, context: Context) -> Mapping[str, Any]:
    require_text(doc, "title")
    if doc.get("enabled") is None:
        doc["enabled"] = True
    for key in ("icon", "notes"):
        if doc.get(key) is None:
            doc[key] = ""
    for key in ("fields", *ASSIGNED_TO):
        if doc.get(key) is None:
            doc[key] = []
    doc["names"] = _named(doc)
    _check(doc, {}, context)
    return {}


def _revise(stored: Json, changes: Json, context: Context) -> None:
    if "title" in changes:
        require_text(changes, "title")
    for key in ASSIGNED_TO:
        if key in changes and changes[key] is None:
            changes[key] = []
    if "fields" in changes:
        changes["names"] = _named(changes)
    _check(changes, stored, context)


def _named(doc: Json) -> list[str]:
    """The variables' names; of each variable only name and value are kept."""
    names = check_fields(doc["fields"])
    doc["fields"] = [{"name": field["name"], "value": field["value"]} for field in doc["fields"]]
    return names


def _check(doc: Json, stored: Json, context: Context) -> None:
    check_flags(doc, "enabled")
    check_types(doc, {"expires": "number"})
    check_strings(doc, *ASSIGNED_TO)
    for kind in ASSIGNED_TO:
        known = stored.get(kind) or ()
        for id in doc.get(kind) or ():
            # Whoever made something of that ID later would be given the secret.
            if id not in known and context.library.get(kind, id) is None:
                raise Refusal("secret", f"Secret is assigned to unknown ID in {kind}: {shown(id)}")


SECRETS = Kind(
    plural="secrets",
    singular="secret",
    prefix="z",
    code="secret",
    never_stored=frozenset(("names",)),
    apart=frozenset(("fields",)),
    prepare=_prepare,
    revise=_revise,
)
