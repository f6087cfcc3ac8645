"""Names and texts of definitions: IDs, titles, icons, notes, and checks of single parameters.

Follows contract api/README.md §11 and structures/common.yaml. Every failure is a BadParameter.
"""

import re
from collections.abc import Mapping
from typing import Any

from conductor.definitions.json_values import Json, text_of, truthy, type_name, whole
from conductor.errors import BadParameter
from shared.schema.reserved import RESERVED_WORDS

ID = re.compile(r"[a-z0-9_]+")
WORD = re.compile(r"\w+", re.ASCII)
NOT_BLANK = re.compile(r".*\S.*", re.DOTALL)

_ICON = re.compile(r"[\w\-]+", re.ASCII)
_LONGEST_ID = 128  # the width of the SQL column
_STRIPPED = ("notes", "label", "message")
_MACRO = re.compile(r"(\{\{[^\n\r\u2028\u2029]+?\}\})")
_PLACEHOLDER = "\ue000"
_NUMBERED = re.compile(rf"{_PLACEHOLDER}(\d+){_PLACEHOLDER}", re.ASCII)
_SHOWN = 80  # characters of a client's value that an error text repeats


def shown(value: Any) -> str:
    """A client's value as an error text may repeat it: short, on one line."""
    text = " ".join(text_of(value).split())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def stripped(text: str) -> str:
    """`text` without every run from a `<` to the next `>`."""
    if "<" not in text or ">" not in text:
        return text
    kept: list[str] = []
    place = 0
    while (start := text.find("<", place)) >= 0:
        end = text.find(">", start)
        if end < 0:
            break
        kept.append(text[place:start])
        place = end + 1
    kept.append(text[place:])
    return "".join(kept)


def stripped_around_macros(text: str) -> str:
    """As `stripped`, but what is inside `{{ … }}` stays: a comparison there is no markup.

    A tag that has a macro in it goes with the macro.
    """
    if "{{" not in text:
        return stripped(text)
    pieces = _MACRO.split(text)  # texts at even places, macros at odd ones
    if _PLACEHOLDER in text:
        return stripped(text)
    numbered = "".join(
        piece if place % 2 == 0 else f"{_PLACEHOLDER}{place}{_PLACEHOLDER}"
        for place, piece in enumerate(pieces)
    )
    return _NUMBERED.sub(lambda match: pieces[int(match[1])], stripped(numbered))


def has_markup(value: Any) -> bool:
    return isinstance(value, str) and ("<" in value or ">" in value)


def is_word(value: Any) -> bool:
    return isinstance(value, str) and WORD.fullmatch(value) is not None


def is_text(value: Any) -> bool:
    """A string with something to read in it and no HTML characters."""
    return isinstance(value, str) and bool(value.strip()) and not has_markup(value)


def is_icon(value: Any) -> bool:
    return isinstance(value, str) and (not value or _ICON.fullmatch(value) is not None)


def check_id(value: Any) -> str:
    """The ID of a definition as a client sends it: `^[a-z0-9_]+$`, not reserved."""
    if value is None:
        raise BadParameter("Missing parameter: id")
    if not isinstance(value, str):
        raise BadParameter(f"Invalid ID parameter: {shown(value)} (not a string)")
    if value in RESERVED_WORDS:
        raise BadParameter(f"Invalid ID parameter: {value} (reserved word)")
    if not ID.fullmatch(value) or len(value) > _LONGEST_ID:
        raise BadParameter("Malformed parameter: id")
    return value


def check_record(record: Mapping[str, Any]) -> Json:
    """A shallow copy of a request with notes, label and message stripped of HTML (§11, rules 1-5)."""
    copy: Json = {}
    for key, value in record.items():
        if key in RESERVED_WORDS:
            raise BadParameter(f"Invalid parameter: {key} (illegal key)")
        copy[key] = value
    if "title" in copy:
        if not isinstance(copy["title"], str):
            raise BadParameter("Malformed title parameter: Not a string")
        if has_markup(copy["title"]):
            raise BadParameter("Malformed title parameter: Cannot contain HTML metacharacters")
    icon = copy.get("icon")
    if icon is not None and not isinstance(icon, str):
        raise BadParameter("Malformed icon parameter: Not a string")
    if not is_icon(icon or ""):
        raise BadParameter("Malformed icon parameter: Contains illegal characters")
    for key in _STRIPPED:
        if truthy(copy.get(key)):
            strip = stripped_around_macros if key == "message" else stripped
            copy[key] = strip(text_of(copy[key]))
    return copy


def require(record: Mapping[str, Any], key: str, pattern: re.Pattern[str]) -> None:
    """`key` is there and its text form matches the whole of `pattern`."""
    if key not in record:
        raise BadParameter(f"Missing parameter: {key}")
    if not pattern.fullmatch(text_of(record[key])):
        raise BadParameter(f"Malformed parameter: {key}")


def require_text(record: Mapping[str, Any], key: str) -> None:
    """`key` is a string that is not blank."""
    require(record, key, NOT_BLANK)
    if not isinstance(record[key], str):
        raise BadParameter(f"Parameter is not type string: {key}")


def check_types(record: Mapping[str, Any], types: Mapping[str, str]) -> None:
    """Optional keys that are sent have the type named for them (`array`, or a type name); null passes."""
    for key, expected in types.items():
        value = record.get(key)
        if value is None:
            continue
        if expected == "array":
            fits = isinstance(value, list)
        elif expected == "object":
            fits = isinstance(value, dict)
        else:
            fits = type_name(value) == expected
        if not fits:
            raise BadParameter(f"Malformed parameter type: {key} ({expected})")


def check_strings(record: Mapping[str, Any], *keys: str) -> None:
    """Optional keys that are sent hold arrays of non-empty strings; null passes."""
    for key in keys:
        value = record.get(key)
        if value is None:
            continue
        if not isinstance(value, list):
            raise BadParameter(f"Parameter is not an array: {key}")
        for item in value:
            if not isinstance(item, str) or not item:
                raise BadParameter(
                    f"Malformed parameter: {key} (must hold IDs, not {shown(item) or 'nothing'})"
                )


def check_flags(record: Mapping[str, Any], *keys: str) -> None:
    """Optional keys that are sent are booleans, or numbers as older clients send them; null passes."""
    for key in keys:
        value = record.get(key)
        if value is not None and not isinstance(value, (bool, int, float)):
            raise BadParameter(f"Malformed parameter type: {key} (boolean)")


def check_whole(record: Mapping[str, Any], key: str, least: int, most: int | None = None) -> None:
    """An optional key that is sent is a whole number from `least` to `most`; null passes."""
    value = record.get(key)
    if value is None:
        return
    number = whole(value)
    if number is None or number < least or (most is not None and number > most):
        limits = f"at least {least}" if most is None else f"{least} to {most}"
        raise BadParameter(f"Malformed parameter: {key} (must be a whole number, {limits})")
