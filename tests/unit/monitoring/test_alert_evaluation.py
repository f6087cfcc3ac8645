"""The counter of alerts: (rules, states, sample) → (states, fired, cleared). Contract alerts.md §2."""

from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.monitoring.alerts.evaluation import FAILED, AlertState, Outcome, evaluate
from conductor.monitoring.alerts.history import KEPT, History
from conductor.monitoring.alerts.rules import Rule, Rules, compiled

Json = dict[str, Any]


def rule(**properties: Any) -> Rule:
    made = compiled(
        {"id": "a1", "enabled": True, "expression": "hot", "message": "{{degrees}} degrees", **properties}
    )
    assert made is not None
    return made


class Server:
    """One server's states over many samples."""

    def __init__(self, *rules: Rule) -> None:
        self.rules = rules
        self.states: dict[str, AlertState] = {}
        self.minute = 0
        self._ids = count(1)

    def take(self, data: Json) -> Outcome:
        self.minute += 60
        outcome = evaluate(
            self.rules,
            self.states,
            data,
            server_id="s1",
            now=self.minute,
            new_id=lambda: f"a{next(self._ids)}",
        )
        self.states = dict(outcome.states)
        return outcome

    def run(self, pattern: str) -> str:
        """`T` and `f` are samples; what they did: F fired, C cleared, a dot nothing."""
        done = ""
        for sample in pattern:
            outcome = self.take({"hot": sample == "T", "degrees": 90})
            done += "F" if outcome.fired else "C" if outcome.cleared else "."
        return done


@pytest.mark.parametrize(
    ("samples", "given", "done"),
    [
        (1, "fTTfTf", ".F.CFC"),
        (3, "TTfTTT", "....F."),
        (3, "TTTfTTfff", "..F.....C"),
        (3, "TTTfff", "..F..C"),
        (2, "TfTf", "...."),
        (2, "TfTTfTff", "...F...C"),
        (59, "T" * 59 + "f" * 59, "." * 58 + "F" + "." * 58 + "C"),
    ],
)
def test_the_counter_goes_up_and_down(samples: int, given: str, done: str) -> None:
    assert Server(rule(samples=samples)).run(given) == done


@pytest.mark.parametrize(
    ("properties", "given", "done"),
    [
        ({"samples": 3, "clear_samples": 1}, "TTTf", "..FC"),
        ({"samples": 1, "clear_samples": 3}, "TffTfff", "F....C."),
        ({"samples": 3, "consecutive": True}, "TTfTTT", ".....F"),
        ({"samples": 2, "consecutive": True}, "TTfTff", ".F...C"),
    ],
)
def test_warm_up_and_cool_down_may_differ_and_count_in_a_row(properties: Json, given: str, done: str) -> None:
    """Hole 4 of alerts.md §9: both ways of counting, and two lengths."""
    assert Server(rule(**properties)).run(given) == done


def test_an_alert_without_samples_fires() -> None:
    """Hole 5: absent `samples` made a dead alert."""
    assert Server(rule()).run("T") == "F"


def test_the_invocation_begins_with_the_first_true_sample_and_keeps_its_id() -> None:
    server = Server(rule(samples=3))
    assert server.run("TTT") == "..F"
    state = server.states["a1"]
    assert (state.date, state.count, state.notified, state.message) == (60, 3, True, "90 degrees")
    assert server.run("fffTTT") == "..C..F"
    assert server.states["a1"].id != state.id


def test_an_expression_that_fails_counts_as_false() -> None:
    server = Server(rule(expression="no_such_function(hot)"))
    outcome = server.take({"hot": True})
    assert (outcome.fired, outcome.results) == ((), (FAILED,))


@pytest.mark.parametrize(("value", "fires"), [([], True), ({}, True), ("0", True), (0, False), ("", False)])
def test_truthiness_is_that_of_the_language(value: Any, fires: bool) -> None:
    assert bool(Server(rule()).take({"hot": value}).fired) is fires


def test_a_state_whose_rule_is_gone_is_cleared_if_it_had_fired() -> None:
    """Hole 4 of alerts.md §9: a server that left the alert's groups kept it active for ever."""
    server = Server(rule(), rule(id="a2", samples=2))
    server.run("T")
    server.rules = ()
    outcome = server.take({"hot": True})
    assert [state.alert for state in outcome.cleared] == ["a1"]
    assert outcome.states == {}


def test_a_stale_alert_goes_on_in_its_invocation_or_clears() -> None:
    for data, resumed, cleared in (({"hot": True}, 1, 0), ({"hot": False}, 0, 1)):
        server = Server(rule())
        server.run("T")
        before = server.states["a1"]
        server.states["a1"] = AlertState(
            id=before.id, server="s1", alert="a1", date=60, exp="hot", count=1, notified=True, stale=True
        )
        outcome = server.take(data)
        assert (len(outcome.resumed), len(outcome.cleared), outcome.fired) == (resumed, cleared, ())


@given(st.lists(st.booleans(), max_size=200), st.integers(1, 5), st.integers(1, 5), st.booleans())
def test_firing_and_clearing_take_turns(samples: list[bool], up: int, down: int, consecutive: bool) -> None:
    server = Server(rule(samples=up, clear_samples=down, consecutive=consecutive))
    done = server.run("".join("T" if one else "f" for one in samples)).replace(".", "")
    assert done == ("FC" * len(done))[: len(done)]
    state = server.states.get("a1")
    assert state is None or 0 < state.count <= max(up, down)
    assert (state is not None and state.notified) == done.endswith("F")


@pytest.mark.parametrize("disabled", [{"enabled": False}, {"enabled": None}, {"expression": "memory.("}])
def test_what_is_disabled_or_does_not_compile_is_no_rule(disabled: Json) -> None:
    assert compiled({"id": "a1", "enabled": True, "expression": "hot", **disabled}) is None


class Catalogue:
    def __init__(self, *alerts: Json) -> None:
        self.alerts = alerts
        self.changes = 0

    def all(self, kind: str) -> tuple[Json, ...]:
        assert kind == "alerts"
        return self.alerts

    def get(self, kind: str, id: str) -> Json | None:
        return next((one for one in self.alerts if one["id"] == id), None)

    def version(self, kind: str) -> int:
        return self.changes


def test_rules_are_chosen_by_groups_and_follow_the_definitions() -> None:
    base = {"enabled": True, "expression": "hot", "message": ""}
    catalogue = Catalogue({**base, "id": "all"}, {**base, "id": "web", "groups": ["web", "db"]})
    rules = Rules(catalogue)
    assert [one.id for one in rules.of(())] == ["all"]
    assert [one.id for one in rules.of(("db",))] == ["all", "web"]
    assert rules.of(("db",)) is rules.of(("db",)), "chosen once"
    catalogue.alerts = ({**base, "id": "web", "enabled": False},)
    catalogue.changes += 1
    assert rules.of(("db",)) == ()
    assert rules.get("web") is None


def test_the_history_holds_an_hour_and_tells_gaps() -> None:
    history, one = History(), rule()
    for minute in range(KEPT + 10):
        history.add("s1", minute, (one,), (2 if minute % 2 else 1,))
    rows = history.of("s1", "a1")
    assert (len(rows), rows[0][0], rows[-1]) == (KEPT, 10, (KEPT + 9, "true"))
    history.add("s1", 1000, (), ())
    history.add("s1", 1060, (one,), (3,))
    assert history.of("s1", "a1")[-3:] == [(KEPT + 9, "true"), (1000, "not_evaluated"), (1060, "error")]
    for minute in range(KEPT + 1):
        history.add("s1", 2000 + minute, (rule(id="a2"),), (1,))
    assert history.of("s1", "a1") == [], "what was not evaluated for an hour takes no room"
