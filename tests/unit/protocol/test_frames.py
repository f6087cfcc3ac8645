"""What goes over the wire and comes from it: any JSON out, nothing but JSON in."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.protocol.frames import Frame, FrameError, JsonEncoding, MsgpackEncoding
from shared.protocol.messages import JobLog, JobResult
from shared.protocol.packing import packed
from shared.protocol.updates import PLUGIN_KEYS, allowed

json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(json)
def test_what_is_sent_arrives(data: Any) -> None:
    encoding = MsgpackEncoding()
    assert encoding.decode(encoding.encode("x", data)) == Frame("x", data)


@pytest.mark.parametrize(
    ("number", "sent"),
    [
        (2**64, 2.0**64),
        (-(2**63) - 1, -(2.0**63)),
        (10**30, 1e30),
        (10**400, math.inf),
        (-(10**400), -math.inf),
    ],
    ids=["past 64 bits", "below 64 bits", "large", "past all floats", "below all floats"],
)
def test_an_integer_that_is_too_large_travels_as_a_float(number: int, sent: float) -> None:
    """One such number of a plugin's must not keep its satellite from reporting, or its job from the book."""
    encoding = MsgpackEncoding()
    result = JobResult(id="j1", attempt=1, log_size=0, job={"perf": {"n": [number, 5]}})
    received = encoding.decode(encoding.encode("job_result", result)).body()
    assert received["job"]["perf"]["n"] == [sent, 5]


def test_bytes_beside_a_large_integer_stay_bytes() -> None:
    log = JobLog(id="j1", attempt=1, offset=2**70, data=b"\x00\xff")
    assert msgspec.msgpack.decode(packed(log))["data"] == b"\x00\xff"


@pytest.mark.parametrize(
    "message",
    [
        b"", b"\xc1", b"\x80", b"\x81\xa3cmd\x05", msgspec.msgpack.encode([1, 2]),
        b"\x82\xa3cmd\xa1x\xa4data\x81\x80\x01", "text",
    ],
)  # fmt: skip
def test_what_is_no_frame_is_refused(message: Any) -> None:
    with pytest.raises(FrameError):
        MsgpackEncoding().decode(message)


@pytest.mark.parametrize("message", ["", "[]", '{"cmd":5}', '{"cmd":"x","data":%s}' % ("1" * 5000), b"\xff"])
def test_what_is_no_text_frame_is_refused(message: Any) -> None:
    with pytest.raises(FrameError):
        JsonEncoding().decode(message)


@pytest.mark.parametrize(
    ("progress", "kept"),
    [(0.5, 0.5), (10**400, 1.0), (-(10**400), 0.0), (True, None), ("1", None)],
    ids=["half", "huge", "far below", "a flag", "a text"],
)
def test_progress_is_a_fraction_whatever_was_printed(progress: Any, kept: float | None) -> None:
    assert allowed({"progress": progress}, PLUGIN_KEYS).get("progress") == kept
