"""Simple queries split into terms (contract search.md §3.1)."""

import re
from dataclasses import dataclass

_QUOTED = re.compile(r'("[^"]*")')
_TIGHT = re.compile(r"\s*([:|])\s*")
_TOKEN = re.compile(r'(?:"[^"]*"|\S)+')
_FIELD = re.compile(r"([+-]?)(\w+):(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Term:
    field: str
    value: str
    excluded: bool = False


@dataclass(frozen=True, slots=True)
class Alternatives:
    """`a|b|c`: signs and operators inside have no meaning."""

    field: str
    values: tuple[str, ...]


def split(text: str, default_field: str) -> list[Term | Alternatives]:
    """The terms in order. A field stays current for the bare words that follow it."""
    # Spaces around ":" and "|" have no meaning, except inside quotes.
    parts = _QUOTED.split(text)
    parts[::2] = [_TIGHT.sub(r"\1", part) for part in parts[::2]]
    terms: list[Term | Alternatives] = []
    field = default_field
    for token in _TOKEN.findall("".join(parts)):
        sign, value = "", token
        if match := _FIELD.fullmatch(token):
            sign, field, value = match.groups()
        if value == "*":
            terms.append(Term(field, value))
            continue
        if not value or not field:
            continue
        unquoted = _QUOTED.sub("", value)
        if "|" in unquoted:
            terms.append(Alternatives(field, tuple(_alternatives(value))))
            continue
        if value[0] in "+-":
            sign, value = value[0], value[1:]
        terms.append(Term(field, value.strip('"'), excluded=sign == "-"))
    return terms


def _alternatives(value: str) -> list[str]:
    parts = _QUOTED.split(value)
    return [
        part.strip('"')
        for number, part in enumerate(parts)
        for part in _pieces(part, number % 2 == 1)
        if part
    ]


def _pieces(part: str, quoted: bool) -> list[str]:
    return [part] if quoted else part.split("|")
