"""The satellite's pure decisions, table by table."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.handshake import NoCredentialsError, choose_host, hello, join_token
from satellite.jobs.command_line import CommandLineError, arguments
from satellite.jobs.ending import End, Style, end_of, result_of, with_defaults
from satellite.jobs.environment import Account, Surroundings, job_environment, own_environment
from satellite.jobs.launch import LaunchError, parse_launch
from satellite.jobs.shipping import Shipping
from satellite.monitors.cpu import shares
from satellite.monitors.memory import parse_meminfo
from satellite.reports.base import _whole_characters
from satellite.settings import Settings
from shared.backoff import Backoff
from shared.protocol.messages import LOG_WINDOW_BYTES
from shared.protocol.tokens import sha256_hex

HERE = Surroundings(
    version="1",
    base_url="http://c",
    cwd="/w",
    log_file="/w/l",
    account=Account("u", 1, 1, "/home/u", "/bin/sh"),
)


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        ("ls", ["ls"]),
        ("  ls   -l\t-a ", ["ls", "-l", "-a"]),
        ("sh -c 'a  b' \"c $X\" d\\ e", ["sh", "-c", "a  b", "c 5", "d e"]),
        ("echo $X ${X}y '$X' \"\\$X\" $NONE", ["echo", "5", "5y", "$X", "$X", ""]),
        ("echo * ? | > < & ; ( ) # x", ["echo", "*", "?", "|", ">", "<", "&", ";", "(", ")", "#", "x"]),
        ("echo '' a''b", ["echo", "", "ab"]),
    ],
)
def test_command_lines(command: str, argv: list[str]) -> None:
    assert arguments(command, {"X": "5"}) == argv


@pytest.mark.parametrize("command", ["", "  ", "echo 'x", 'echo "x'])
def test_bad_command_lines(command: str) -> None:
    with pytest.raises(CommandLineError):
        arguments(command, {})


def environment(
    job: dict[str, Any], sec: dict[str, Any] | None = None, own: dict[str, str] | None = None
) -> tuple[dict[str, str], list[str]]:
    return job_environment(own or {}, {"id": "j1", **job}, {}, sec or {}, HERE)


def test_later_layers_win_and_values_become_text() -> None:
    job = {"env": {"A": "env", "B": "env"}, "params": {"A": 1.0, "no-word": None, "o": {"k": [1]}, "f": 1.5}}
    variables, _ = environment(job, {"B": "secret"}, {"A": "own", "OWN": "own"})
    assert (variables["A"], variables["B"], variables["OWN"]) == ("1", "secret", "own")
    assert (variables["no_word"], variables["o"], variables["f"]) == ("null", '{"k":[1]}', "1.5")
    assert (variables["PWD"], variables["HOME"]) == ("/w", "/home/u")


def test_what_no_process_could_take_is_left_out() -> None:
    params = {"big": "x" * 200_000, "9a": "x", "nul": "a\0b", "wide": "ü" * 70_000, "fits": "x" * 100_000}
    variables, left_out = environment({"params": params})
    assert sorted(left_out) == ["9a", "big", "nul", "wide"]
    assert "fits" in variables


def test_the_satellites_own_settings_are_hidden() -> None:
    own = own_environment(
        {"XYSAT_auth_token": "x", "SATELLITE_a": "x", "XYOPS_b": "x", "PATH": "/bin:/x", "HOME": "/h"}
    )
    assert own.keys() == {"PATH", "HOME"}
    assert own["PATH"].startswith("/h/.local/bin:/bin:/x:/sbin")


@pytest.mark.parametrize(
    ("status", "killed", "end"),
    [(0, False, End(0)), (137, False, End(137)), (137, True, End(signal="SIGKILL")), (3, True, End(3))],
)
def test_ends(status: int, killed: bool, end: End) -> None:
    assert end_of(status, killed) == end


@pytest.mark.parametrize(
    ("end", "style", "errors", "code", "description"),
    [
        (End(0), Style.SHELL, "", 0, ""),
        (End(2), Style.SHELL, "", 2, "Script exited with code: 2"),
        (End(2), Style.SHELL, "\nbad\nmore", 2, "Script exited with code: 2: bad"),
        (End(2), Style.SHELL, "x" * 300, 2, "Script exited with code: 2"),
        (End(signal="SIGKILL"), Style.SHELL, "", "SIGKILL", "Script exited with code: SIGKILL"),
        (End(0), Style.PLUGIN, "", "warning", "Process exited without reporting job completion."),
        (End(2), Style.PLUGIN, "bad", 2, "Child 7 crashed with code: 2"),
        (End(signal="SIGTERM"), Style.PLUGIN, "", "SIGTERM", "Child 7 was killed by signal: SIGTERM"),
    ],
)
def test_results(end: End, style: Style, errors: str, code: object, description: str) -> None:
    result = result_of(end, style, 7, errors)
    assert (result["code"], result["description"]) == (code, description)


def test_an_error_without_a_text_gets_one() -> None:
    assert with_defaults({"code": 5})["description"] == "Unknown Error (no description provided)"
    assert with_defaults({"code": 0, "status": "x"}) == {
        "code": 0, "description": "", "complete": True, "state": "complete",
    }  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(["log", "send", "ack", "rewind"]), st.integers(0, 3_000_000))))
def test_shipping_stays_within_the_log_and_the_window(events: list[tuple[str, int]]) -> None:
    shipping, size = Shipping(), 0
    for event, number in events:
        if event == "log":
            size += number
        elif event == "send":
            offset, length = shipping.next_chunk(size)
            assert offset == shipping.sent
            shipping.sent += length
        else:
            shipping.acknowledge(number, size, rewind=event == "rewind")
        assert 0 <= shipping.acked <= shipping.sent <= size
        assert shipping.sent - shipping.acked <= LOG_WINDOW_BYTES


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"job": 5},
        {"job": {}},
        {"job": {"id": "../x"}},
        {"job": {"id": "j1"}, "attempt": 0},
        {"job": {"id": "J1"}},
    ],
)
def test_launches_that_name_no_job(data: dict[str, Any]) -> None:
    with pytest.raises(LaunchError):
        parse_launch(data)


def test_hello_cannot_be_forged_by_initial_properties() -> None:
    settings = Settings(server_id="s1", initial={"id": "s2", "info": {}, "title": "T"})
    assert hello(settings, "h", {"a": 1}) == {"id": "s1", "hostname": "h", "info": {"a": 1}, "title": "T"}


def test_join_tokens() -> None:
    assert join_token(Settings(auth_token="t", secret_key="k"), "n") == "t"
    assert join_token(Settings(secret_key="k"), "n") == sha256_hex("n", "k")
    with pytest.raises(NoCredentialsError):
        join_token(Settings(), "n")


def test_hosts() -> None:
    assert choose_host(Settings(host="fixed", hosts=["a"]), "elsewhere") == "fixed"
    assert choose_host(Settings(hosts=["a"]), "elsewhere") == "elsewhere"
    assert choose_host(Settings(hosts=["a"]), "") == "a"
    for _ in range(20):
        assert choose_host(Settings(hosts=["a", "b", "c"]), "", {"a", "b"}, "z") == "c"


def test_the_host_that_admitted_us_is_asked_when_all_others_fail() -> None:
    """A conductor that sent names which nobody can resolve would lose the satellite for good."""
    assert choose_host(Settings(hosts=["a", "b"]), "", {"a", "b"}, "z") == "z"
    assert choose_host(Settings(hosts=["a", "b"]), "", {"a", "b", "z"}, "z") in ("a", "b")
    assert choose_host(Settings(host="fixed", hosts=["a"]), "", {"a"}, "z") == "fixed"


def test_back_off_doubles_varies_and_ends() -> None:
    backoff = Backoff(1, 30)
    for expected in (2, 4, 8, 16, 30, 30):
        backoff.failed()
        assert 0.75 * expected <= backoff.delay() <= 1.25 * expected
    backoff.opened()
    assert backoff.delay() <= 1.25


@given(st.text(), st.integers(0, 40))
def test_text_is_cut_between_characters(text: str, cut: int) -> None:
    data = text.encode(errors="ignore")[:cut]
    whole = data[: _whole_characters(data)]
    whole.decode()
    assert len(data) - len(whole) < 4


def test_cpu_shares() -> None:
    result = shares([0] * 10, [10, 0, 20, 60, 10, 0, 0, 0, 0, 0])
    assert (result["user"], result["idle"], result["active"], result["iowait"]) == (10, 60, 40, 10)
    assert shares([5], [5])["idle"] == 100


def test_meminfo() -> None:
    memory = parse_meminfo("MemTotal: 100 kB\nMemAvailable: 40 kB\nActive(anon): 1 kB\nHugePages_Total: 3\n")
    assert memory == {"total": 102400, "available": 40960, "hugepages_total": 3, "used": 61440}
