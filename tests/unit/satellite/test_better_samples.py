"""What samples do better than the original's (monitoring.md and monitor_data.md, "Where to be better")."""

import os
import socket
import time

import pytest

from satellite.monitors import network
from satellite.monitors.network import Network, traffic
from satellite.monitors.samples import Samples, _OwnUsage

_DEV = "  {}: 1000 2 3 4 0 0 0 0 2000 5 6 7 0 0 0 0"


def test_better_6_the_satellites_own_share_of_the_processor_is_that_since_the_last_sample() -> None:
    """It had a wrong divisor and crept upward over days."""
    own = _OwnUsage()
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    busy = own.sample()
    assert 5 < busy["cpu"] <= 110
    time.sleep(0.2)
    assert own.sample()["cpu"] < busy["cpu"] / 2, "what was before does not count again"


def test_better_6_interfaces_that_come_later_count_whatever_their_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those there at the start alone were read, and none with a dot or a dash."""
    known = ["eth0"]
    head = ["Inter-|", " face |"]
    real = open

    def opened(path: object, *args: object) -> object:
        if path != "/proc/net/dev":
            return real(path, *args)  # type: ignore[call-overload]
        from io import StringIO

        return StringIO("\n".join([*head, *map(_DEV.format, known)]))

    monkeypatch.setattr("builtins.open", opened)
    assert network.totals() == {"rx": 1000, "tx": 2000}
    known += ["eth0.7", "wan-1", "lo"]
    assert list(traffic()) == ["eth0", "eth0.7", "wan-1"]
    assert network.totals()["rx"] == 1000 * sum(not network.is_virtual(name) for name in traffic())
    assert network.totals()["rx"] >= 2000


def test_better_4_connections_that_are_closing_and_those_of_nobody_are_counted() -> None:
    """A socket leak is CLOSE-WAIT, and they were dropped."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs = server.accept()[0]
        theirs.close()
        rows = [
            row
            for row in network.connections()
            if str(server.getsockname()[1]) in row.local_addr + row.remote_addr
        ]
        ours.close()
    states = {row.state for row in rows}
    assert "CLOSE-WAIT" in states
    assert states & {"FIN-WAIT-1", "FIN-WAIT-2"}
    assert {row.pid for row in rows} == {0, os.getpid()}


def test_better_5_a_minute_sample_starts_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*args: object, **named: object) -> None:
        raise AssertionError("a process was started")

    samples = Samples()
    for name in ("fork", "posix_spawn", "system"):
        monkeypatch.setattr(os, name, none)
    monkeypatch.setattr("subprocess.Popen", none)
    assert samples.minute({}, None)["processes"]["all"] > 0
    assert Network().sample([])[0]
