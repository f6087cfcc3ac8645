"""Parameters: merging, the endpoint's own rules, and the rules for everything that writes.

Contract api/README.md §2.1 and §11. Every failure is a BadParameter that names the key.
"""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from conductor.api.call import UploadedFile
from conductor.definitions.text import stripped_around_macros
from conductor.errors import BadParameter
from shared.schema.reserved import RESERVED_WORDS

P = TypeVar("P")
Json = dict[str, Any]

CREDENTIALS = ("api_key", "session_id", "csrf_token")
TRANSPORT = ("cachebust", "pretty", "format", "callback")
"""Keys of the query that shape the answer; in a body they are data (a plugin has a `format`)."""

_ICON = re.compile(r"[A-Za-z0-9_\-]+")
_TAG = re.compile(r"<[^<>]*>")
_TAGGED = ("notes", "label", "message")
_MISSING = re.compile(r"Object missing required field `([^`]+)`(?: - at `\$\.?(.*)`)?$", re.DOTALL)
_WRONG = re.compile(r"(Expected .*?)(?: - at `\$\.?(.*)`)?$", re.DOTALL)
_WORDS = {"int": "integer", "float": "number", "str": "string", "bool": "boolean"}
_TYPE = re.compile(r"Expected `([^`]+)`, got")


def decoder(params: type[P]) -> Callable[[Json], P]:
    """A function from raw parameters to `params`; strings are coerced where a number is declared."""

    def decode(raw: Json) -> P:
        try:
            return msgspec.convert(raw, params, strict=False)
        except msgspec.ValidationError as error:
            raise BadParameter(explained(str(error))) from None

    return decode


def explained(message: str) -> str:
    """A validation error in the API's words, naming the key."""
    if missing := _MISSING.match(message):
        key = f"{missing[2]}.{missing[1]}" if missing[2] else missing[1]
        return f"Missing parameter: {key}"
    if wrong := _WRONG.match(message):
        key = wrong[2] or "request"
        expected = _TYPE.match(message)
        if expected is None:
            return f"Malformed parameter: {key}"
        kind = expected[1].removesuffix(" | null")
        if kind == "array":
            return f"Parameter is not an array: {key}"
        return f"Parameter is not type {_WORDS.get(kind, kind)}: {key}"
    return f"Malformed parameter: {message}"


def merged(weaker: Json, stronger: Json) -> Json:
    """Both in one; never one of the two itself when both have content."""
    if not stronger:
        return weaker
    return {**weaker, **stronger} if weaker else stronger


def check_writing(params: Json) -> None:
    """The rules for all parameters of an endpoint that writes (contract §11, 1-5).

    HTML tags are removed from notes, label and message in place.
    """
    for key in params:
        if key in RESERVED_WORDS:
            raise BadParameter(f"Invalid parameter: {key} (illegal key)")
    if "id" in params:
        identifier = params["id"]
        if not isinstance(identifier, str):
            raise BadParameter("Parameter is not type string: id")
        if identifier in RESERVED_WORDS:
            raise BadParameter("Invalid parameter: id (illegal key)")
    if "title" in params:
        title = params["title"]
        if not isinstance(title, str) or "<" in title or ">" in title:
            raise BadParameter("Malformed parameter: title")
    if params.get("icon"):
        icon = params["icon"]
        if not isinstance(icon, str) or not _ICON.fullmatch(icon):
            raise BadParameter("Malformed parameter: icon")
    for key in _TAGGED:
        if params.get(key):
            params[key] = without_tags(params[key], key)


def without_tags(value: object, key: str) -> str:
    """`value` as text without `<…>`; a list or an object has no text to keep and is refused."""
    if isinstance(value, dict | list):
        raise BadParameter(f"Parameter is not type string: {key}")
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    if key == "message":
        return stripped_around_macros(text)
    return _TAG.sub("", text) if "<" in text else text


def check_files(files: list[UploadedFile], *, empty_allowed: bool) -> None:
    """Every file needs a base name that is more than dots, and content. Contract §11."""
    for file in files:
        if not file.name.strip("."):
            raise BadParameter(f"Malformed upload: the file of {file.field} has no name")
        if not file.size and not empty_allowed:
            raise BadParameter(f"Malformed upload: {file.name} is empty")
