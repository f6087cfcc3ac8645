"""The shim by itself, under every POSIX shell at hand."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from satellite.jobs import directory as directories
from satellite.jobs.directory import JobDirectory
from satellite.jobs.ending import End, end_of
from satellite.jobs.launch import AttemptKey

SHIM = Path(directories.__file__).with_name("shim.sh")
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> list[str]:
    return [request.param, "sh"] if request.param == "busybox" else [request.param]


@pytest.fixture
def directory(tmp_path: Path) -> JobDirectory:
    directory = JobDirectory(tmp_path, AttemptKey("j1", 1))
    directory.create()
    return directory


def run(shell: list[str], directory: JobDirectory, *command: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*shell, str(SHIM), directory.shim, *command], capture_output=True, timeout=20, check=False
    )


def ending(directory: JobDirectory) -> End:
    status, started = directory.read_exit(), directory.read_started()
    assert status is not None
    assert started is not None
    return end_of(status, started.killed)


@pytest.mark.parametrize(
    ("script", "end"),
    [
        ("exit 0", End(0)),
        ("exit 7", End(7)),
        ("exit 137", End(137)),
        ("kill -9 $$", End(signal="SIGKILL")),
        ("kill -SEGV $$", End(signal="SIGSEGV")),
    ],
)
def test_it_witnesses_how_the_command_ended(
    shell: list[str], directory: JobDirectory, script: str, end: End
) -> None:
    run(shell, directory, "sh", "-c", script)
    assert ending(directory) == end


def test_streams_are_the_jobs_own(shell: list[str], directory: JobDirectory) -> None:
    done = run(shell, directory, "sh", "-c", "echo out; echo err >&2; kill -9 $$")
    assert (done.stdout, done.stderr) == (b"out\n", b"err\n")


def test_a_second_shim_runs_nothing(shell: list[str], directory: JobDirectory, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    for _ in range(2):
        done = run(shell, directory, "sh", "-c", f"echo run >>{witness}")
    assert witness.read_text() == "run\n"
    assert (done.stdout, done.stderr) == (b"", b"")


def test_started_names_the_shim_and_its_start(shell: list[str], directory: JobDirectory) -> None:
    done = run(shell, directory, "sh", "-c", "echo $PPID; cat /proc/$PPID/stat")
    pid, stat = done.stdout.decode().split("\n")[:2]
    started = directory.read_started()
    assert started is not None
    # The command's parent is the shim.
    assert started.pid == int(pid)
    assert started.start_time == int(stat.rpartition(")")[2].split()[19])


def test_it_outlives_a_signal_to_its_group(shell: list[str], directory: JobDirectory) -> None:
    process = subprocess.Popen(
        [
            *shell,
            str(SHIM),
            directory.shim,
            "sh",
            "-c",
            "trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done",
        ],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        os.killpg(process.pid, 15)
        process.wait(timeout=20)
    assert ending(directory) == End(5)


def test_a_missing_command_is_127(shell: list[str], directory: JobDirectory) -> None:
    run(shell, directory, "/no/such/command")
    assert ending(directory) == End(127)


def test_names_of_streams_lead_to_pipes(shell: list[str], directory: JobDirectory) -> None:
    for name in ("out", "err"):
        os.mkfifo(directory.file(name))
    script = "for i in 1 2 3; do echo o$i >/dev/stdout; echo e$i >/dev/stderr; done; exit 6"
    with open(directory.file("o"), "wb") as out, open(directory.file("e"), "wb") as err:
        subprocess.run(
            [*shell, str(SHIM), directory.shim, "sh", "-c", script],
            stdout=out,
            stderr=err,
            timeout=20,
            check=False,
        )
    assert ending(directory) == End(6)
    assert Path(directory.file("o")).read_bytes() == b"o1\no2\no3\n"
    assert Path(directory.file("e")).read_bytes() == b"e1\ne2\ne3\n"


@pytest.mark.parametrize("content", ["", "0", "12 3\n", "x\n"])
def test_an_exit_that_is_not_whole_counts_as_none(directory: JobDirectory, content: str) -> None:
    Path(directory.file("exit")).write_text(content)
    assert directory.read_exit() is None


@pytest.mark.parametrize("content", ["", "12", "12 (sh) S 1", "garbage in here\n", "12 (a) b) S 1\n"])
def test_a_start_that_is_not_whole_counts_as_none(directory: JobDirectory, content: str) -> None:
    Path(directory.file("started")).write_text(content)
    assert directory.read_started() is None


def test_a_name_with_parentheses_is_read(directory: JobDirectory) -> None:
    fields = " ".join(str(number) for number in range(1, 50))
    Path(directory.file("started")).write_text(f"42 (a) b (c)) S {fields}\n")
    started = directory.read_started()
    assert started is not None
    assert (started.pid, started.start_time, started.killed) == (42, 19, False)
