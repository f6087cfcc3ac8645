"""Joining, being sent away, and surviving what a conductor should not send."""

import msgspec
import pytest

from shared.protocol.frames import SUBPROTOCOL
from tests.integration.satellite.conductor_peer import TOKEN, Peer
from tests.integration.satellite.conftest import Satellite

RUBBISH: list[object] = [None, [], "x", {"id": 5}, {"job": {"id": "../../etc"}}, {"id": "j1", "attempt": -1}]


async def test_it_joins_with_its_token_and_lists_nothing(peer: Peer, satellite: Satellite) -> None:
    satellite.configure(peer.port, server_id="", initial={"title": "Render 07", "id": "forged"})
    await satellite.start()
    await peer.until(lambda: peer.resumes)
    (hello,) = peer.of("hello")
    assert (hello["title"], hello["id"]) == ("Render 07", "")
    assert {"satellite", "os", "cpu", "memory", "booted", "arch"} <= hello["info"].keys()
    assert peer.of("join") == [{"token": TOKEN}]
    assert peer.protocols == [SUBPROTOCOL]
    assert peer.resumes == [{"jobs": []}]
    assert hello["info"]["tools"]["python3"] is True
    saved = msgspec.json.decode((satellite.data / "config.json").read_bytes())
    assert (saved["server_id"], saved["hosts"], saved["child_kill_timeout"]) == ("s1", ["127.0.0.1"], 0.5)
    assert "initial" not in saved
    assert (satellite.data / "config.json").stat().st_mode & 0o777 == 0o600


async def test_an_echo_comes_back_unchanged(peer: Peer, satellite: Satellite) -> None:
    satellite.configure(peer.port)
    await satellite.start()
    await peer.joined()
    await peer.send("echo", {"id": "e1", "last_ping_ms": 3, "odd": [1, None]})
    assert await peer.until(lambda: peer.of("echoback")) == [
        {"id": "e1", "last_ping_ms": 3, "odd": [1, None]}
    ]


@pytest.mark.parametrize(
    "answer",
    [("retry", {}), ("redirect", {"host": "127.0.0.1"}), ("auth_failure", {"description": "no"})],
)
async def test_it_comes_back_after_being_sent_away(
    peer: Peer, satellite: Satellite, answer: tuple[str, object]
) -> None:
    peer.answer_hello = answer
    satellite.configure(peer.port)
    await satellite.start()
    await peer.until(lambda: len(peer.of("hello")) == 2)
    peer.answer_hello = None
    await peer.joined()


async def test_silence_is_noticed(peer: Peer, satellite: Satellite) -> None:
    satellite.configure(peer.port, ping_timeout_sec=0.3)
    await satellite.start()
    await peer.joined(2)


@pytest.fixture(params=["peer", "base_peer"])
def either(request: pytest.FixtureRequest) -> Peer:
    """A conductor of either protocol."""
    found: Peer = request.getfixturevalue(request.param)
    return found


async def test_it_survives_rubbish(either: Peer, satellite: Satellite) -> None:
    peer = either
    satellite.configure(peer.port)
    await satellite.start()
    await peer.joined()
    for message in (
        b"",
        b"\xff" * 100,
        b"\x80",
        "text where msgpack is due",
        b"\x93\x01\x02\x03",
        "[" * 5000,
    ):
        await peer.send_raw(message)
    for cmd in (
        "launch_job",
        "abort_job",
        "log_ack",
        "result_ack",
        "send_copy",
        "update",
        "joined",
        "draining",
        "hello",
        "upgrade",
        "nothing",
    ):
        for data in RUBBISH:
            await peer.send(cmd, data)
    await peer.send("updateConfig", {"hosts": 5, "child_kill_timeout": "soon"})
    await peer.send("masterData", {"masters": [1]})
    await peer.joined()
    odd = await peer.launch(command="/bin/x\0y", params={"n": "x"})
    assert (await peer.result(odd))["code"] == 1
    job_id = await peer.launch("#!/bin/sh\necho well\n")
    assert (await peer.result(job_id))["code"] == 0
    assert peer.joins == 1


async def test_a_number_that_no_frame_holds_does_not_stop_the_result(
    peer: Peer, satellite: Satellite
) -> None:
    satellite.configure(peer.port)
    await satellite.start()
    await peer.joined()
    job_id = await peer.launch('#!/bin/sh\necho \'{"xy":1,"data":{"n":[123456789012345678901234567890]}}\'\n')
    assert (await peer.result(job_id))["data"] == {"n": [123456789012345678901234567890.0]}


async def test_without_credentials_it_stops(peer: Peer, satellite: Satellite) -> None:
    satellite.configure(peer.port, auth_token="")
    await satellite.start()
    assert await satellite.ended() == 1


async def test_plugin_scripts_follow_the_conductor(peer: Peer, satellite: Satellite) -> None:
    satellite.configure(peer.port)
    await satellite.start()
    await peer.joined()
    plugins = [{"id": "p1", "script": 'echo \'{"xy":1,"code":0}\''}, {"id": "../bad", "script": "x"}]
    await peer.send("update", {"plugins": plugins})
    job = await peer.result(await peer.launch(command="/bin/sh", script="(File)", plugin="p1"))
    assert job["code"] == 0
    assert [path.name for path in (satellite.data / "temp" / "plugins").iterdir()] == ["p1"]
    job = await peer.result(await peer.launch(command="/bin/sh", script="(File)", plugin="p2"))
    assert job["description"] == "Plugin not found: p2"


async def test_samples_hold_what_readers_need(peer: Peer, satellite: Satellite) -> None:
    satellite.configure(peer.port, monitoring_enabled=True, quickmon_enabled=True)
    await satellite.start()
    await peer.joined()
    command = {
        "id": "m1",
        "command": "/bin/sh",
        "script": 'echo "[1]"',
        "format": "json",
        "groups": ["main"],
        "sec": {},
    }
    other = {
        "id": "m2",
        "command": "/bin/sh",
        "script": "echo x",
        "format": "text",
        "groups": ["else"],
        "sec": {},
    }
    await peer.send("update", {"commands": [command, other]})
    (sample, *_) = await peer.until(lambda: peer.of("monitor"))
    data = sample["data"]
    assert sample["server"] == "s1"
    assert data["memory"]["used"] + data["memory"]["available"] == data["memory"]["total"]
    assert data["mounts"]["root"]["use"] > 0
    assert data["stats"]["io"]["tIO"] >= 0
    assert data["processes"]["all"] == len(data["processes"]["list"])
    assert data["commands"] == {"m1": [1]}
    assert len(data["cpu"]["cpus"]) == data["cpu"]["cores"]
    (quick, *_) = await peer.until(lambda: peer.of("quickmon"))
    assert {"mem", "cpu", "fs", "net"} <= quick.keys()
    await peer.send("testMonitorPlugin", {"plugin_id": "m1", "request_id": "r1"})
    (tested,) = await peer.until(lambda: peer.of("monitorPluginTestResult"))
    assert (tested["result"], tested["request_id"]) == ([1], "r1")
