"""Going out of service: what is refused, and when it is over."""

from satellite.jobs.draining import Draining


def test_before_it_begins_nothing_is_refused_and_nothing_over() -> None:
    draining = Draining()
    assert not draining.refuses(0, answers=False)
    assert not draining.complete(0, 0)


def test_with_an_answer_nothing_is_refused() -> None:
    draining = Draining()
    draining.begin()
    draining.told(10, answers=True)
    assert not draining.refuses(11, answers=True)
    assert not draining.complete(0, 11), "a launch may be on its way"
    draining.heard()
    assert not draining.refuses(99, answers=True)
    assert not draining.complete(1, 99)
    assert draining.complete(0, 11)


def test_a_conductor_that_does_not_answer_is_refused_after_a_while() -> None:
    draining = Draining()
    draining.begin()
    draining.told(10, answers=True)
    assert draining.refuses(16, answers=True)
    assert draining.complete(0, 16)


def test_the_base_protocol_is_refused_at_once() -> None:
    draining = Draining()
    draining.begin()
    draining.told(10, answers=False)
    assert draining.refuses(10, answers=False)
    assert draining.complete(0, 10)


def test_a_new_connection_is_told_anew() -> None:
    draining = Draining()
    draining.begin()
    draining.told(10, answers=True)
    draining.heard()
    draining.disconnected()
    assert draining.complete(0, 11), "nothing arrives without a connection"
    draining.told(12, answers=True)
    assert not draining.complete(0, 13)
