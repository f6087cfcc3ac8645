"""The journal: durable before the call back, whole after any death."""

import asyncio
from pathlib import Path

from satellite.jobs.journal import Journal
from satellite.jobs.launch import AttemptKey

A, B = AttemptKey("ja", 1), AttemptKey("jb", 2)


async def take(journal: Journal, *keys: AttemptKey) -> None:
    loop = asyncio.get_running_loop()
    waiting = []
    for key in keys:
        future: asyncio.Future[None] = loop.create_future()
        journal.take(key, lambda failure, future=future: future.set_result(None) if failure is None else None)  # type: ignore[misc]
        waiting.append(future)
    async with asyncio.timeout(10):
        await asyncio.gather(*waiting)


async def test_a_taken_attempt_is_on_disk_when_told(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", "boot")
    assert journal.open() == {}
    await take(journal, A, B)
    assert (tmp_path / "journal").read_text() == "taken ja 1 boot\ntaken jb 2 boot\n"
    journal.close()


async def test_forgotten_attempts_are_gone_after_a_restart(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", "boot")
    journal.open()
    await take(journal, A, B)
    journal.forget(A)
    journal.close()
    again = Journal(tmp_path / "journal", "boot")
    assert again.open() == {B: True}
    again.close()


async def test_another_boot_and_torn_lines_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_text("taken ja 1 boot\nrubbish\ntaken jb 2 bo")
    journal = Journal(path, "later")
    assert journal.open() == {A: False}
    journal.close()
