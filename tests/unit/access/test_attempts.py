"""Counting failed logins."""

import pytest

from conductor.access import attempts
from conductor.access.attempts import Attempts


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    time = [7_200.0]
    monkeypatch.setattr(attempts, "now", lambda: time[0])
    return time


def test_an_address_is_exhausted_on_one_account(moment: list[float]) -> None:
    counting = Attempts(limit=2, of_address=10)
    for _ in range(2):
        counting.failed("192.0.2.1", "ann")
    assert not counting.exhausted("192.0.2.1", "ann")
    counting.failed("192.0.2.1", "ann")
    assert counting.exhausted("192.0.2.1", "ann")
    assert not counting.exhausted("192.0.2.2", "ann")
    assert not counting.exhausted("192.0.2.1", "bob")
    counting.forgive("ann")
    assert not counting.exhausted("192.0.2.1", "ann")


def test_one_address_cannot_try_every_account(moment: list[float]) -> None:
    """Hole: no throttling by address."""
    counting = Attempts(limit=5, of_address=4)
    for number in range(4):
        assert not counting.refused("192.0.2.1")
        counting.failed("192.0.2.1", f"user{number}")
    assert counting.refused("192.0.2.1")
    assert not counting.refused("192.0.2.2")


def test_the_next_window_begins_at_zero(moment: list[float]) -> None:
    counting = Attempts(limit=0, of_address=1, seconds=60)
    counting.failed("192.0.2.1", "ann")
    assert counting.refused("192.0.2.1")
    moment[0] += 60
    assert not counting.refused("192.0.2.1")
    assert not counting.exhausted("192.0.2.1", "ann")


def test_counters_are_bounded(moment: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_MOST", 10)
    counting = Attempts(limit=1, of_address=1)
    for number in range(100):
        counting.failed(f"192.0.2.{number}", "ann")
        counting.succeeded(f"192.0.2.{number}", "ann")
    assert len(counting._failures) <= 10
    assert not counting.knows("192.0.2.1", "ann")
    assert counting.knows("192.0.2.99", "ann")
