"""What is written into an action that ran (contract actions.md §5)."""

from conductor.actions.result import Result, begun, done


def test_the_record_of_an_action() -> None:
    action = {"type": "snapshot", "enabled": True}
    begun(action, 100.5)
    assert (action["active"], action["date"]) == (True, 100.5)
    done(action, Result(0, "Took\n it", "**more**", "#Snapshots?id=x"), 12)
    assert action == {
        "type": "snapshot", "enabled": True, "date": 100.5, "elapsed_ms": 12, "code": 0,
        "description": "Took it", "details": "**more**", "loc": "#Snapshots?id=x",
    }  # fmt: skip


def test_better_3_an_action_that_runs_again_after_a_takeover_says_so() -> None:
    action = {"type": "email"}
    begun(action, 1.0)
    begun(action, 2.0)
    done(action, Result(0, "Sent"), 1)
    assert action["repeated"] == 1
    assert "has been run again" in action["details"]


def test_endless_texts_are_cut() -> None:
    action = {"type": "plugin"}
    begun(action, 1.0)
    done(action, Result("plugin", "x" * 5000, "y" * 500_000), 1)
    assert len(action["description"]) == 1000
    assert len(action["details"]) == 64 * 1024
