import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.filing.places import Access, Place, needs_credentials, place, storage_key

RANDOM = "Jk3x_-" + "a" * 37


@pytest.mark.parametrize(
    "path",
    [
        "files/../secret_key", "files/ann/..", "files/./a", "files//a", "/files/a", "files/%2e%2e/secret_key",
        "files/%2E%2E%2Fx", "files/a\\..\\b", "files/a\0b", "files/ä", "files/..;/a", "", "files/a b", "files/..%5cx",
        "files/" + "a" * 1100,
    ],
)  # fmt: skip
def test_tricks_name_no_file(path: str) -> None:
    assert storage_key(path) is None


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=60))
def test_no_text_leads_out_of_the_store(path: str) -> None:
    key = storage_key(f"files/{path}")
    if key is not None:
        segments = key.split("/")
        assert segments[0] == "files"
        assert not {"", ".", ".."} & set(segments)
        assert key == f"files/{path}".removesuffix("/")
        assert key.isascii()


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (f"files/jobs/j1/{RANDOM}/out.txt", Place("job", "j1", True)),
        (f"files/bucket/b1/{RANDOM}/out.txt", Place("bucket", "b1", True)),
        (f"files/ann/{RANDOM}/out.txt", Place("other", "", True)),
        (f"files/magic/{RANDOM}/a.txt", Place("other", "", True)),
        (f"files/t1/ann/{RANDOM}/a.txt", Place("other", "", True)),
        (f"files/plugins/p1/{RANDOM}/a.txt", Place("other", "", True)),
        (
            "files/ann/bdY8zZ9nKynfFUb4xH6fA3/input.csv",
            Place("other", "", True),
        ),  # 22 characters of older files
        ("files/admin/report.csv", Place("other", "", False)),
        (f"files/{RANDOM}/report.csv", Place("other", "", False)),  # a user of a long name is no secret
        ("files/jobs/j1/short/out.txt", Place("job", "j1", False)),
        ("files/a", Place("other", "", False)),
    ],
)
def test_a_path_tells_whose_the_file_is(key: str, expected: Place) -> None:
    assert place(key) == expected


@pytest.mark.parametrize(
    ("secret", "access", "browser", "needed"),
    [
        (True, "path", True, False), (True, "path", False, False),
        (True, "browsers", True, True), (True, "browsers", False, False),
        (True, "signed", True, True), (True, "signed", False, True),
        (False, "path", False, True), (False, "browsers", False, True), (False, "signed", True, True),
    ],
)  # fmt: skip
def test_who_knows_a_secret_path_may_come_in_unless_the_operator_wants_more(
    secret: bool, access: Access, browser: bool, needed: bool
) -> None:
    """files.yaml: anyone who knows a path can read it; upload_files paths are guessable."""
    assert needs_credentials(Place("other", "", secret), access, browser=browser) is needed
