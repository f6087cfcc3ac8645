"""Which page a browser shows, and which page events are for it. Contract satellite_protocol.md §10.2. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

_LONGEST = 4_096
_MOST_PAIRS = 100


class Location(NamedTuple):
    """A page with its query: `loc` as it was sent, `id` the page's name."""

    loc: str
    id: str
    query: Mapping[str, str]

    def shown(self) -> dict[str, Any]:
        return {"loc": self.loc, "id": self.id, "query": dict(self.query)}


NOWHERE = Location("", "", {})


def located(loc: object) -> Location:
    """`PAGE?key=value&…`, or nowhere for what is no location."""
    if not isinstance(loc, str) or not loc or len(loc) > _LONGEST:
        return NOWHERE
    page, _, query = loc.lstrip("#").partition("?")
    if query.count("&") >= _MOST_PAIRS:
        return NOWHERE
    return Location(loc, page, dict(parse_qsl(query, keep_blank_values=True)))


def reaches(target: Location, at: Location) -> bool:
    """Whether an event for `target` is for somebody at `at`: the same page, and every pair of its query."""
    return (
        bool(target.id)
        and target.id == at.id
        and all(at.query.get(key) == value for key, value in target.query.items())
    )
