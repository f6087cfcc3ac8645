"""Logs of jobs that were given up while their satellite was away: whole in the record, once it is back."""

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from conductor.jobs.finisher import log_key
from shared.protocol.messages import HeldState
from tests.integration.jobs.house import House, Launched, Term, held, until

LOG = b"".join(b"line %d\n" % number for number in range(2000))


@asynccontextmanager
async def given_up(house: House, arrived: bytes = b"") -> AsyncIterator[tuple[Term, Launched]]:
    """A job archived as dead with `arrived` of its log; its satellite is back."""
    house.settings.dead_job_timeout = 0.3
    house.satellites.join("s1")
    async with house.term() as term:
        launched = await term.launched(await term.launch(await house.event()))
        if arrived:
            term.log(launched, arrived)
        del house.satellites.online["s1"]
        term.engine.server_left("s1", "gone")
        assert (await term.ended(launched.id))["code"] == "abort"
        house.satellites.result_acks.clear()  # that one reached nobody
        house.satellites.join("s1")
        await term.resumed("s1", held(launched, HeldState.FINISHED))
        yield term, launched


async def _record(house: House, launched: Launched) -> dict[str, Any]:
    acknowledged = ("s1", launched.id, 1)
    await until(lambda: acknowledged in house.satellites.result_acks, "the result is acknowledged")
    record = await house.archive.get(launched.id)
    assert record is not None
    return record


async def _asked(house: House, launched: Launched, size: int) -> None:
    await until(lambda: house.satellites.log_acks[-1:] == [("s1", launched.id, size, True)], "it asks")


@pytest.mark.parametrize("arrived", [b"", LOG[:100]])
async def test_it_is_asked_for_from_the_beginning_and_replaces_what_had_arrived(
    house: House, arrived: bytes
) -> None:
    async with given_up(house, arrived) as (term, launched):
        term.result(launched, log_size=len(LOG), data={"n": 1})
        await _asked(house, launched, 0)
        assert house.satellites.result_acks == []
        half = len(LOG) // 2
        term.log(launched, LOG[:half])
        await until(lambda: ("s1", launched.id, half, False) in house.satellites.log_acks, "acknowledged")
        term.log(launched, LOG[half + 5 :], offset=half + 5)
        await _asked(house, launched, half)
        term.log(launched, LOG[half - 5 :], offset=half - 5)
        record = await _record(house, launched)
        assert (record["code"], record["data"]) == ("warning", {"n": 1})
        assert record["output"] == LOG.decode()
        assert record["log_file_size"] == len(LOG)
        assert list(house.folder.glob("**/*.log")) == []
        term.result(launched, log_size=len(LOG), data={"n": 2})
        await until(lambda: len(house.satellites.result_acks) == 2, "acknowledged again")
        assert await house.archive.get(launched.id) == record, "a repetition changes nothing"


async def test_a_large_one_is_stored_as_a_file(house: House) -> None:
    house.settings.max_inline_job_log_size = 1000
    async with given_up(house, LOG[:100]) as (term, launched):
        term.result(launched, log_size=len(LOG))
        await _asked(house, launched, 0)
        term.log(launched, LOG)
        record = await _record(house, launched)
        assert "output" not in record
        assert record["log_file_size"] == len(LOG)
        stored = await house.files.get(log_key(launched.id))
        assert stored is not None
        assert gzip.decompress(stored) == LOG


async def test_what_was_written_until_an_abort_is_there_too(house: House) -> None:
    """The satellite ends a job that goes on without anybody waiting for it: its log is no less of interest."""
    async with given_up(house) as (term, launched):
        term.result(launched, log_size=len(LOG), code="abort", description="told so")
        await _asked(house, launched, 0)
        term.log(launched, LOG)
        record = await _record(house, launched)
        assert (record["code"], record["output"]) == ("abort", LOG.decode())
        assert "assuming job is dead" in record["description"]


async def test_it_is_not_asked_for_when_all_of_it_is_there(house: House) -> None:
    async with given_up(house, LOG) as (term, launched):
        before = list(house.satellites.log_acks)
        term.result(launched, log_size=len(LOG))
        record = await _record(house, launched)
        assert record["code"] == "warning"
        assert record["output"] == LOG.decode()
        assert house.satellites.log_acks == before


async def test_nobody_else_writes_it(house: House) -> None:
    async with given_up(house) as (term, launched):
        term.result(launched, log_size=len(LOG))
        await _asked(house, launched, 0)
        term.log(launched._replace(server="s2"), LOG)
        term.log(launched._replace(attempt=2), LOG)
        term.result(launched._replace(server="s2"), log_size=len(LOG))
        term.log(launched, LOG)
        record = await _record(house, launched)
        assert record["output"] == LOG.decode()


async def test_it_is_asked_for_again_by_the_next_primary(house: House) -> None:
    async with given_up(house) as (term, launched):
        term.result(launched, log_size=len(LOG))
        await _asked(house, launched, 0)
        term.log(launched, LOG[:100])
        await until(lambda: ("s1", launched.id, 100, False) in house.satellites.log_acks, "acknowledged")
    async with house.term() as term:
        await term.resumed("s1", held(launched, HeldState.FINISHED))
        term.result(launched, log_size=len(LOG))
        await _asked(house, launched, 0)
        term.log(launched, LOG)
        assert (await _record(house, launched))["output"] == LOG.decode()
