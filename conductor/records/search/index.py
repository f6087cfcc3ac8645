"""What is searchable in each collection (contract search.md §2, structures/indexes.yaml)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


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
    """The value is one word, its other characters turned into `_` (filter alphanum)."""
    searchable: bool = True
    """Whether queries may name it; else it serves restrictions alone."""


@dataclass(frozen=True, slots=True)
class Index:
    name: str
    default_field: str
    """Takes words that name no field; empty: they are dropped."""
    fields: Mapping[str, Field]
    sorters: Mapping[str, str] = field(default_factory=dict)
    """Sort name to column; `_id` always works."""


def _index(name: str, default: str, fields: tuple[Field, ...], sorters: tuple[str, ...] = ()) -> Index:
    return Index(name, default, {field.name: field for field in fields}, {name: name for name in sorters})


def _hours(name: str, source: str, column: str | None = None) -> Field:
    return Field(name, (source,), FieldType.NUMBER, divide=3600, column=column)


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
)

ACTIVITY = _index(
    "activity",
    "keywords",
    (
        Field("action", ("action",)),
        Field("keywords", ("keywords",), longest=128),
        _hours("date", "epoch", column="epoch"),
    ),
)

SERVERS = _index(
    "servers",
    "keywords",
    (
        Field("groups", ("groups",)),
        Field("autoGroup", ("autoGroup",)),
        _hours("created", "created"),
        _hours("modified", "modified"),
        Field("keywords", ("keywords",), longest=64),
        Field("os_platform", ("info", "os", "platform"), whole=True),
        Field("os_distro", ("info", "os", "distro"), whole=True),
        Field("os_release", ("info", "os", "release"), whole=True),
        Field("os_arch", ("info", "os", "arch"), whole=True),
        Field("cpu_virt", ("info", "virt", "vendor"), whole=True),
        Field("cpu_brand", ("info", "cpu", "combo"), whole=True),
        Field("cpu_cores", ("info", "cpu", "cores"), whole=True),
    ),
    sorters=("hostname",),
)
