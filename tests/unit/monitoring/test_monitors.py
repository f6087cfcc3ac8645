"""Values and deltas of monitors (contract monitoring.md §4)."""

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.definitions.default_monitors import monitors as stock_monitors
from conductor.monitoring.monitors import (
    MOST_STORED,
    Budget,
    Monitor,
    Monitors,
    Reading,
    evaluate,
    monitor_of,
)


def monitor(id: str = "m", source: str = "n", data_type: str = "integer", **more: Any) -> Monitor:
    return monitor_of({"id": id, "source": source, "data_type": data_type, **more})


class Catalogue:
    def __init__(self, docs: Sequence[dict[str, Any]]) -> None:
        self.docs, self.changes = docs, 1

    def all(self, kind: str) -> Sequence[dict[str, Any]]:
        assert kind == "monitors"
        return self.docs

    def version(self, kind: str) -> int:
        return self.changes


@pytest.mark.parametrize(
    ("definition", "data", "value"),
    [
        ({"source": "n", "data_type": "float"}, {"n": 5.1}, 5.09999),
        ({"source": "n > 3", "data_type": "integer"}, {"n": 5}, 0),
        ({"source": "nothing.there", "data_type": "bytes"}, {}, 0),
        ({"source": "list[.a == 1].b", "data_type": "bytes"}, {"list": []}, 0),
        ({"source": "t", "data_match": r"(\d+)"}, {"t": "3392\t0"}, 3392),
        ({"source": "t", "data_match": r"x"}, {"t": "3392"}, 0),
        ({"source": "n", "multiply": 3, "divide": 7}, {"n": 5}, 15),
        ({"source": "n", "divide": 2}, {"n": 5}, 2.5),
        ({"source": "n", "data_type": "float"}, {"n": 1e308}, 0),
        ({"source": "n", "data_type": "float"}, {"n": math.nan}, 0),
        ({"source": "n", "data_type": "bytes"}, {"n": -math.inf}, 0),
        ({"source": "n", "data_type": "bytes"}, {"n": -5}, -5),
        ({"source": "n +"}, {"n": 5}, 0),
    ],
)
def test_monitor_values(definition: dict[str, Any], data: dict[str, Any], value: float) -> None:
    one = monitor(**definition)
    assert evaluate([one], (), data, None, 60).values == {"m": value}
    assert data["monitors"] == {"m": value}


def test_a_later_monitor_sees_the_values_of_earlier_ones() -> None:
    made = evaluate([monitor("a"), monitor("b", "monitors.a + 1")], (), {"n": 4}, None, 60)
    assert made.values == {"a": 4, "b": 5}


def test_a_monitor_of_other_groups_has_no_key() -> None:
    both = [monitor("a", groups=["g1"]), monitor("b", groups=[])]
    assert evaluate(both, ["g2"], {"n": 1}, None, 60).values == {"b": 1}
    assert evaluate(both, ["g1", "g2"], {"n": 1}, None, 60).values == {"a": 1, "b": 1}
    assert evaluate(both, [], {"n": 1}, None, 60).values == {"b": 1}


def test_a_failing_monitor_is_told_and_stops_no_other() -> None:
    made = evaluate([monitor("a", "nothing[0]"), monitor("b")], (), {"n": 1}, None, 60)
    assert made.values == {"a": 0, "b": 1}
    assert list(made.faults) == ["a"]


@pytest.mark.parametrize(
    ("options", "before", "now", "seconds", "delta"),
    [
        ({}, None, 50, 60, 0),
        ({}, 0, 50, 60, 0),
        ({}, 20, 50, 60, 30),
        ({}, 50, 20, 60, -30),
        ({"delta_min_value": 0}, 50, 20, 60, 0),
        ({"delta_min_value": False}, 50, 20, 60, -30),
        ({"divide_by_delta": True}, 20, 100, 60, 1),
        ({"divide_by_delta": True}, 20, 100, 0, 80),
        ({"divide_by_delta": True, "data_type": "float"}, 20.0, 100.0, 60, 80 / 60),
        ({"divide_by_delta": True}, 100, 20, 60, -2),
    ],
)
def test_monitor_deltas(
    options: dict[str, Any], before: float | None, now: float, seconds: int, delta: float
) -> None:
    reading = None if before is None else Reading(1000, {"m": before})
    one = monitor(delta=True, **options)
    data: dict[str, Any] = {"n": now}
    assert evaluate([one], (), data, reading, 1000 + seconds).deltas == {"m": delta}
    assert data["monitors"] == {"m": now}, "the absolute value is kept"
    assert data["deltas"] == {"m": delta}


def test_a_counter_that_restarted_grew_by_what_it_shows_now() -> None:
    """Better: resets are told apart from a decrease."""
    one = monitor(delta=True)
    grown = [
        evaluate([one], (), {"n": now}, Reading(0, {"m": before}), 60).increases["m"]
        for before, now in ((100, 150), (150, 40), (40, 40), (40, -3))
    ]
    assert grown == [50, 40, 0, 0]


def test_a_clock_that_went_back_gives_no_rate() -> None:
    one = monitor(delta=True, divide_by_delta=True)
    assert evaluate([one], (), {"n": 9}, Reading(1000, {"m": 5}), 400).deltas == {"m": 0}


def test_monitors_are_read_anew_when_a_definition_changed() -> None:
    catalogue = Catalogue([{"id": "a", "source": "1", "data_type": "integer"}])
    monitors = Monitors(catalogue)
    first = monitors.all()
    assert monitors.all() is first
    catalogue.docs, catalogue.changes = [], 2
    assert monitors.all() == ()


def test_an_endless_filter_ends() -> None:
    """Better: no formula stops the minute of the fleet."""
    rows = [{"a": number} for number in range(2000)]
    one = monitor(source="count(list[.a >= 0 && root[.a > 1]])")
    made = evaluate([one], (), {"list": rows, "root": rows}, None, 60)
    assert made.values == {"m": 0}


def test_a_slow_monitor_has_a_budget_for_the_fleet() -> None:
    """Better: a catastrophic pattern costs two seconds a minute, not fifty milliseconds for each server."""
    one, other = monitor("a", "t", data_match="(x+x+)+y"), monitor("b", "1")
    budget = Budget()
    budget.begin(7)
    rounds = 0
    while not budget.exhausted:
        data = {"t": "x" * 5000}
        budget.spend(evaluate([one, other], (), data, None, 60, budget.exhausted).slow)
        rounds += 1
        assert rounds < 100
    made = evaluate([one, other], (), {"t": "xxy"}, None, 60, budget.exhausted)
    assert (made.values, made.slow) == ({"a": 0, "b": 1}, {})
    budget.begin(7)
    assert budget.exhausted == {"a"}
    budget.begin(8)
    assert not budget.exhausted


numbers = st.one_of(st.integers(), st.floats(), st.booleans(), st.none(), st.text(max_size=5))


@given(
    st.dictionaries(
        st.sampled_from(["load", "cpu", "memory", "stats", "n"]), st.one_of(numbers, st.lists(numbers))
    )
)
def test_any_data_gives_finite_numbers(data: dict[str, Any]) -> None:
    monitors = [monitor_of(doc) for doc in stock_monitors()]
    before = evaluate(monitors, (), {"n": 1}, None, 0)
    made = evaluate(monitors, (), data, Reading(0, before.values), 60)
    assert len(made.values) == len(monitors)
    for number in (*made.values.values(), *made.deltas.values()):
        assert math.isfinite(number)
        assert abs(number) <= MOST_STORED
