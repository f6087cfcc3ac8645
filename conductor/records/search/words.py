"""The words of a value, the same for what is stored and what is asked (contract search.md §3.3).

Case and accents do not matter. Letters of other scripts are kept as they are, where the contract's
original turns them into ASCII or loses them.
"""

import html
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import msgspec

from conductor.records.search.index import Field, FieldType, Index
from conductor.records.search.stems import stem

NUMBER_LIMIT = 10**12
"""Numbers are clamped to this, both ways, after their division. The contract's original clamps to a million,
which ends at ticket numbers beyond and at hours of the year 2084."""

_PLAIN = re.compile(r"[a-z0-9_]+")
_WORD = re.compile(r"\w+")
_NOT_WORD = re.compile(r"\W+")
_URL = re.compile(r"\w+://([\w.-]+)\S*")
_FENCE = re.compile(r"^(```+|~~~+).*?(?:^\1|\Z)", re.MULTILINE | re.DOTALL)
_TAG = re.compile(r"<[^<>]*>")
_DECIMAL_POINT = re.compile(r"(?<=\d)\.(?=\d)")
_APOSTROPHES = re.compile("['’`´]")
_UNDECOMPOSED = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th"}
)


def terms(index: Index, record: Mapping[str, Any]) -> set[tuple[str, str]]:
    """The (field, word) pairs under which `record` is found."""
    found: set[tuple[str, str]] = set()
    for field in index.fields.values():
        if field.column is not None:
            continue
        value = value_of(field, record)
        if value is None or value == "":
            continue
        name = field.name
        if field.type is not FieldType.WORD:
            if isinstance(value, int | float) and value:
                found.add((name, number_word(bucket(value, field.divide))))
        elif (
            type(value) is str
            and not field.stemmed
            and len(value) <= field.longest
            and _PLAIN.fullmatch(value)
        ):
            found.add((name, value))
        else:
            found.update((name, word) for word in words(value, field))
    return found


def term_rows(index: Index, id: str, record: Mapping[str, Any]) -> list[dict[str, str]]:
    """The rows of the table `terms` for one record."""
    return [
        {"index_name": index.name, "field": field, "word": word, "record": id}
        for field, word in terms(index, record)
    ]


def value_of(field: Field, record: Mapping[str, Any]) -> Any:
    """What of `record` is in this field; None if nothing is."""
    value: Any = record
    for step in field.source:
        value = value.get(step) if isinstance(value, dict) else None
    if field.also:
        return " ".join(_text(part) for part in (value, *map(record.get, field.also)) if part is not None)
    if field.values and isinstance(value, list):
        items = (item for item in value if isinstance(item, dict))
        return [_text(item[key]) for item in items for key in field.values if item.get(key)]
    return value


def words(value: Any, field: Field) -> list[str]:
    """The words of one value in order, with repetitions; those that are too long are left out."""
    if type(value) is list and all(type(item) is str for item in value):
        found = [word for item in value for word in _words(item, field)]
    else:
        found = _words(value, field)
    return found[: field.most] if field.most else found


def _words(value: Any, field: Field) -> list[str]:
    text = _text(value)
    if field.markdown:
        text = plain(text)
    text = fold(text)
    found = [_NOT_WORD.sub("_", text)] if field.whole else _WORD.findall(text)
    if field.stemmed:
        found = [stem(word) for word in found]
    return [word for word in found if 0 < len(word) <= field.longest]


def plain(markdown: str) -> str:
    """Text without fenced code and HTML tags, entities as their characters."""
    if "```" in markdown or "~~~" in markdown:
        markdown = _FENCE.sub(" ", markdown)
    if "<" in markdown:
        markdown = _TAG.sub(" ", markdown)
    return html.unescape(markdown) if "&" in markdown else markdown


def fold(text: str) -> str:
    """Lower case without accents, addresses reduced to their host, `2.5` as `2_5`."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.casefold())
        text = "".join(letter for letter in text if not unicodedata.combining(letter)).translate(
            _UNDECOMPOSED
        )
    if "://" in text:
        text = _URL.sub(r"\1", text)
    return _DECIMAL_POINT.sub("_", _APOSTROPHES.sub("", text)).lower()


def bucket(number: float, divide: int) -> int:
    """The whole number that stands for `number` in a field with this divisor."""
    return max(-NUMBER_LIMIT, min(NUMBER_LIMIT, int(number // divide)))


def number_word(number: int) -> str:
    """A word for a number, such that words compare as the numbers do."""
    return f"{number + NUMBER_LIMIT:013d}"


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bool | dict | list):
        return msgspec.json.encode(value).decode()
    return str(value)
