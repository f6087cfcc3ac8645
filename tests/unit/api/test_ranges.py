from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.api.ranges import Part, etag, not_modified, part
from conductor.records.files import Stat

STAT = Stat(1000, 1_754_783_040, "23-1f")
TAG = etag(STAT)
DATE = formatdate(STAT.modified, usegmt=True)
LATER = formatdate(STAT.modified + 60, usegmt=True)
EARLIER = formatdate(STAT.modified - 60, usegmt=True)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("bytes=0-9", Part(206, 0, 10)),
        ("bytes=10-", Part(206, 10, 1000)),
        ("bytes=-10", Part(206, 990, 1000)),
        ("bytes=-5000", Part(206, 0, 1000)),
        ("bytes=990-5000", Part(206, 990, 1000)),
        ("bytes=999-999", Part(206, 999, 1000)),
        ("bytes=1000-", Part(416)),
        ("bytes=5-4", Part(416)),
        ("bytes=-0", Part(416)),
        ("bytes=-", Part(416)),
        ("bytes=0-1,5-6", Part(416)),
        ("items=0-1", Part(416)),
        ("bytes=" + "9" * 5000 + "-", Part(416)),
        ("bytes=١-٢", Part(416)),
    ],
)
def test_ranges_have_right_arithmetic(wanted: str, expected: Part) -> None:
    """files.yaml: broken Range arithmetic corrupts resumed downloads and media seeking."""
    assert part("GET", {"Range": wanted}, STAT) == expected


@given(
    st.integers(min_value=0, max_value=50), st.integers(min_value=0, max_value=60) | st.none(),
    st.integers(min_value=0, max_value=60) | st.none(),
)  # fmt: skip
def test_a_range_is_what_slicing_gives(size: int, first: int | None, last: int | None) -> None:
    body = bytes(range(size))
    header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    answer = part("GET", {"Range": header}, Stat(size, 0, ""))
    suffix = body[-last:] if last else b""
    expected = suffix if first is None else body[first : None if last is None else last + 1]
    assert (body[answer.start : answer.end] if answer.status == 206 else b"") == expected
    assert answer.status == (206 if expected else 416)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, False),
        ({"If-None-Match": TAG}, True),
        ({"If-None-Match": f'"other", W/{TAG}'}, True),
        ({"If-None-Match": "*"}, True),
        ({"If-None-Match": '"other"'}, False),
        ({"If-Modified-Since": DATE}, True),
        ({"If-Modified-Since": LATER}, True),
        ({"If-Modified-Since": EARLIER}, False),
        ({"If-Modified-Since": "yesterday"}, False),
        ({"If-None-Match": TAG, "If-Modified-Since": EARLIER}, False),  # every one that was sent must match
        ({"If-None-Match": '"other"', "If-Modified-Since": LATER}, False),
    ],
)
def test_conditions(headers: dict[str, str], expected: bool) -> None:
    assert not_modified(headers, STAT) is expected
    assert (part("HEAD", headers, STAT).status == 304) is expected


@pytest.mark.parametrize(
    ("condition", "status"),
    [(TAG, 206), ('"other"', 200), (DATE, 206), (LATER, 200), ("W/" + TAG, 200), ("?", 200)],
)
def test_a_resumed_download_begins_anew_when_the_file_has_changed(condition: str, status: int) -> None:
    assert part("GET", {"Range": "bytes=5-", "If-Range": condition}, STAT).status == status


def test_ranges_are_for_get_alone() -> None:
    assert part("HEAD", {"Range": "bytes=0-1"}, STAT) == Part(200, 0, 1000)


def test_the_tag_begins_as_clients_know_it_and_sees_rewrites_within_a_second() -> None:
    """files.yaml: ETag of size and seconds misses same-second rewrites."""
    assert TAG.startswith('"1000-1754783040-')
    assert etag(STAT._replace(etag="24-20")) != TAG
    assert etag(STAT._replace(etag="")) == '"1000-1754783040"'
