"""What the query language knows beyond the original's (search.md, "Where to be better" 3, 4 and 5)."""

import time

import pytest

from conductor.records.search.index import JOBS, TICKETS
from conductor.records.search.language import parse, remarks
from conductor.records.search.stems import stem
from conductor.records.search.tree import EVERYTHING, NOTHING, And, Not, Or, Prefix, Span, Tree, Word


def at(hour: int, minute: int = 0, second: int = 0) -> int:
    return int(time.mktime((2026, 5, 17, hour, minute, second, 0, 0, -1)))


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ("tags:back*", Prefix("tags", "back")),
        ("tags:nightly-back*", And((Word("tags", "nightly"), Prefix("tags", "back")))),
        ("tags:a*|b", Or((Prefix("tags", "a"), Word("tags", "b")))),
        ('(tags =~ "back*")', Prefix("tags", "back")),
        ("tags:*", EVERYTHING),
        ("* -tags:_error", Not(Word("tags", "_error"))),
        ("-tags:_error", NOTHING),
        ("* -date:2026-05-17T10:00..2026-05-17T11:00", Not(Span("date", at(10), at(11, 1)))),
        ("date:2026-05-17T10:30", Span("date", at(10, 30), at(10, 31))),
        ("date:>=2026-05-17_10:30:15", Span("date", at(10, 30, 15), None)),
        ("date:2026-05-17T25:00", NOTHING),
    ],
)
def test_prefixes_exclusions_alone_and_minutes(query: str, tree: Tree) -> None:
    assert parse(query, JOBS, 0.0) == tree


def test_a_prefix_in_a_stemmed_field_is_no_stem() -> None:
    assert parse("body:failed backu*", TICKETS, 0.0) == And((Word("body", "fail"), Prefix("body", "backu")))


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", 0),
        ("tags:_error", 0),
        ("(tags = 1)", 0),
        ("colour:red", 1),
        ("colour:red colour:blue", 1),
        ("date:someday", 1),
        ("date:1|2", 0),
        ("date:1..x", 1),
    ],
)
def test_what_was_ignored_is_said(query: str, said: int) -> None:
    """search.md, "Where to be better" 5: the original ignores it in silence."""
    assert len(remarks(query, JOBS)) == said


def test_remarks_are_those_of_the_index() -> None:
    assert remarks("status:open", TICKETS) == ()
    assert len(remarks("status:open", JOBS)) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("fail", "fails", "failed", "failing"),
        ("backup", "backups"),
        ("retry", "retries", "retried"),
        ("stop", "stops", "stopped", "stopping"),
        ("hope", "hopes", "hoped", "hoping"),
        ("address", "addresses"),
        ("agree", "agreed"),
    ],
)
def test_stems_are_shared(words: tuple[str, ...]) -> None:
    assert len({stem(word) for word in words}) == 1


@pytest.mark.parametrize("word", ["", "a", "2_5", "status", "задача", "red", "bring"])
def test_what_has_no_ending_is_its_own_stem(word: str) -> None:
    assert stem(word) == word
