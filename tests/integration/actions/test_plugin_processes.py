"""Processes of action plugins by themselves: many of them, and those that are given up."""

import asyncio
import gc
import os
import warnings
from pathlib import Path

import psutil
import pytest
import uvloop

from conductor.actions.plugin_process import Ended, PluginProcesses, Start
from tests.integration.jobs.house import until


def started(folder: Path, script: str) -> Start:
    return Start(
        command="/bin/sh", script=script, script_name="marks", cwd=str(folder),
        environment={"PATH": os.environ["PATH"]}, stdin=b"x" * 100_000, timeout=20.0,
    )  # fmt: skip


@pytest.fixture(params=["told of the end", "asks for it"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels that tell of a process's end by a descriptor, and others."""
    if request.param != "told of the end":
        monkeypatch.delattr(os, "pidfd_open", raising=False)


@pytest.mark.usefixtures("either_way")
def test_many_at_once_on_the_loop_that_the_conductor_runs_on(tmp_path: Path) -> None:
    """Pipes that were closed twice took other plugins' descriptors with them."""
    start = started(tmp_path, 'echo "one $PWD"; echo two >&2')

    async def all_of_them() -> list[Ended]:
        processes = PluginProcesses(16)
        try:
            return [
                one
                for _ in range(4)
                for one in await asyncio.gather(*(processes.run(start) for _ in range(24)))
            ]
        finally:
            processes.close()

    ended = uvloop.run(all_of_them())
    assert {(one.code, one.stdout, one.stderr) for one in ended} == {(0, f"one {tmp_path}\n", "two\n")}


@pytest.mark.usefixtures("either_way")
async def test_those_that_take_long_leave_threads_for_everything_else(tmp_path: Path) -> None:
    """A thread that waited for each of them left none for files and logs once six plugins ran."""
    processes = PluginProcesses(16)
    start = started(tmp_path, f"touch {tmp_path}/$$.runs; exec sleep 60")
    running = [asyncio.ensure_future(processes.run(start)) for _ in range(12)]
    try:
        await until(lambda: len(list(tmp_path.glob("*.runs"))) == 12, "all of them run")
        async with asyncio.timeout(5):
            assert await asyncio.to_thread(lambda: "free") == "free"
    finally:
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        processes.close()


@pytest.mark.usefixtures("either_way")
@pytest.mark.parametrize("moments", [0, 1, 3, 30])
async def test_one_that_is_given_up_leaves_neither_a_process_nor_a_zombie(
    tmp_path: Path, moments: int
) -> None:
    """While it is being started, and after."""
    processes = PluginProcesses(4)
    start = started(tmp_path, "exec sleep 60")
    others = set(psutil.Process().children())
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        running = [asyncio.ensure_future(processes.run(start)) for _ in range(8)]
        for _ in range(moments):
            await asyncio.sleep(0.005)
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await until(lambda: set(psutil.Process().children()) <= others, "nothing of it is left")
        del running
        gc.collect()
        processes.close()
    assert [str(one.message) for one in warned] == []
