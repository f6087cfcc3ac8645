from typing import Any

import pytest

from conductor.administration.state_paths import as_one, changed, check, placed
from conductor.errors import BadParameter


def test_documents_are_shown_as_one_object() -> None:
    documents = {"scheduler": {"enabled": True}, "events/e1": {"nth": 1}, "global": {"alert_snooze": 5}}
    assert as_one(documents.items()) == {
        "scheduler": {"enabled": True},
        "events": {"e1": {"nth": 1}},
        "alert_snooze": 5,
    }


@pytest.mark.parametrize(
    ("path", "value", "after"),
    [
        ("scheduler.enabled", False, {"scheduler": {"enabled": False}}),
        ("scheduler", {"x": 1}, {"scheduler": {"enabled": True, "x": 1}}),
        ("events/e1/nth", 7, {"events/e1": {"nth": 7}}),
        ("events.e2.cursor", 9, {"events/e2": {"cursor": 9}}),
        ("watches.servers.s1", 5, {"watches/servers": {"s1": 5}}),
        ("next_ticket_num", None, {"global": {"next_ticket_num": None}}),
        ("scheduler.deep.er", 1, {"scheduler": {"enabled": True, "deep": {"er": 1}}}),
    ],
)
def test_where_a_path_leads(path: str, value: Any, after: dict[str, Any]) -> None:
    documents = {"scheduler": {"enabled": True}, "events/e1": {"nth": 1}}
    key, rest, whole = placed(check(path), value, documents)
    old = documents.get(key, {})
    assert {key: {**old, **changed(old, rest, whole)}} == after
    assert documents == {"scheduler": {"enabled": True}, "events/e1": {"nth": 1}}


@pytest.mark.parametrize(
    "path", ["__proto__.x", "events.constructor", "a.0", "", "a..b", ".a", "x." * 40 + "x"]
)
def test_bad_paths_are_refused(path: str) -> None:
    with pytest.raises(BadParameter):
        check(path)
