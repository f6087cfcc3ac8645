"""A plugin or a satellite out of bounds costs its own job something, and nobody else anything."""

import asyncio
from pathlib import Path

import pytest

from conductor.jobs.notes import MAX_ROWS
from shared import clock
from shared.protocol.messages import JobUpdate, MetaRow
from tests.integration.jobs.house import House, Launched, Term, until

HOUR = 3600.0
MEGABYTE = 1024**2


async def started(house: House, term: Term) -> Launched:
    house.satellites.join("s1")
    return await term.launched(await term.launch(await house.event()))


def told(term: Term, launched: Launched, part: str) -> list[str]:
    return [row["msg"] for row in term.job(launched.id).details["activity"] if part in row["msg"]]


async def test_output_beyond_the_bound_is_counted_and_let_go_and_said_on_the_job(house: House) -> None:
    house.settings.max_job_log_size = 1000
    async with house.term() as term:
        launched = await started(house, term)
        for number in range(50):
            term.log(launched, b"x" * 100, offset=100 * number)
        await until(
            lambda: ("s1", launched.id, 5000, False) in house.satellites.log_acks, "all is acknowledged"
        )
        assert told(term, launched, "is not kept") == ["Output beyond 1000 bytes is not kept."]
        assert sum(file.stat().st_size for file in (house.folder / "logs" / "jobs").glob("*.log")) == 1000
        term.result(launched, log_size=5000)
        record = await term.ended(launched.id)
        assert (record["code"], record["output"], record["log_file_size"]) == (0, "x" * 1000, 5000)


async def test_a_line_of_fifty_megabytes_is_a_log_like_any_other(house: House) -> None:
    async with house.term() as term:
        launched = await started(house, term)
        other = await term.launched(await term.launch(await house.event(title="Other")))
        part = b"y" * MEGABYTE
        for number in range(50):
            term.log(launched, part, offset=number * MEGABYTE)
            if number % 10 == 0:
                await asyncio.sleep(0)
        assert len(term.engine.logs.tail(launched.id, 100)) == 100
        term.result(other)
        assert (await term.ended(other.id))["code"] == 0
        term.result(launched, log_size=50 * MEGABYTE)
        record = await term.ended(launched.id)
        assert (record["log_file_size"], "output" in record) == (50 * MEGABYTE, False)


async def test_output_that_is_no_utf8_is_kept_as_far_as_text_can(house: House) -> None:
    async with house.term() as term:
        launched = await started(house, term)
        term.log(launched, b"a\xff\xfe\xc3\n\x00b\n")
        term.result(launched, log_size=8)
        assert (await term.ended(launched.id))["output"] == "a\ufffd\ufffd\ufffd\n\x00b\n"


async def test_a_flood_of_updates_is_one_write_and_keeps_the_last(house: House) -> None:
    async with house.term() as term:
        launched = await started(house, term)
        for number in range(5000):
            update = {"progress": number / 5000, "status": f"step {number}"}
            rows = [MetaRow(id=f"m{number}", epoch=clock.now(), msg="x" * 10_000)] if number < 2000 else []
            message = JobUpdate(id=launched.id, attempt=1, update=update, meta=rows)
            term.engine.reports.update("s1", message)
        job = term.job(launched.id)
        assert job.job["status"] == "step 4999"
        assert len(job.details["activity"]) == MAX_ROWS
        assert max(len(row["msg"]) for row in job.details["activity"]) == 4096
        assert job.details["activity"][0]["msg"].startswith("Job starting"), "the beginning is kept"


async def test_what_is_too_large_or_has_no_shape_is_left_out_and_said_once(house: House) -> None:
    async with house.term() as term:
        launched = await started(house, term)
        large = {"blob": "z" * (17 * MEGABYTE)}
        for _ in range(3):
            update = {"data": large, "table": {"rows": "x"}, "progress": 0.5}
            term.engine.reports.update("s1", JobUpdate(id=launched.id, attempt=1, update=update))
        assert "data" not in term.job(launched.id).details
        assert "table" not in term.job(launched.id).job
        assert len(told(term, launched, "The plugin's data is larger")) == 1
        assert len(told(term, launched, "The plugin's table has no rows")) == 1
        term.result(launched, table={"rows": [[1]]}, data={"n": 1})
        record = await term.ended(launched.id)
        assert (record["table"], record["data"]) == ({"rows": [[1]]}, {"n": 1})


@pytest.mark.parametrize("off", [HOUR, -HOUR])
async def test_a_satellite_whose_clock_is_an_hour_off_writes_rows_of_now_and_it_is_said(
    house: House, off: float
) -> None:
    async with house.term() as term:
        launched = await started(house, term)
        began = clock.now()
        for number in range(3):
            row = MetaRow(id=f"m{number}", epoch=clock.now() + off, msg=f"row {number}")
            term.engine.reports.update("s1", JobUpdate(id=launched.id, attempt=1, meta=[row]))
        rows = [row for row in term.job(launched.id).details["activity"] if row["msg"].startswith("row ")]
        assert [row["msg"] for row in rows] == ["row 0", "row 1", "row 2"]
        assert all(abs(row["epoch"] - began) < 5 for row in rows)
        assert len(told(term, launched, "The satellite's clock is 3600 seconds")) == 1
        term.result(launched)
        assert 0 <= (await term.ended(launched.id))["elapsed"] < 5


async def test_processes_become_timelines_and_sums(house: House) -> None:
    async with house.term() as term:
        launched = await started(house, term)
        procs = {"7": {"pid": 7, "cpu": 1.0, "memRss": 5, "command": "x", "disk": 9, "net": 0, "user": "me"}}
        for _ in range(3):
            update = {"procs": procs, "conns": [{"delta": 11}]}
            term.engine.reports.update("s1", JobUpdate(id=launched.id, attempt=1, update=update))
        term.result(launched)
        record = await term.ended(launched.id)
        assert (len(record["timelines"]["second"]), len(record["timelines"]["minute"])) == (3, 1)
        assert (record["disk"], record["net"]) == ({"total": 0, "count": 0}, {"total": 11, "count": 1})
        assert {"procs", "conns"}.isdisjoint(record)


async def test_a_late_result_brings_no_more_than_a_timely_one_may(house: House, tmp_path: Path) -> None:
    """A repetition passes the same allow-list."""
    async with house.term() as term:
        launched = await started(house, term)
        term.result(launched, code=0)
        term.result(launched, code=0, server="s9", event="other", username="root")
        record = await term.ended(launched.id)
        assert (record["server"], record["username"]) == ("s1", "ann")


async def test_pushed_limits_join_the_list_and_are_bounded(house: House) -> None:
    async with house.term() as term:
        launched = await started(house, term)
        pushed = [{"type": "mem", "enabled": True, "amount": 5}, 7, {"type": "cpu"}]
        push = {"limits": pushed, "tags": ["x"]}
        term.engine.reports.update("s1", JobUpdate(id=launched.id, attempt=1, update={"push": push}))
        assert term.job(launched.id).job["limits"] == [{**pushed[0], "source": "job"}]  # type: ignore[dict-item]
        for _ in range(200):
            term.engine.reports.update("s1", JobUpdate(id=launched.id, attempt=1, update={"push": push}))
        assert len(term.job(launched.id).job["limits"]) == 100
