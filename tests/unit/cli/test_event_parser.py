from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from conductor.cli.client import Event, EventParser

STREAM = (
    b"event: start\ndata: {}\n\n"
    b'event: update\ndata: {"xy":1,"progress":0.5}\n\n'
    b": a comment keeps the connection open\n\n"
    b"event: end\ndata: {}\n\n"
)
EVENTS = [Event("start", {}), Event("update", {"xy": 1, "progress": 0.5}), Event("end", {})]


def _events(chunks: list[bytes]) -> list[Event]:
    parser = EventParser()
    return [event for chunk in chunks for event in parser.feed(chunk)]


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_the_events_do_not_depend_on_where_the_stream_is_cut(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(STREAM)]
    chunks = [STREAM[start:end] for start, end in pairwise(places)]
    assert _events(chunks) == EVENTS


def test_carriage_returns_are_part_of_line_ends() -> None:
    assert _events([STREAM.replace(b"\n", b"\r\n")]) == EVENTS


def test_an_unfinished_event_is_kept_back() -> None:
    assert _events([b"event: start\ndata: {}\n"]) == []
