"""Whom an alert tells, and when: windows, flapping, escalation, repetition. Purely (alerts.md §9.7)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.monitoring.alerts import silence
from conductor.monitoring.alerts.due import Due, Step, actions_of, due

Json = dict[str, Any]

WINDOW: Json = {"id": "w1", "title": "Move", "username": "jo", "enabled": True, "start": 100, "end": 200}
TOLD: Json = {"id": "a1", "date": 0, "fired": 0, "told": 0, "refreshed": 10**9}
DEFINITION: Json = {"id": "hot", "enabled": True}


@pytest.mark.parametrize(
    ("scope", "covered"),
    [
        ({"servers": ["s1"]}, True),
        ({"servers": ["s2"]}, False),
        ({"groups": ["main"]}, True),
        ({"groups": ["other"]}, False),
        ({"servers": ["s2"], "groups": ["main"]}, True),
        ({"alerts": ["hot"]}, True),
        ({"alerts": ["cold"]}, False),
        ({"servers": ["s1"], "alerts": ["hot"]}, True),
        ({"servers": ["s1"], "alerts": ["cold"]}, False),
        ({"servers": ["s2"], "alerts": ["hot"]}, False),
        ({"everywhere": True}, True),
        ({}, False),
        ({"servers": "s1"}, False),
        ({"servers": ["s1"], "enabled": False}, False),
    ],
)
def test_what_a_maintenance_window_covers(scope: Json, covered: bool) -> None:
    found = silence.window_over([WINDOW | scope], "hot", "s1", ["main"], 150)
    assert (found is not None) is covered
    if found:
        assert found == {
            "reason": "maintenance", "until": 200, "window": "w1", "title": "Move", "username": "jo",
        }  # fmt: skip


@pytest.mark.parametrize(("now", "covered"), [(99, False), (100, True), (199.9, True), (200, False)])
def test_a_window_is_open_from_its_start_until_before_its_end(now: float, covered: bool) -> None:
    found = silence.window_over([WINDOW | {"everywhere": True}], "hot", "s1", [], now)
    assert (found is not None) is covered


def test_of_several_windows_the_last_to_end_counts() -> None:
    windows = [
        WINDOW | {"id": id, "end": end, "everywhere": True}
        for id, end in (("a", 200), ("b", 300), ("c", 250))
    ]
    assert (silence.window_over(windows, "hot", "s1", [], 150) or {})["window"] == "b"


def test_an_alert_that_goes_to_and_fro_tells_no_more_than_its_limit() -> None:
    definition = DEFINITION | {"flap_limit": 3, "flap_minutes": 10}
    firings = [0, 120, 240, 360, 480]
    told = [
        silence.flapping(definition, firings[: number + 1], at) is None for number, at in enumerate(firings)
    ]
    assert told == [True, True, True, False, False]
    found = silence.flapping(definition, firings, 480)
    assert found == {"reason": "flapping", "until": 120 + 600, "firings": 5}
    assert silence.flapping(definition, firings, 719) is not None
    assert silence.flapping(definition, firings, 720) is None, "only three are within ten minutes now"
    assert silence.flapping(DEFINITION, firings, 480) is None, "without a limit nothing is damped"


@given(
    gaps=st.lists(st.integers(1, 2000), max_size=60),
    limit=st.integers(1, 5),
    minutes=st.integers(1, 60),
)
def test_in_no_stretch_of_time_is_more_told_than_the_limit(gaps: list[int], limit: int, minutes: int) -> None:
    definition = DEFINITION | {"flap_limit": limit, "flap_minutes": minutes}
    firings: list[float] = []
    told: list[float] = []
    now = 0.0
    for gap in gaps:
        now += gap
        firings.append(now)
        if silence.flapping(definition, firings, now) is None:
            told.append(now)
    for at in told:
        assert sum(at - 60 * minutes < one <= at for one in told) <= limit


@pytest.mark.parametrize(
    ("invocation", "definition", "now", "expected"),
    [
        ({}, {}, 10**6, None),
        ({}, {"escalations": [{"after": 5}]}, 299, None),
        ({}, {"escalations": [{"after": 5}]}, 300, Due(Step.ESCALATED, 1)),
        ({"escalated": 1}, {"escalations": [{"after": 5}]}, 900, None),
        ({"escalated": 1}, {"escalations": [{"after": 15}, {"after": 5}]}, 899, None),
        ({"escalated": 1}, {"escalations": [{"after": 15}, {"after": 5}]}, 900, Due(Step.ESCALATED, 2)),
        (
            {"acknowledged": {"username": "jo"}},
            {"escalations": [{"after": 5}], "repeat_minutes": 1},
            9000,
            None,
        ),
        ({}, {"escalations": [{"after": 5}], "enabled": False}, 9000, None),
        ({}, {"repeat_minutes": 10}, 599, None),
        ({}, {"repeat_minutes": 10}, 600, Due(Step.REPEATED, 1)),
        ({"repeats": 1}, {"repeat_minutes": 10}, 1199, None),
        ({"repeats": 1}, {"repeat_minutes": 10}, 1200, Due(Step.REPEATED, 2)),
        ({}, {"repeat_minutes": 10}, 6000, Due(Step.REPEATED, 10)),
        ({}, {"escalations": "x", "repeat_minutes": "y"}, 9000, None),
        ({"refreshed": 0}, {}, 299, None),
        ({"refreshed": 0}, {}, 300, Due(Step.REFRESHED, 1)),
        ({"told": None, "silenced": {"reason": "maintenance", "until": 500}}, {}, 1, Due(Step.TOLD, 1)),
        ({"told": 600, "silenced": {"reason": "maintenance", "until": 500}}, {}, 700, None),
        ({"told": None, "silenced": {"reason": "snooze", "until": 500}}, {}, 600, None),
    ],
)
def test_what_is_due_of_an_active_alert(
    invocation: Json, definition: Json, now: int, expected: Due | None
) -> None:
    assert due(TOLD | invocation, DEFINITION | definition, now) == expected


def test_the_steps_of_an_escalation_go_by_their_time_and_their_actions_fire_at_once() -> None:
    email = {"type": "email", "enabled": True, "condition": "whatever"}
    definition = {"escalations": [{"after": 20, "actions": []}, {"after": 10, "actions": [email, 7]}]}
    assert actions_of(definition, 1) == [email | {"condition": "alert_new"}]
    assert actions_of(definition, 2) == []
