"""The demonstration's monitors: readings from either form of a quick sample, and their curve."""

import io

import pytest
from rich.console import Console

from conductor.cli.demo_monitors import readings
from conductor.cli.view import MonitorView, curve

_MB = 1024 * 1024


@pytest.mark.parametrize(
    "row",
    [
        {"cpu": {"currentLoad": 12.5, "avgLoad": 0.4}, "mem": {"used": 9 * _MB, "available": 2000 * _MB}},
        {"_qm_cpu_usage": 12.5, "_qm_cpu_load": 0.4, "_qm_mem_used": 9 * _MB, "_qm_mem_avail": 2000 * _MB},
    ],
)
def test_a_quick_sample_is_read_as_it_came_and_as_it_was_computed(row: dict[str, object]) -> None:
    texts = {name: text for name, (_, text) in readings(row).items()}
    assert texts == {
        "CPU": "12.5 %", "load": "0.40", "memory in use": "9 MB", "memory available": "2,000 MB",
    }  # fmt: skip


def test_what_is_missing_reads_as_nothing() -> None:
    assert readings({"date": 1, "cpu": None})["CPU"] == (0.0, "0.0 %")


@pytest.mark.parametrize(("values", "bars"), [([], ""), ([0, 0], "▁▁"), ([0, 4, 8], "▁▄█"), ([-1, 2], "▁█")])
def test_the_greatest_value_is_the_highest_bar(values: list[float], bars: str) -> None:
    assert curve(values) == bars


def test_on_a_terminal_the_curve_grows() -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=100)
    with MonitorView(console) as view:
        for value in (1.0, 2.0):
            view.show({"CPU": (value, f"{value} %")})
    assert "▄█" in written.getvalue()
