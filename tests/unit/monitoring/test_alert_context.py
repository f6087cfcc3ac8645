"""What alerts may read beside the sample: stretches of time, quick monitors, the fleet (alerts.md §9.10)."""

import pytest

from conductor.monitoring.alerts.context import Contexts, Recent, quick_of
from conductor.monitoring.alerts.rules import compiled
from shared.expressions import compile_expression

NOW = 1_760_000_000


def test_the_last_minutes_of_a_server() -> None:
    """Better 10: averages over five minutes, rates of change."""
    recent = Recent()
    for minute, load in enumerate((9, 1, 2, 3, 4, 6)):
        recent.add("s1", NOW + 60 * minute, {"load": load, "text": "x"})  # type: ignore[dict-item]
    found = recent.over("s1", NOW + 300, 5)
    assert found == {
        "load": {"avg": 3.2, "min": 1, "max": 6, "sum": 16, "count": 5, "first": 1, "last": 6, "change": 5}
    }
    assert recent.over("s1", NOW + 300, 60)["load"]["max"] == 9
    assert recent.over("s1", NOW + 7200, 60) == {}
    assert recent.over("s2", NOW, 5) == {}
    for minute in range(200):
        recent.add("s1", NOW + 60 * minute, {"load": minute})
    assert recent.over("s1", NOW + 60 * 199, 1000)["load"]["count"] == 60, "an hour is kept"


def test_the_fleet_is_added_up_by_groups_and_not_for_each_server() -> None:
    """Better 10: aggregates across servers."""
    recent = Recent()
    asked = []
    servers = {"s1": {"groups": ["web"]}, "s2": {"groups": ["web", "db"]}, "s3": {"groups": ["web"]}}

    def online() -> dict[str, dict[str, list[str]]]:
        asked.append(1)
        return servers

    contexts = Contexts(recent, online, lambda server_id: [])
    recent.add("s1", NOW, {"conns": 10})
    recent.add("s2", NOW, {"conns": 30})
    recent.add("gone", NOW, {"conns": 1000})
    found = contexts.of("s1", ["fleet"], NOW)["fleet"]
    assert (found["web"]["conns"]["sum"], found["web"]["conns"]["count"]) == (40, 2)
    assert found["db"]["conns"]["avg"] == 30
    for _ in range(100):
        contexts.of("s1", ["fleet"], NOW + 5)
    assert len(asked) == 1
    contexts.of("s1", ["fleet"], NOW + 11)
    assert len(asked) == 2


def test_quick_monitors_of_the_last_minute() -> None:
    """Better 10: alerts on quick values."""
    rows = [{"date": NOW, "_qm_cpu": 10, "_qm_odd": None}, {"date": NOW + 1, "_qm_cpu": 90}]
    assert quick_of(rows)["_qm_cpu"]["avg"] == 50
    assert set(quick_of(rows)) == {"_qm_cpu"}
    contexts = Contexts(Recent(), dict, lambda server_id: rows)
    assert contexts.of("s1", ["quick", "load"], NOW)["quick"]["_qm_cpu"]["max"] == 90


@pytest.mark.parametrize(
    ("expression", "reads"),
    [("load[0] > 1", set()), ("last5.load_avg.avg > 1 && quick.x.max > 2", {"last5", "quick"}),
     ("fleet.web.conns.sum > 1", {"fleet"}), ("a.last5 > 1", set())],
)  # fmt: skip
def test_only_what_is_read_is_worked_out(expression: str, reads: set[str]) -> None:
    rule = compiled({"id": "a", "enabled": True, "expression": expression, "message": ""})
    assert rule is not None
    assert rule.reads == reads


def test_a_monitor_without_values_is_undefined_and_false() -> None:
    assert not compile_expression("last5.load_avg.avg > 1").evaluate_condition({"last5": {}})
