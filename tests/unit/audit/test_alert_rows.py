"""Activity rows of alerts and snapshots (contract alerts.md §3, §4)."""

import pytest

from conductor.audit.rows import row
from conductor.signals import Actor, AlertCleared, AlertFired, AlertsShifted, SnapshotTaken

INVOCATION = {"id": "a1", "alert": "hot", "server": "s1"}
SERVER = {"id": "s1", "hostname": "web1.lan", "ip": "10.0.0.1", "title": "Front"}


@pytest.mark.parametrize(
    ("kind", "action", "words"),
    [(AlertFired, "alert_new", "New alert for"), (AlertCleared, "alert_cleared", "Alert cleared")],
)
def test_an_alert_is_an_activity(kind: type[AlertFired | AlertCleared], action: str, words: str) -> None:
    made = row(kind(invocation=INVOCATION, definition={"title": "Too hot"}, server=SERVER), id="x1", epoch=5)
    assert made is not None
    assert (made["action"], made["description"]) == (action, f"{words}: Front: Too hot")
    assert (made["server"], made["hostname"], made["ip"]) == ("s1", "web1.lan", "10.0.0.1")
    assert (made["alert"], made["loc"]) == (INVOCATION, "Alerts?id=a1")
    assert made["keywords"] == ["a1", "hot", "s1"]


def test_lost_contact_is_no_activity() -> None:
    assert row(AlertsShifted(server_id="s1"), id="x1", epoch=5) is None


def test_a_snapshot_that_somebody_asked_for_is_an_activity_and_one_of_a_watch_is_not() -> None:
    """Hole 10 of snapshots.md §6."""

    def taken(source: str) -> SnapshotTaken:
        who = Actor(kind="user", id="admin")
        return SnapshotTaken(snapshot_id="sn1", kind="server", resource_id="s1", source=source, actor=who)

    made = row(taken("user"), id="x1", epoch=5)
    assert made is not None
    assert (made["action"], made["username"], made["server"]) == ("snapshot_create", "admin", "s1")
    assert row(taken("watch"), id="x1", epoch=5) is None
