import pytest

from conductor.errors import Refusal
from conductor.jobs.brake import Brake


def test_off_unless_set() -> None:
    brake = Brake(0)
    assert [brake.wait(0.0, patient=False) for _ in range(1000)] == [0.0] * 1000


def test_callers_beyond_the_cap_are_refused_and_the_schedule_waits_for_its_turn() -> None:
    """A launch of the schedule is never dropped (Where to be better, scheduler.md 1)."""
    brake = Brake(2)
    assert [brake.wait(0.0, patient=True) for _ in range(5)] == [0, 0, 60, 60, 120]
    with pytest.raises(Refusal, match="2 jobs per minute"):
        brake.wait(100.0, patient=False)
    assert brake.wait(100.0, patient=True) == 20
    assert brake.wait(300.0, patient=False) == 0


def test_in_no_sixty_seconds_there_are_more_than_the_cap() -> None:
    brake = Brake(7)
    starts = sorted(now + brake.wait(now, patient=True) for now in (n * 1.7 for n in range(100)))
    assert all(later - earlier > 59.999 for earlier, later in zip(starts, starts[7:], strict=False))
