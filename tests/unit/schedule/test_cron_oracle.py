"""The next run of a schedule, years ahead as well, is the one that APScheduler's cron finds.

Looking at every minute, as `test_next_run` does, reaches a day or two. APScheduler walks the calendar in a way of its
own, so that leap days, ends of months and far years are judged by somebody else. Where clocks change its rules are
others than the contract's, so zones that change theirs are compared within one summer.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger
from hypothesis import given, settings
from hypothesis import strategies as st

from conductor.definitions.crontab import lists_of
from conductor.schedule.triggers.reading import read
from tests.unit.schedule.brute import epoch

STEADY = ("UTC", "Asia/Kolkata", "Asia/Tokyo", "Etc/GMT+5", "America/Phoenix", "Asia/Kathmandu")
CHANGING = ("Europe/Berlin", "America/New_York", "Europe/Kiev", "America/St_Johns")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
SUMMER = epoch("2026-05-01T00:00")
SUMMER_ENDS = epoch("2026-09-01T00:00")
LAST = epoch("2037-12-30T00:00")


def some(low: int, high: int, most: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(low, high), max_size=most, unique=True).map(sorted)


lists = st.fixed_dictionaries(
    {
        "years": st.sampled_from([[], [], [], [2028], [2026, 2032], [2031, 2036]]),
        "months": st.one_of(st.just([]), some(1, 12, 3), st.just([2])),
        "days": st.one_of(st.just([]), some(1, 31, 3), st.sampled_from([[29], [30, 31], [31]])),
        "weekdays": some(0, 6, 3),
        "hours": some(0, 23, 3),
        "minutes": some(0, 59, 4),
    }
)


def word(numbers: list[int]) -> str:
    return ",".join(map(str, numbers)) or "*"


def cron(trigger: dict[str, list[int]], zone: str) -> CronTrigger:
    return CronTrigger(
        year=word(trigger["years"]),
        month=word(trigger["months"]),
        day=word(trigger["days"]),
        day_of_week=",".join(DAYS[day] for day in trigger["weekdays"]) or "*",
        hour=word(trigger["hours"]),
        minute=word(trigger["minutes"]),
        timezone=ZoneInfo(zone),
    )


def after(oracle: CronTrigger, moment: int) -> int | None:
    """Its first run later than this."""
    found = oracle.get_next_fire_time(None, datetime.fromtimestamp(moment + 1, UTC))
    return None if found is None else int(found.timestamp())


def ours(trigger: dict[str, object], moment: int) -> int | None:
    value = read({"type": "schedule", "enabled": True, **trigger}, "UTC")
    assert value is not None
    found = value.next_run(moment)  # type: ignore[union-attr]
    return None if found is None else int(found)


@settings(max_examples=80, deadline=None)
@given(lists, st.sampled_from(STEADY), st.integers(SUMMER, epoch("2030-01-01T00:00")))
def test_the_next_run_years_ahead_is_that_of_another_calendar(
    trigger: dict[str, list[int]], zone: str, moment: int
) -> None:
    expected = after(cron(trigger, zone), moment)
    found = ours({**trigger, "timezone": zone}, moment)
    if expected is None or expected > LAST:
        assert found is None or found > LAST
    else:
        assert found == expected


@settings(max_examples=40, deadline=None)
@given(lists, st.sampled_from(CHANGING), st.integers(SUMMER, SUMMER_ENDS))
def test_in_one_summer_zones_that_change_their_clocks_agree_as_well(
    trigger: dict[str, list[int]], zone: str, moment: int
) -> None:
    expected = after(cron(trigger, zone), moment)
    found = ours({**trigger, "timezone": zone}, moment)
    if expected is None or expected > SUMMER_ENDS:
        assert found is None or found > SUMMER_ENDS
    else:
        assert found == expected


steps = st.builds(lambda first, step: f"{first}/{step}", st.just("*"), st.integers(1, 22))
spans = st.builds(lambda low, more: f"{low}-{low + more}", st.integers(1, 10), st.integers(0, 12))
fields = st.one_of(st.just("*"), steps, spans, some(1, 22, 3).map(word))
lines = st.one_of(
    st.builds(lambda minute, hour, day, month: f"{minute} {hour} {day} {month} *", fields, fields, fields,
              st.one_of(st.just("*"), st.sampled_from(["1-6", "*/3", "feb", "jan-apr,dec"]))),
    st.builds(lambda minute, hour, day: f"{minute} {hour} * * {day}", fields, fields,
              st.sampled_from(["mon-fri", "sun", "sat,sun", "tue"])),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(lines, st.integers(SUMMER, epoch("2030-01-01T00:00")))
def test_a_crontab_line_means_what_it_means_to_others(line: str, moment: int) -> None:
    expected = after(CronTrigger.from_crontab(line, timezone=ZoneInfo("UTC")), moment)
    found = ours({**lists_of(line), "timezone": "UTC"}, moment)
    if expected is None or expected > LAST:
        assert found is None or found > LAST
    else:
        assert found == expected
