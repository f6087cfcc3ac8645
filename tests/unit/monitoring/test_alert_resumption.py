"""What a term takes over of alerts, wherever the last one broke off. Hole 1 of alerts.md §9."""

from typing import Any

import pytest

from conductor.monitoring.alerts.evaluation import AlertState
from conductor.monitoring.alerts.resumption import Resumed, resumed

Json = dict[str, Any]


def state(**properties: Any) -> AlertState:
    given = {"id": "a1", "server": "s1", "alert": "hot", "date": 60, "exp": "hot", "count": 2}
    return AlertState(**{**given, "notified": True, **properties})


def invocation(**properties: Any) -> Json:
    return {
        "id": "a1",
        "server": "s1",
        "alert": "hot",
        "date": 60,
        "exp": "hot",
        "active": True,
        **properties,
    }


def after(states: list[AlertState], *stored: Json) -> Resumed:
    active = [one for one in stored if one["active"]]
    return resumed(states, active, {one["id"]: one for one in stored}, lambda alert_id: 3)


@pytest.mark.parametrize(
    ("before", "stored", "expected"),
    [
        (state(), [invocation()], state()),
        (state(notified=False), [], state(notified=False)),
        (state(), [], state(notified=False)),
        (state(), [invocation(active=False)], None),
        (state(stale=True), [invocation(active=False, stale=True)], state(stale=True)),
        (state(), [invocation(active=False, stale=True)], state(stale=True)),
        (state(stale=True), [invocation()], state()),
        (state(notified=False), [invocation()], state()),
    ],
    ids=[
        "it goes on", "it warms up on", "died before the invocation was stored", "died after it had cleared",
        "it is stale", "died between silent and its state", "died between back and its state",
        "an older state of an invocation",
    ],
)  # fmt: skip
def test_a_state_and_its_invocation_agree_again(
    before: AlertState, stored: list[Json], expected: AlertState | None
) -> None:
    found = after([before], *stored)
    assert found.states == ([expected] if expected else [])
    assert (("s1", "hot") in found.unsaved) == (before != expected)
    assert found.active == [one for one in stored if one["active"]]


def test_an_active_invocation_without_a_state_is_adopted_and_will_clear() -> None:
    found = after([], invocation(id="old", message="Hot"))
    (adopted,) = found.states
    assert (adopted.id, adopted.notified, adopted.count, adopted.message) == ("old", True, 3, "Hot")
    assert found.unsaved == [("s1", "hot")]


def test_the_active_invocation_wins_over_a_state_of_another() -> None:
    found = after([state(id="a2", notified=False)], invocation(id="a1"))
    assert [one.id for one in found.states] == ["a1"]


@pytest.mark.parametrize(
    "odd", [{}, {"id": "x", "active": True}, {"id": "x", "date": "soon", "active": True}]
)
def test_an_imported_invocation_may_lack_anything(odd: Json) -> None:
    one = {"id": "x", **odd}
    assert [state.id for state in resumed([], [one], {}, lambda alert_id: 1).states] == ["x"]
