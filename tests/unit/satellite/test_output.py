"""The log: what of the output belongs to it, and that it always comes out the same."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from satellite.jobs.directory import JobDirectory
from satellite.jobs.launch import AttemptKey
from satellite.jobs.lines import OutputLines
from satellite.jobs.output import Output
from satellite.jobs.report import PluginReport


class Run:
    """One reading of one job's files, by one satellite."""

    def __init__(self, folder: Path, **style: bool) -> None:
        self.warnings: dict[str, str] = {}
        self.directory = JobDirectory(folder, AttemptKey("j1", 1))
        if not self.directory.path.exists():
            self.directory.create()
        self.report = PluginReport()
        lines = OutputLines(self.report, self.warnings.__setitem__, percent=style.get("percent", False))
        self.output = Output(self.directory, lines)

    def write(self, name: str, data: bytes) -> None:
        with open(self.directory.file(name), "ab") as file:
            file.write(data)

    def finish(self, *, still: bool = True) -> bytes:
        while self.output.read(ended=True, still=still):
            pass
        return self.log()

    def log(self) -> bytes:
        return self.output.chunk(0, self.output.size)


def derive(tmp_path: Path, stdout: bytes, **style: bool) -> tuple[bytes, Run]:
    run = Run(tmp_path, **style)
    run.write("stdout", stdout)
    try:
        return run.finish(), run
    finally:
        run.output.close()


def test_text_is_kept_verbatim(tmp_path: Path) -> None:
    text = b"  a\r\n\n\tb \xff {not json\n{}\nlast"
    assert derive(tmp_path, text)[0] == text


def test_messages_are_not_log_and_other_json_is_compacted(tmp_path: Path) -> None:
    log, run = derive(tmp_path, b'{"xy":1,"label":"L"}\n {"a": [1, 2]} \n{"xy":0}\n')
    assert log == b'{"a":[1,2]}\n{"xy":0}\n'
    assert run.report.fields == {"label": "L"}


def test_broken_json_is_text_and_warned_of(tmp_path: Path) -> None:
    log, run = derive(tmp_path, b'x\n{"xy":1,}\n')
    assert log == b'x\n{"xy":1,}\n'
    assert list(run.warnings) == ["p2"]


def test_a_last_message_without_newline_counts(tmp_path: Path) -> None:
    log, run = derive(tmp_path, b'{"xy":1,"code":0}')
    assert log == b""
    assert run.report.completed


def test_percent_lines_are_progress_for_scripts_only(tmp_path: Path) -> None:
    log, run = derive(tmp_path, b"50%\n 5% done\n150%\n", percent=True)
    assert log == b" 5% done\n"
    assert run.report.fields["progress"] == 1.0
    (tmp_path / "other").mkdir()
    assert derive(tmp_path / "other", b"50%\n")[0] == b"50%\n"


def test_a_file_cut_by_the_job_is_read_from_its_beginning(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write("stdout", b"first line\n")
    run.output.read()
    Path(run.directory.file("stdout")).write_bytes(b"new\n")
    assert run.output.truncated()
    assert run.finish() == b"first line\nnew\n"
    run.output.close()


PIECES = st.lists(
    st.tuples(
        st.sampled_from(["stdout", "stderr"]),
        st.sampled_from(
            [
                b"text\n",
                b"part",
                b"\n",
                b'{"xy":1,"data":{"n":[1]}}\n',
                b'{"xy":1,"push":{"tags":["t"]}}\n',
                b"{bad}\n",
            ]
        ),
        st.sampled_from(["", "read", "die", "die before the cursor"]),
    ),
    max_size=25,
)


@settings(deadline=None, max_examples=60)
@given(PIECES)
def test_a_satellite_that_dies_anywhere_derives_the_same_log(pieces: list[tuple[str, bytes, str]]) -> None:
    """What was covered by the cursor stays as it is; nothing is lost, nothing twice; messages count once."""
    with TemporaryDirectory() as name:
        run = Run(Path(name))
        shipped = b""
        for stream, data, then in pieces:
            run.write(stream, data)
            if then:
                run.output.read()
                shipped = run.log()
            if then.startswith("die"):
                if "cursor" in then and run.output.size:
                    run.write("log", b"written, not covered, never shipped")
                run.output.close()
                run = Run(Path(name))
                run.output.recover()
                assert run.log() == shipped
        log = run.finish(still=False)
        streams = {
            stream: b"".join(data for name, data, _ in pieces if name == stream)
            for stream in ("stdout", "stderr")
        }
        run.output.close()
    assert log.startswith(shipped)
    messages = [line for line in streams["stdout"].split(b"\n") if line.startswith(b'{"xy"')]
    assert len(run.report.fields.get("data", {}).get("n", [])) == sum(b"data" in line for line in messages)
    assert len(run.report.fields.get("push", {}).get("tags", [])) == sum(b"push" in line for line in messages)
    assert len(log) == len(streams["stdout"]) + len(streams["stderr"]) - sum(
        len(line) + 1 for line in messages
    )


def test_a_short_jobs_log_needs_no_file_and_comes_out_again(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.write("stdout", b"a\n")
    run.write("stderr", b"b\n")
    first = run.finish()
    run.output.close()
    assert not Path(run.directory.file("log")).exists()
    again = Run(tmp_path)
    again.output.recover()
    assert again.finish() == first == b"a\nb\n"
    again.output.close()
