"""The promise for alerts: a thousand servers and thirty definitions cost well under a second a minute."""

from conductor.monitoring.alerts.evaluation import AlertState
from conductor.monitoring.alerts.history import History
from conductor.monitoring.alerts.rules import Rules
from tests.benchmarks.alerts import SERVERS, Catalogue, one_minute


def test_a_minute_of_a_thousand_servers_and_thirty_alerts_costs_well_under_a_second() -> None:
    rules, history = Rules(Catalogue()), History()
    states: dict[str, dict[str, AlertState]] = {}
    one_minute(rules, history, states, 0)
    assert min(one_minute(rules, history, states, 60 * minute) for minute in (1, 2, 3)) < 0.8
    assert sum(state.notified for own in states.values() for state in own.values()) == SERVERS
    assert len(history.of("s0", "a1")) == 4
