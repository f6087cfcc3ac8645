import gzip
import json
from pathlib import Path

import pytest

from conductor.administration.log_search import LogQuery, search
from conductor.errors import BadParameter


def entry(number: int, **more: object) -> str:
    made = {
        "event": f"thing {number} happened",
        "level": "warning" if number % 2 else "info",
        "timestamp": f"2026-05-17T10:00:{number:02d}Z",
        "logger": "conductor.jobs.engine" if number % 2 else "conductor.api.kernel",
        "host": "h",
        "pid": 7,
        **more,
    }
    return json.dumps(made) + "\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    text = "".join(entry(number) for number in range(10)) + "no json\n" + '{"event": ' + "\n"
    (tmp_path / "conductor.log").write_text(text)
    with gzip.open(tmp_path / "conductor.log.2026-05-16.gz", "wt") as archive:
        archive.write(entry(42, job="j1"))
    return tmp_path


def found(folder: Path, **query: object) -> list[str]:
    asked = LogQuery(**({"log": "xyOps", "rows": 3, "columns": ("msg",)} | query))  # type: ignore[arg-type]
    return [row["msg"] for row in search(folder, asked)[0]]


def test_the_last_matching_entries_in_order(folder: Path) -> None:
    assert found(folder) == ["thing 7 happened", "thing 8 happened", "thing 9 happened"]
    assert found(folder, match="THING 3") == ["thing 3 happened"]
    assert found(folder, match="THING 3", case=True) == []
    assert found(folder, match="thing [45]", regex=True) == ["thing 4 happened", "thing 5 happened"]
    assert found(folder, log="Job", rows=1) == ["thing 9 happened"]
    assert found(folder, log="API", rows=1) == ["thing 8 happened"]
    assert found(folder, date="2026-05-16") == ["thing 42 happened"]


def test_columns_are_those_of_the_original(folder: Path) -> None:
    rows, total = search(folder, LogQuery(log="xyops", rows=1, date="2026-05-16"))
    assert total == 1
    assert rows == [
        {
            "hires_epoch": 1779012042.0,
            "date": "2026-05-17 10:00:42",
            "hostname": "h",
            "pid": 7,
            "component": "jobs" if 42 % 2 else "api",
            "category": "debug",
            "code": "5",
            "msg": "thing 42 happened",
            "data": '{"job":"j1"}',
        }
    ]


def test_a_file_that_is_not_there_has_no_length(folder: Path) -> None:
    assert search(folder, LogQuery(log="xyops", rows=1, date="1999-01-01")) == ([], None)
    assert search(folder, LogQuery(log="nonsense", rows=1)) == ([], None)


@pytest.mark.parametrize(
    "query",
    [{"match": "(", "regex": True}, {"columns": ("msg", "colour")}, {"date": "../x"}, {"date": "today"}],
)
def test_bad_questions_are_refused(folder: Path, query: dict[str, object]) -> None:
    """admin.yaml, "Where to be better": the original never answers a bad pattern."""
    with pytest.raises(BadParameter):
        found(folder, **query)


def test_a_pattern_cannot_hold_up_the_house(tmp_path: Path) -> None:
    """search.md, "Where to be better" 10: unbounded regular expressions."""
    (tmp_path / "conductor.log").write_text(entry(1, data="a" * 5000 + "!"))
    with pytest.raises(BadParameter, match="too long"):
        found(tmp_path, match="(a|aa)+$", regex=True)
