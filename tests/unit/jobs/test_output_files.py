import pytest

from conductor.jobs.output_files import own_files, with_own_files

OWN = {"id": "f1", "filename": "a.txt", "path": "files/jobs/j1/R/a.txt", "size": 3, "job": "j1"}


@pytest.mark.parametrize(
    "stranger",
    [
        "out/*.txt",
        5,
        None,
        {},
        {**OWN, "path": "files/jobs/j2/R/a.txt"},
        {**OWN, "path": "files/jobs/j1/../j2/R/a.txt"},
        {**OWN, "path": "files/ann/R/a.txt"},
        {**OWN, "path": "files/jobs/j1/"},
        {**OWN, "path": 7},
    ],
)
def test_a_satellite_lists_files_of_its_job_alone(stranger: object) -> None:
    assert own_files([stranger, OWN, OWN], "j1") == [OWN]


def test_what_was_listed_is_of_the_right_type() -> None:
    bare = {"path": "files/jobs/j1/R/a.txt", "filename": 5, "job": "j9"}
    assert own_files([bare], "j1") == [{**bare, "filename": "5", "job": "j1"}]


def test_details_without_files_of_their_own_have_none() -> None:
    assert with_own_files({"data": {}, "files": ["a"]}, "j1") == {"data": {}}
    assert with_own_files({"data": {}}, "j1") == {"data": {}}
    assert with_own_files({"files": [OWN]}, "j1") == {"files": [OWN]}
