"""The history of a ticket, and who may write what of it."""

from typing import Any

import pytest

from conductor.errors import BadParameter, Refusal
from conductor.tickets import changes, fields

STORED: dict[str, Any] = {
    "status": "open",
    "subject": "A",
    "body": "x",
    "tags": ["a", "b"],
    "due": 0,
    "category": "",
}


class Known:
    def get(self, kind: str, id: str, /) -> dict[str, Any] | None:
        events = {"e1": {"id": "e1", "fields": [{"id": "f", "required": True}]}}
        if kind == "events":
            return events.get(id)
        return {"id": id} if id in ("general", "a", "b") else None

    def user(self, username: str, /) -> bool:
        return username == "joe"


def detected(**sent: Any) -> list[dict[str, Any]]:
    return changes.detected(STORED, {**STORED, **sent}, sent, "joe", 1000)


def test_a_change_is_recorded_with_its_new_value() -> None:
    assert detected(subject="B") == [
        {"type": "change", "username": "joe", "date": 1000, "key": "subject", "value": "B"}
    ]


def test_a_body_is_recorded_without_its_text() -> None:
    assert "value" not in detected(body="y")[0]


@pytest.mark.parametrize(
    "same", [{"tags": ["b", "a"]}, {"server": ""}, {"assignees": []}, {"subject": "A"}, {"due": 0}]
)
def test_what_is_the_same_is_no_change(same: dict[str, Any]) -> None:
    assert detected(**same) == []


def test_an_update_to_draft_records_nothing() -> None:
    assert detected(status="draft", subject="B") == []


def test_of_one_key_in_one_minute_the_last_is_kept() -> None:
    def entry(key: str, date: int, who: str = "joe", **more: Any) -> dict[str, Any]:
        return {"type": "change", "key": key, "date": date, "username": who, **more}

    first, last, later = entry("status", 60), entry("status", 119), entry("status", 120)
    other, comment = entry("status", 70, "ann"), {"type": "comment", "date": 61, "body": "b", "id": "c1"}
    made, gone = entry("created", 60), entry("delete", 61)
    history = [made, first, other, comment, gone, gone, last, later]
    assert changes.collapsed(history) == [made, other, comment, gone, gone, last, later]


def checked(sent: dict[str, Any], stored: dict[str, Any] | None = None) -> dict[str, Any]:
    return fields.checked(sent, stored or {}, Known(), Known(), moment=1_700_000_000, tz="UTC")


@pytest.mark.parametrize(
    "field", ["num", "username", "created", "modified", "changes", "files", "jobs", "id", "revision"]
)
def test_tickets_yaml_a_client_cannot_set_what_the_server_sets(field: str) -> None:
    assert fields.chosen({field: "forged", "subject": "S", "own": 1}) == {"subject": "S", "own": 1}


@pytest.mark.parametrize(
    "bad",
    [
        {"type": "bug"},
        {"status": "done"},
        {"category": "none"},
        {"tags": ["z"]},
        {"tags": "a"},
        {"tags": [1]},
        {"assignees": ["nobody"]},
        {"cc": {"joe": 1}},
        {"notify": ["no address"]},
        {"notify": ["a@b\r\nBcc: c@d"]},
        {"events": [{"id": "e2"}]},
        {"events": [{"id": "e1", "params": {}}]},
        {"events": ["e1"]},
        {"due": "soon"},
        {"body": 5},
        {"server": ["s"]},
    ],
    ids=str,
)
def test_a_malformed_ticket_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(Refusal) as refused:
        checked(bad)
    assert refused.value.code == "ticket"


@pytest.mark.parametrize("subject", ["", " ", "<b></b>", 5, None])
def test_a_ticket_needs_a_subject(subject: Any) -> None:
    with pytest.raises(BadParameter):
        checked({"subject": subject})


def test_users_who_have_gone_do_not_lock_the_ticket() -> None:
    assert checked({"assignees": ["gone", "joe"]}, {"assignees": ["gone"]})["assignees"] == ["gone", "joe"]


def test_what_is_sent_is_normalised() -> None:
    made = checked(
        {"tags": ["a", "a", " b "], "events": [{"id": "e1", "params": {"f": 1}}], "status": "", "type": None}
    )
    assert made == {
        "tags": ["a", "b"],
        "events": [{"id": "e1", "params": {"f": 1}}],
        "status": "open",
        "type": "",
    }


def test_tickets_yaml_a_comment_cannot_forge_history() -> None:
    forged = {"type": "change", "key": "status", "value": "closed", "username": "ann", "date": 1, "body": "b"}
    assert fields.comment_of(forged, needs_type=True) == {"type": "change", "body": "b"}
    for bad in (None, [], {}, {"type": 5}, {"type": "other"}, {"type": "comment", "body": {}}):
        with pytest.raises(Refusal):
            fields.comment_of(bad, needs_type=True)
