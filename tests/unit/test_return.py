"""How long a new primary waits for satellites, and how long they hold on to the old one."""

from conductor.composition.term import RETURN_SECONDS
from satellite.settings import Settings


def test_jobs_wait_until_satellites_have_given_up_a_primary_that_fell_silent() -> None:
    """Its host lost power or network: no socket was closed. A job that was accepted meanwhile must not fail."""
    agent = Settings()
    dialling = 2 * 1.25 * agent.socket_reconnect_delay_sec + agent.connect_timeout_sec
    assert agent.ping_timeout_sec + dialling < RETURN_SECONDS
