"""What callers may change of a server's record, and how long servers that left are remembered."""

from typing import Any

import pytest

from conductor.errors import BadParameter
from conductor.fleet.changes import checked
from conductor.fleet.roster import Roster
from conductor.fleet.servers import keywords


@pytest.mark.parametrize(
    ("sent", "changes"),
    [
        (
            {"id": "s1", "title": "x", "ip": "1.2.3.4", "info": {}, "created": 0, "keywords": ""},
            {"title": "x"},
        ),
        ({"enabled": "false", "autoGroup": "0"}, {"enabled": False, "autoGroup": False}),
        ({"enabled": "true", "autoGroup": 1}, {"enabled": True, "autoGroup": True}),
        ({"groups": ["a", "b", "a"]}, {"groups": ["a", "b"]}),
        ({"maxJobs": "4"}, {"maxJobs": 4}),
        ({"rack": {"row": 7}}, {"rack": {"row": 7}}),
    ],
)
def test_what_is_sent_becomes_changes(sent: dict[str, Any], changes: dict[str, Any]) -> None:
    assert checked(sent) == changes


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("groups", "main"),
        ("groups", [7]),
        ("labels", [""]),
        ("title", None),
        ("maxJobs", True),
        ("maxJobs", "x"),
    ],
)
def test_what_has_another_type_is_refused_by_name(key: str, value: Any) -> None:
    with pytest.raises(BadParameter, match=key):
        checked({key: value})


def test_labels_are_among_the_words_that_find_a_server() -> None:
    found = keywords({"hostname": "h", "title": "Front", "labels": ["blue", 7]})
    assert found.endswith(",Front,blue")


def test_servers_that_left_long_ago_are_remembered_no_longer() -> None:
    roster = Roster("1")
    roster._recent.update(
        old={"id": "old", "modified": 10}, new={"id": "new", "modified": 30}, odd={"id": "odd"}
    )
    roster.forget_left(20)
    assert list(roster.recent) == ["new"]
    assert roster.drop("new") == {"id": "new", "modified": 30}
    assert roster.drop("new") is None
