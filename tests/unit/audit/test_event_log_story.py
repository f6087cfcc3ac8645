"""The tree of what caused what."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from conductor.audit.event_log import Event, moment
from conductor.audit.resources import correlation, event_id, is_uuid, kind_type, resource_id
from conductor.audit.story import lines, tree


def event(id: str, cause: str | None, at: int = 0) -> Event:
    return Event(
        id=id, event_type="job.started", occurred_at=moment(at), actor_type="user", actor_id="admin",
        resource_type="automation_run", resource_id="r", correlation_id="c", causation_id=cause,
        payload=msgspec.Raw(b"{}"),
    )  # fmt: skip


def test_each_event_stands_under_its_cause_with_the_time_in_between() -> None:
    events = [
        event("a", None),
        event("b", "a", 1_500_000),
        event("c", "a", 2_000_000),
        event("d", "b", 2_250_000),
    ]

    shown = [(depth, chapter.event.id, chapter.after) for depth, chapter in lines(tree(events))]

    assert shown == [(0, "a", None), (1, "b", 1.5), (2, "d", 0.75), (1, "c", 2.0)]


def test_an_event_whose_cause_is_not_there_is_a_root() -> None:
    assert [chapter.event.id for chapter in tree([event("b", "elsewhere"), event("c", "b")])] == ["b"]


@given(st.dictionaries(st.integers(0, 12), st.integers(0, 12), max_size=13))
def test_every_event_is_told_once_whatever_its_causes(causes: dict[int, int]) -> None:
    events = [event(str(id), str(cause)) for id, cause in causes.items()]

    assert sorted(chapter.event.id for _, chapter in lines(tree(events))) == sorted(one.id for one in events)


def test_ids_are_uuids_made_of_what_they_name() -> None:
    assert is_uuid(resource_id("automation", "e1"))
    assert resource_id("automation", "e1") != resource_id("automation_run", "e1")
    assert (
        event_id("job.started", "j1", 1)
        == event_id("job.started", "j1", 1)
        != event_id("job.started", "j1", 2)
    )
    assert correlation(event_id("x")) == event_id("x")
    assert is_uuid(correlation("any words"))
    assert kind_type("events") == "automation"
    assert kind_type("roles") == "template"
