"""What a ticket's texts and due dates may be."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.records.files import safe_key
from conductor.tickets import markup
from conductor.tickets.attachments import display_name, storage_path
from conductor.tickets.due import due_at, duration, midnight
from conductor.tickets.job_facts import excerpt

BERLIN = "Europe/Berlin"
NOON = datetime(2026, 3, 28, 12, tzinfo=ZoneInfo(BERLIN)).timestamp()  # the clocks change in the next night


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("plain < 5 and > 3", "plain < 5 and > 3"),
        ("a <b>bold</b> word", "a bold word"),
        ("<script>alert('<b>')</script>after", "after"),
        ("<SCRIPT src=x>\nlong\n</ScRiPt >after", "after"),
        ("<!-- hidden --><!DOCTYPE x><?php x ?>after", "after"),
        ("<scr<script>x</script>ipt>alert(1)", "alert(1)"),
        ("<iframe src=x>never closed", "never closed"),
        ("`a<-b` and x<y", "`a<-b` and x<y"),
        ("- [ ] task\n\n> quote", "- [ ] task\n\n> quote"),
        ("<object><embed>x</embed></object>y", "y"),
    ],
)
def test_bodies_keep_their_markdown_and_lose_what_acts(text: str, clean: str) -> None:
    assert markup.body(text) == clean


@given(st.text("<>/!-sScript iframe=\"'x\n", max_size=300))
def test_no_body_keeps_a_tag_whatever_is_nested_in_it(text: str) -> None:
    clean = markup.body(text)
    assert markup._TAG_LIKE.search(clean) is None
    assert markup.body(clean) == clean


def test_a_hostile_body_takes_no_time() -> None:
    assert markup.body("<script " * 100_000) == markup.body("<script " * 100_000)
    assert "<" not in markup.body("<a" * 50_000 + ">" * 50_000)


def test_subjects_are_one_line_without_tags() -> None:
    assert markup.subject(" a <b>c</b>\n d ") == "a c d"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7 days", 604_800),
        ("1d", 86_400),
        ("3600", 3_600),
        ("1 week 2 days", 777_600),
        ("3 months", 180),  # the first letter alone counts
        ("1.5h", 5_400),
        ("soon", None),
        ("2026-12-01", None),
        ("1" * 200, None),
    ],
)
def test_durations_as_text(text: str, seconds: float | None) -> None:
    assert duration(text) == seconds


def test_offsets_lead_to_a_local_midnight_also_when_the_clocks_change() -> None:
    expected = datetime(2026, 3, 30, tzinfo=ZoneInfo(BERLIN)).timestamp()
    assert due_at("2 days", NOON, BERLIN) == expected
    assert due_at(2 * 86_400, NOON, BERLIN) == expected
    assert midnight(expected, BERLIN) == expected


@pytest.mark.parametrize("nothing", [None, "", 0])
def test_no_due_date(nothing: object) -> None:
    assert due_at(nothing, NOON, BERLIN) == 0


@pytest.mark.parametrize("bad", [True, [], {}, "soon", -5, float("nan"), 1_774_695_600_000], ids=str)
def test_ticket_yaml_a_due_date_in_milliseconds_is_refused_not_reinterpreted(bad: object) -> None:
    assert due_at(bad, NOON, BERLIN) is None


def test_absolute_times_stay_as_they_are() -> None:
    assert due_at(1_800_000_123, NOON, BERLIN) == 1_800_000_123
    assert due_at("1800000123", NOON, BERLIN) == 1_800_000_123


@given(
    st.from_regex(r"[a-z0-9_]{1,60}", fullmatch=True), st.text(max_size=60), st.text(min_size=1, max_size=300)
)
def test_every_upload_has_a_storable_path_below_its_ticket(ticket: str, user: str, name: str) -> None:
    path = storage_path(ticket, user, name)
    assert path.startswith(f"files/{ticket}/")
    assert len(path.split("/")) == 5
    assert safe_key(path) == path


def test_file_names_are_cleaned() -> None:
    assert storage_path("t1", "joe", "../My Report.PDF").rpartition("/")[2] == "my_report.pdf"
    assert storage_path("t1", "joe", "README").endswith("/readme.bin")
    assert display_name("C:\\x\\My <Report>.pdf") == "My _Report_.pdf"


def test_an_excerpt_shows_both_ends_and_closes_no_block() -> None:
    log = "\n".join(f"\x1b[31mline {number}\x1b[0m" for number in range(1, 31)) + "\n```"
    shown = excerpt(log)
    assert shown.startswith("line 1\n")
    assert "line 10\n… (11 lines) …\nline 22" in shown
    assert "```" not in shown
    assert "\x1b" not in shown
    assert excerpt(None) == ""
