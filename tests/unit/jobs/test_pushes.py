"""What a running job appends to its own arrays (contract jobs.md §11.6)."""

from typing import Any

import pytest

from conductor.jobs.pushes import pushed, pushes_instant


def test_tags_actions_and_limits_are_appended_and_say_where_they_came_from() -> None:
    job: dict[str, Any] = {"tags": ["a"], "actions": [{"type": "tag"}], "limits": []}
    changes = pushed(
        job,
        {
            "tags": ["a", "b"],
            "actions": [
                {"type": "email", "enabled": True, "condition": "instant", "code": 0, "resumed": {"by": "x"}}
            ],
            "limits": [{"type": "time", "enabled": True}, {"type": "cpu"}],
            "files": ["x"],
            "id": ["j2"],
        },
    )
    assert changes == {
        "tags": ["a", "b"],
        "actions": [
            {"type": "tag"},
            {"type": "email", "enabled": True, "condition": "instant", "source": "job"},
        ],
        "limits": [{"type": "time", "enabled": True, "source": "job"}],
    }
    assert pushes_instant(changes)


@pytest.mark.parametrize("push", [{}, {"actions": 5}, {"actions": [None, 7]}, {"tags": {"a": 1}}])
def test_nonsense_changes_nothing(push: dict[str, Any]) -> None:
    assert pushed({"actions": None}, push) == {}


def test_pushing_ends_somewhere() -> None:
    job: dict[str, Any] = {"actions": [{"type": "tag"}] * 99}
    changes = pushed(job, {"actions": [{"type": "a", "enabled": True}] * 50})
    assert len(changes["actions"]) == 100
    assert not pushes_instant(changes)
