"""Output of running jobs on the primary."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.jobs.livelog import LiveLogs


@pytest.fixture
def logs(tmp_path: Path) -> LiveLogs:
    return LiveLogs(tmp_path)


def test_a_short_job_needs_no_file(logs: LiveLogs, tmp_path: Path) -> None:
    logs.append("j1", b"hello\n")
    assert logs.read("j1") == b"hello\n"
    logs.drop("j1")
    assert list(tmp_path.iterdir()) == []
    assert logs.size("j1") == 0


def test_sizes_to_acknowledge_are_those_written(logs: LiveLogs, tmp_path: Path) -> None:
    logs.append("j1", b"one\n")
    assert logs.flush() == {"j1": 4}
    assert (tmp_path / "j1.log").read_bytes() == b"one\n"
    logs.append("j1", b"two\n")
    assert logs.size("j1") == 8
    assert logs.flush() == {"j1": 8}
    assert logs.flush() == {}


def test_what_was_written_at_once_is_acknowledged_too(logs: LiveLogs) -> None:
    """A window full of chunks that were all written already would stay full for ever."""
    for _ in range(4):
        logs.append("j1", b"x" * 256 * 1024)
    assert logs.flush() == {"j1": 1024 * 1024}
    assert logs.flush() == {}


def test_the_next_conductor_goes_on_where_the_file_ends(logs: LiveLogs, tmp_path: Path) -> None:
    logs.append("j1", b"one\n")
    logs.flush()
    later = LiveLogs(tmp_path)
    assert later.size("j1") == 4
    later.append("j1", b"two\n")
    assert later.read("j1") == b"one\ntwo\n"
    later.drop_others({"j2"})
    assert list(tmp_path.iterdir()) == []


@given(st.lists(st.tuples(st.binary(max_size=50), st.booleans()), max_size=20), st.integers(1, 200))
def test_reading_equals_what_was_appended(
    tmp_path_factory: pytest.TempPathFactory, chunks: list, tail: int
) -> None:
    logs = LiveLogs(tmp_path_factory.mktemp("logs"))
    for chunk, flush in chunks:
        logs.append("j", chunk)
        if flush:
            logs.flush()
    whole = b"".join(chunk for chunk, _ in chunks)
    assert logs.read("j") == whole
    assert logs.tail("j", tail) == whole[-tail:]
    assert logs.size("j") == len(whole)
