"""Queues that wait for a server take turns (contract jobs.md §9, "Where to be better" 8)."""

from conductor.jobs.turns import Turns


def test_the_queue_that_was_asked_longest_ago_comes_first() -> None:
    turns = Turns()
    for line in ("a", "b", "c"):
        turns.wait(line, urgent=False)
    assert turns.next(2) == ["a", "b"]
    assert turns.next(2) == ["c", "a"]


def test_one_that_waits_already_keeps_its_place_and_one_that_was_served_begins_anew() -> None:
    turns = Turns()
    for line in ("a", "b", "a"):
        turns.wait(line, urgent=False)
    assert turns.all() == ["a", "b"]
    turns.served("a")
    turns.wait("a", urgent=False)
    assert turns.all() == ["b", "a"]


def test_a_priority_job_at_the_head_puts_its_queue_before_the_others() -> None:
    turns = Turns()
    turns.wait("a", urgent=False)
    turns.wait("b", urgent=True)
    assert turns.next(1) == ["b"]
    turns.wait("b", urgent=False)
    assert turns.all() == ["a", "b"]
    assert len(turns) == 2
