"""The benchmark of alerts evaluates what it says: a thousand servers and thirty definitions each minute."""

from conductor.monitoring.alerts.evaluation import AlertState
from conductor.monitoring.alerts.history import History
from conductor.monitoring.alerts.rules import Rules
from tests.benchmarks.alerts import SERVERS, Catalogue, one_minute


def test_a_minute_of_a_thousand_servers_and_thirty_alerts_are_all_evaluated() -> None:
    rules, history = Rules(Catalogue()), History()
    states: dict[str, dict[str, AlertState]] = {}
    one_minute(rules, history, states, 0)
    for minute in (1, 2, 3):
        one_minute(rules, history, states, 60 * minute)
    assert sum(state.notified for own in states.values() for state in own.values()) == SERVERS
    assert len(history.of("s0", "a1")) == 4
