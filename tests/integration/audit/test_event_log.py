"""The causal event log as its readers see it, on both databases."""

from typing import Any

import msgspec
import pytest

from conductor.audit.event_log import EventLog, Filter
from conductor.audit.resources import event_id, resource_id
from conductor.records.search.restriction import Restriction
from conductor.records.store import Records
from conductor.signals import EventRow
from shared import clock
from tests.databases import database_url, postgres, records

__all__ = ["database_url", "postgres", "records"]

EVERYTHING = Restriction(frozenset(), frozenset())
START = 1_700_000_000_000_000


def row(number: int, type: str = "job.succeeded", **columns: Any) -> EventRow:
    made = EventRow(
        id=event_id(type, number), occurred=START + number * 1_000_000, type=type, actor_type="user",
        actor="admin", resource_type="automation_run", resource=resource_id("automation_run", f"j{number}"),
        correlation=event_id("story", 1), causation="", category="", groups="",
        payload=msgspec.json.encode({"id": f"j{number}"}),
    )  # fmt: skip
    return made._replace(**columns)


async def test_an_event_has_every_field_of_the_reference(records: Records) -> None:
    await records.write(events=[row(1, causation=event_id("job.started", 1))])

    page = await EventLog(records).page(Filter(), EVERYTHING, limit=100, offset=0)

    assert msgspec.json.decode(msgspec.json.encode(page)) == {
        "events": [
            {
                "actorId": "admin",
                "actorType": "user",
                "causationId": event_id("job.started", 1),
                "correlationId": event_id("story", 1),
                "eventType": "job.succeeded",
                "id": event_id("job.succeeded", 1),
                "occurredAt": "2023-11-14T22:13:21.000000Z",
                "payload": {"id": "j1"},
                "resourceId": resource_id("automation_run", "j1"),
                "resourceType": "automation_run",
                "tenantId": "default",
            }
        ],
        "hasNext": False,
        "limit": 100,
        "offset": 0,
        "total": 1,
    }


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (Filter(), [5, 4, 3, 2, 1]),
        (Filter(event_type="job.failed"), [4, 2]),
        (Filter(resource_type="decision"), [5]),
        (Filter(resource=resource_id("automation_run", "j3")), [3]),
        (Filter(correlation=event_id("story", 2)), [3]),
        (Filter(since=START + 2_000_000, until=START + 4_000_000), [4, 3, 2]),
        (Filter(event_type="job.failed", since=START + 3_000_000), [4]),
        (Filter(event_type="nothing"), []),
    ],
)
async def test_filters_narrow_the_list_and_the_total(
    records: Records, wanted: Filter, numbers: list[int]
) -> None:
    await records.write(
        events=[
            row(1), row(2, "job.failed"), row(3, correlation=event_id("story", 2)), row(4, "job.failed"),
            row(5, resource_type="decision"),
        ]
    )  # fmt: skip

    page = await EventLog(records).page(wanted, EVERYTHING, limit=100, offset=0)

    assert [msgspec.json.decode(event.payload)["id"] for event in page.events] == [f"j{n}" for n in numbers]
    assert page.total == len(numbers)


async def test_pages_tell_whether_there_is_another(records: Records) -> None:
    await records.write(events=[row(number) for number in range(5)])
    log = EventLog(records)

    first = await log.page(Filter(), EVERYTHING, limit=2, offset=0)
    last = await log.page(Filter(), EVERYTHING, limit=2, offset=4)

    assert (len(first.events), first.has_next, first.total) == (2, True, 5)
    assert (len(last.events), last.has_next, last.total) == (1, False, 5)


@pytest.mark.parametrize(
    ("restriction", "numbers"),
    [
        (Restriction(frozenset({"web"}), frozenset()), {1, 2, 4}),
        (Restriction(frozenset(), frozenset({"east"})), {1, 3, 4}),
        (Restriction(frozenset({"web"}), frozenset({"east"})), {1, 4}),
        (Restriction(frozenset({"none"}), frozenset({"e_st"})), {1}),
    ],
)
async def test_what_a_reader_may_not_see_is_neither_listed_nor_counted(
    records: Records, restriction: Restriction, numbers: set[int]
) -> None:
    await records.write(
        events=[
            row(1), row(2, category="web", groups=",west,"), row(3, category="db", groups=",east,"),
            row(4, category="web", groups=",west,east,"),
        ]
    )  # fmt: skip
    log = EventLog(records)

    page = await log.page(Filter(), restriction, limit=100, offset=0)
    seen = {int(msgspec.json.decode(event.payload)["id"][1:]) for event in page.events}

    assert (seen, page.total) == (numbers, len(numbers))
    assert (await log.aggregate(Filter(), restriction)).total == len(numbers)
    assert sum(actor.total for actor in await log.actors(Filter(), restriction)) == len(numbers)
    hidden = next(iter({1, 2, 3, 4} - numbers))
    assert await log.get(event_id("job.succeeded", hidden), restriction) is None
    assert await log.get(event_id("job.succeeded", 1), restriction) is not None


async def test_totals_are_counted_by_type_actor_and_resource(records: Records) -> None:
    await records.write(
        events=[
            row(1), row(2), row(3, "job.failed"), row(4, "schedule.fired", actor_type="schedule", actor="e1"),
            row(5, "login.refused", actor="eve", resource_type="connection"),
        ]
    )  # fmt: skip
    log = EventLog(records)

    counted = msgspec.to_builtins(await log.aggregate(Filter(), EVERYTHING))
    actors = msgspec.to_builtins(await log.actors(Filter(), EVERYTHING))

    assert counted == {
        "byActorType": [{"key": "user", "count": 4}, {"key": "schedule", "count": 1}],
        "byEventType": [
            {"key": "job.succeeded", "count": 2},
            {"key": "job.failed", "count": 1},
            {"key": "login.refused", "count": 1},
            {"key": "schedule.fired", "count": 1},
        ],
        "byResourceType": [{"key": "automation_run", "count": 4}, {"key": "connection", "count": 1}],
        "total": 5,
    }
    assert actors == [
        {"actorId": "admin", "actorType": "user", "failures": 1, "successes": 2, "total": 3},
        {"actorId": "e1", "actorType": "schedule", "failures": 0, "successes": 0, "total": 1},
        {"actorId": "eve", "actorType": "user", "failures": 1, "successes": 0, "total": 1},
    ]


async def test_a_tail_follows_by_number_and_misses_nothing(records: Records) -> None:
    log = EventLog(records)
    await records.write(events=[row(number) for number in range(3)])
    seen = await log.last()

    await records.write(events=[row(number) for number in range(3, 8)])
    first = await log.after(seen, Filter(), EVERYTHING, 3)
    rest = await log.after(first[-1][0], Filter(), EVERYTHING, 3)

    assert [number for number, _ in (*first, *rest)] == [4, 5, 6, 7, 8]
    assert await log.number_of(event_id("job.succeeded", 3)) == 4


async def test_retention_drops_the_oldest_and_the_rest_verifies(records: Records) -> None:
    log = EventLog(records)
    await records.write(events=[row(number) for number in range(10)])

    dropped = await log.drop_before(START + 4_000_000)

    assert dropped == 4
    assert await log.verify() == (6, None)
    assert await log.drop_before(START * 2) == 5
    await records.write(events=[row(99)])
    assert await log.verify() == (2, None)


async def test_the_event_log_keeps_as_many_days_as_the_settings_say(records: Records) -> None:
    log = EventLog(records)
    now = int(clock.now() * 1_000_000)
    day = 86_400 * 1_000_000
    await records.write(events=[row(number, occurred=now - (10 - number) * day) for number in range(10)])

    assert await log.expire(0) == 0
    assert await log.expire(5) == 6
    assert await log.verify() == (4, None)


async def test_only_the_primary_appends_to_the_event_log(records: Records) -> None:
    with pytest.raises(ValueError, match="primary"):
        await records.write(events=[row(1)], fenced=False)
    await records.begin_term(3, [row(2)])
    assert await EventLog(records).last() == 1
