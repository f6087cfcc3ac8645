"""What plugins show gets a shape and a bound (contract jobs.md §17)."""

from typing import Any

import pytest

from conductor.jobs.bounds import MOST_BYTES, bounded
from conductor.jobs.outlook import seconds_left


@pytest.mark.parametrize(
    ("update", "kept"),
    [
        ({"table": {"rows": [[1, "a"]], "header": ["n", "s"], "caption": "c"}}, True),
        ({"table": {"rows": [1]}}, False),
        ({"table": {"rows": {}}}, False),
        ({"table": {"rows": [], "header": "x"}}, False),
        ({"table": 5}, False),
        ({"html": {"title": "t", "content": "<b>x</b>", "caption": "c"}}, True),
        ({"markdown": {"content": 5}}, False),
        ({"text": "plain"}, False),
        ({"data": {"blob": "x" * (MOST_BYTES + 1)}}, False),
        ({"data": {"blob": "x" * 1000}}, True),
        ({"perf": "a=1&b=2"}, True),
        ({"perf": "x" * (MOST_BYTES + 1)}, False),
    ],
    ids=str,
)
def test_what_has_no_shape_or_no_bound_is_left_out_and_said(update: dict[str, Any], kept: bool) -> None:
    found, faults = bounded({**update, "progress": 0.5})
    assert found == ({**update, "progress": 0.5} if kept else {"progress": 0.5})
    assert bool(faults) is not kept


def test_a_description_of_fifty_megabytes_is_cut() -> None:
    found, faults = bounded({"description": "x" * 50_000_000, "status": "short"})
    assert len(found["description"]) < 70_000
    assert (found["status"], len(faults)) == ("short", 1)


@pytest.mark.parametrize(
    ("job", "left"),
    [
        ({"state": "active", "started": 100.0, "progress": 0.25}, 60.0),
        ({"state": "active", "started": 115.0, "progress": 0.25}, None),
        ({"state": "active", "started": 100.0, "progress": 0}, None),
        ({"state": "active", "started": 100.0, "progress": 1}, None),
        ({"state": "queued", "started": 100.0, "progress": 0.5}, None),
        ({"state": "active", "started": "x", "progress": "y"}, None),
    ],
)
def test_when_a_job_will_have_ended(job: dict[str, Any], left: float | None) -> None:
    assert seconds_left(job, 120.0) == left
