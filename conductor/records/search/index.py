"""What is searchable in each collection (contract search.md §2, structures/indexes.yaml)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class FieldType(StrEnum):
    WORD = "word"
    NUMBER = "number"
    """Whole multiples of `divide`: with 3600 a time of one-hour granularity."""
    DATE = "date"
    """A Unix time, by local days."""


@dataclass(frozen=True, slots=True)
class Field:
    name: str
    source: tuple[str, ...]
    """Path of the value inside the record."""
    type: FieldType = FieldType.WORD
    divide: int = 1
    column: str | None = None
    """The table's column that holds a number or date; it is then not among the words."""
    longest: int = 255
    """Characters; longer words are not indexed."""
    whole: bool = False
    """The value is one word, its other characters turned into `_` (filter alphanum); of a list each item."""
    searchable: bool = True
    """Whether queries may name it; else it serves restrictions alone."""
    also: tuple[str, ...] = ()
    """Further properties of the record whose words are in the same field."""
    stemmed: bool = False
    """Words are found by their stems."""
    markdown: bool = False
    """Fenced code and HTML tags hold no words."""
    most: int = 0
    """Words of one record, from its beginning; 0 = all."""
    values: tuple[str, ...] = ()
    """Of objects these properties alone hold words."""
    summary: bool = False
    """The distinct words can be counted (contract search.md §5)."""
    labels: bool = False
    """The summary gives the original text of each word."""


@dataclass(frozen=True, slots=True)
class Column:
    """A table's column that follows from the record: the property, or 0 or "" where it has another type."""

    source: str
    kind: type[int] | type[float] | type[str] = int
    longest: int = 128
    """Characters of a text."""

    def value(self, record: Mapping[str, Any]) -> int | float | str:
        value = record.get(self.source)
        if self.kind is str:
            return value[: self.longest] if isinstance(value, str) else ""
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            return self.kind(0)
        return self.kind(max(-_GREATEST, min(_GREATEST, value)))


@dataclass(frozen=True, slots=True)
class Index:
    name: str
    default_field: str
    """Takes words that name no field; empty: they are dropped."""
    fields: Mapping[str, Field]
    sorters: Mapping[str, str] = field(default_factory=dict)
    """Sort name to column; `_id` always works."""
    columns: Mapping[str, Column] = field(default_factory=dict)
    """The table's columns besides ID and document."""


_GREATEST = 2**53
"""Beyond are numbers that are no times, counts or durations; a column takes them all the same."""


def _index(
    name: str,
    default: str,
    fields: tuple[Field, ...],
    *,
    sorters: tuple[str, ...] = (),
    columns: Mapping[str, Column],
    **sorters_of: str,
) -> Index:
    named = {name: name for name in sorters} | sorters_of
    return Index(name, default, {field.name: field for field in fields}, named, columns)


def _hours(name: str, source: str, column: str | None = None) -> Field:
    return Field(name, (source,), FieldType.NUMBER, divide=3600, column=column)


def _menu(name: str, *source: str) -> Field:
    """One word that a menu offers by its original text."""
    return Field(name, source, whole=True, summary=True, labels=True)


JOBS = _index(
    "jobs",
    "code",
    (
        Field("code", ("code",)),
        _hours("date", "completed", column="completed"),
        Field("source", ("source",)),
        Field("tags", ("tags",)),
        Field("event", ("event",)),
        Field("category", ("category",)),
        Field("plugin", ("plugin",)),
        Field("server", ("server",)),
        Field("groups", ("groups",)),
        Field("workflow", ("workflow", "event")),
        Field("tickets", ("tickets",)),
        Field("type", ("type",), searchable=False),
    ),
    sorters=("completed", "elapsed"),
    columns={
        "completed": Column("completed", float),
        "elapsed": Column("elapsed", float),
        "event": Column("event", str),
        "category": Column("category", str),
    },
)

ALERTS = _index(
    "alerts",
    "",
    (
        Field("active", ("active",)),
        Field("alert", ("alert",)),
        Field("groups", ("groups",)),
        Field("server", ("server",)),
        _hours("start", "date", column="date"),
        _hours("end", "modified", column="modified"),
        Field("jobs", ("jobs",)),
        Field("tickets", ("tickets",)),
    ),
    sorters=("date", "modified"),
    columns={"date": Column("date"), "modified": Column("modified")},
)

SNAPSHOTS = _index(
    "snapshots",
    "",
    (
        Field("type", ("type",)),
        Field("source", ("source",)),
        Field("server", ("server",)),
        Field("groups", ("groups",)),
        _hours("date", "date", column="date"),
        Field("alerts", ("alerts",)),
        Field("jobs", ("jobs",)),
        Field("pinned", ("pinned",)),
    ),
    sorters=("date",),
    columns={"date": Column("date")},
)

ACTIVITY = _index(
    "activity",
    "keywords",
    (
        Field("action", ("action",)),
        Field("keywords", ("keywords",), longest=128),
        _hours("date", "epoch", column="epoch"),
    ),
    columns={"action": Column("action", str, 64), "epoch": Column("epoch")},
)

DELIVERIES = _index(
    "deliveries",
    "description",
    (
        Field("web_hook", ("web_hook",), whole=True),
        Field("result", ("result",)),
        Field("url", ("url",), longest=128),
        Field("description", ("description",), also=("title",), longest=64),
        _hours("date", "date", column="date"),
    ),
    sorters=("date",),
    columns={"date": Column("date")},
)

SERVERS = _index(
    "servers",
    "keywords",
    (
        Field("groups", ("groups",), summary=True),
        Field("autoGroup", ("autoGroup",)),
        _hours("created", "created"),
        _hours("modified", "modified", column="modified"),
        Field("keywords", ("keywords",), longest=64),
        _menu("os_platform", "info", "os", "platform"),
        _menu("os_distro", "info", "os", "distro"),
        _menu("os_release", "info", "os", "release"),
        _menu("os_arch", "info", "os", "arch"),
        _menu("cpu_virt", "info", "virt", "vendor"),
        _menu("cpu_brand", "info", "cpu", "combo"),
        _menu("cpu_cores", "info", "cpu", "cores"),
    ),
    sorters=("hostname", "ip", "modified"),
    date="modified",  # a property that servers do not have: their last change stands for it
    columns={
        "hostname": Column("hostname", str, 255),
        "ip": Column("ip", str, 64),
        "modified": Column("modified"),
    },
)
TICKETS = _index(
    "tickets",
    "body",
    (
        Field("type", ("type",), summary=True),
        Field("num", ("num",), FieldType.NUMBER, column="num"),
        Field("status", ("status",), summary=True),
        Field("category", ("category",)),
        Field("username", ("username",), whole=True),
        Field("assignees", ("assignees",), whole=True),
        Field("cc", ("cc",), whole=True),
        Field("jobs", ("jobs",)),
        Field("tags", ("tags",), summary=True),
        _hours("created", "created", column="created"),
        _hours("modified", "modified", column="modified"),
        Field("due", ("due",), FieldType.DATE),
        Field("server", ("server",)),
        Field("subject", ("subject",), longest=32, most=50, stemmed=True),
        Field(
            "body",
            ("username",),
            also=("subject", "body"),
            longest=32,
            most=500,
            stemmed=True,
            markdown=True,
        ),
        Field(
            "changes",
            ("changes",),
            longest=32,
            most=500,
            stemmed=True,
            markdown=True,
            values=("body", "value", "username", "key"),
        ),
    ),
    sorters=("num", "modified"),
    columns={"num": Column("num"), "created": Column("created"), "modified": Column("modified")},
)
