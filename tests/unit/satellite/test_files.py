import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.jobs.inputs import InputFile, for_plugin, safe_name, shown_size, wanted
from satellite.jobs.outputs import OutputFile, Wanted, located, parsed

FILE = {"id": "f1", "filename": "forest.zip", "path": "files/ann/R/forest.zip", "size": 5, "sha256": "ab"}
DETAILS: dict[str, Any] = {"input": {"data": {"a": 1}, "files": [FILE]}, "workflowData": {}}


def test_inputs_of_a_launch() -> None:
    assert wanted({}, DETAILS) == [InputFile("forest.zip", "files/ann/R/forest.zip", 5, "ab")]
    assert wanted({"runner": True}, DETAILS) == []  # it fetches its own
    assert wanted({}, {"input": {"files": ["x", {"filename": "y"}]}}) == []
    assert wanted({}, {"input": 5}) == []


def test_a_plugin_sees_no_paths_of_what_is_on_its_disk() -> None:
    seen = for_plugin({}, DETAILS)["input"]
    assert seen == {
        "data": {"a": 1},
        "files": [{key: FILE[key] for key in ("id", "filename", "size", "sha256")}],
    }
    assert for_plugin({"runner": True}, DETAILS) is DETAILS
    assert DETAILS["input"]["files"] == [FILE]


@given(st.text(max_size=300))
def test_no_name_leads_out_of_the_working_directory(name: str) -> None:
    safe = safe_name(name)
    assert safe not in ("", ".", "..")
    assert "/" not in safe
    assert len(safe) <= 240


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (-1, "0 bytes"), (1023, "1023 bytes"), (88_231, "86.2 KB"), (5 * 1024**3, "5.0 GB")],
)
def test_sizes_are_shown_to_people(size: int, text: str) -> None:
    assert shown_size(size) == text


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("out/*.csv", Wanted("out/*.csv")),
        (["a.bin"], Wanted("a.bin")),
        (["tmp/raw.bin", "result.bin"], Wanted("tmp/raw.bin", "result.bin")),
        (["tmp/raw.bin", "result.bin", True], Wanted("tmp/raw.bin", "result.bin", True)),
        ({"path": "/x.log", "filename": "y.log", "delete": False, "id": "f9"}, Wanted("/x.log", "y.log", False, "f9")),
        ({"path": "a", "delete": 1}, Wanted("a", "", True)),
        ({}, None), (5, None), (None, None), ([], None), ("", None), ({"path": 5}, None), ({"path": "a\0b"}, None),
        ({"path": "a", "filename": 5}, None),
    ],
)  # fmt: skip
def test_entries_of_every_shape_are_read(entry: object, expected: Wanted | None) -> None:
    """satellite_agent.md, "Where to be better" 1: an entry without a path hangs the job for ever."""
    found, warnings = parsed([entry])
    assert found == ([expected] if expected else [])
    assert len(warnings) == (expected is None)


def test_globs_find_files_and_nothing_else(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", "deep/er/c.txt", "x.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    os.mkfifo(tmp_path / "pipe.txt")
    work = str(tmp_path)

    def names(*entries: Wanted) -> list[str]:
        return [os.path.relpath(file.path, work) for file in located(entries, work)[0]]

    assert names(Wanted("*.txt")) == ["a.txt", "b.txt"]
    assert names(Wanted("**/*.txt")) == ["a.txt", "b.txt", "deep/er/c.txt"]
    assert names(Wanted("none*"), Wanted("deep"), Wanted("*.txt"), Wanted("a.txt")) == ["a.txt", "b.txt"]
    assert names(Wanted(f"{tmp_path}/x.md")) == ["x.md"]
    assert located([Wanted("a.txt", "Ren [1].txt", True, "f1")], work) == (
        [OutputFile(f"{work}/a.txt", "Ren [1].txt", True, "f1")], []
    )  # fmt: skip
    assert located([Wanted("[x].txt", "x.txt"), Wanted("missing*")], work) == (
        [], ["WARNING: Output file does not exist: [x].txt"]
    )  # fmt: skip
