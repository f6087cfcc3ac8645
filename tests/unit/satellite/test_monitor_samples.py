"""What a satellite measures for monitors: shape of the minute sample, exporters, mounts that hang."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from satellite.monitors import docker, exporter
from satellite.monitors.mounts import Mounts
from satellite.monitors.plugins import _run
from satellite.monitors.samples import Samples

EXPOSITION = """\
# HELP node_load1 1m load average.
# TYPE node_load1 gauge
node_load1 0.21
# TYPE node_filesystem_avail_bytes gauge
node_filesystem_avail_bytes{device="/dev/vda",mountpoint="/"} 8.1604378624e+10
node_filesystem_avail_bytes{device="/dev/vdb",mountpoint="/srv"} 1.5
# TYPE http_requests_total counter
http_requests_total{code="200"} 7
# TYPE absurd gauge
absurd NaN
endless +Inf
"""


def test_an_exporter_becomes_data_that_monitors_can_name() -> None:
    """Better: what is exported for Prometheus can be a monitor."""
    assert exporter.read(EXPOSITION, []) == {
        "node_load1": 0.21,
        "node_filesystem_avail_bytes": [
            {"device": "/dev/vda", "mountpoint": "/", "value": 81_604_378_624},
            {"device": "/dev/vdb", "mountpoint": "/srv", "value": 1.5},
        ],
        "http_requests_total": [{"code": "200", "value": 7}],
    }
    names = exporter.chosen("# what we need\n node_load?\nhttp_*\n\n")
    assert list(names) == ["node_load?", "http_*"]
    found = exporter.read(EXPOSITION, names)
    assert isinstance(found, dict)
    assert sorted(found) == ["http_requests_total", "node_load1"]


def test_an_exporters_rubbish_is_an_error_text() -> None:
    assert str(exporter.read("{{{ 7 seven\n", [])).startswith("Prometheus Parser Error: ")


def test_an_exporter_with_too_many_series_is_cut() -> None:
    text = "".join(f'm{{n="{number}"}} 1\n' for number in range(exporter.MOST_SERIES + 5))
    found = exporter.read(text, [])
    assert isinstance(found, dict)
    assert len(found["m"]) == exporter.MOST_SERIES


def test_a_monitor_plugin_may_print_what_an_exporter_would() -> None:
    plugin = {"id": "p", "command": "/bin/echo node_load1 0.5", "format": "prometheus", "script": "node_*"}
    assert _run(plugin, 5.0, {"PATH": "/bin"}) == ({"node_load1": 0.5}, "")


async def test_a_monitor_plugin_may_be_the_address_of_an_exporter() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = EXPOSITION.encode()
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    plugin = {
        "id": "p",
        "command": f"http://127.0.0.1:{port}/metrics",
        "format": "prometheus",
        "script": "node_load1",
    }
    async with server:
        assert await asyncio.to_thread(_run, plugin, 5.0, {}) == ({"node_load1": 0.21}, "")
    result, _ = await asyncio.to_thread(_run, plugin, 5.0, {})
    assert result.startswith("Error: Could not read http://127.0.0.1")


async def test_a_mount_that_hangs_stops_no_monitor() -> None:
    """Better: a hung network file system is missing in the sample and blocks nothing."""
    release = threading.Event()
    calls = 0

    def hanging() -> dict[str, Any]:
        nonlocal calls
        calls += 1
        release.wait(10)
        return {"root": {}}

    mounts = Mounts(hanging, patience=0.02)
    assert await mounts.read() is None
    started = time.monotonic()
    assert await mounts.read() is None
    assert time.monotonic() - started < 0.02, "it does not wait for what hangs already"
    assert calls == 1
    release.set()
    assert mounts._thread is not None
    await asyncio.to_thread(mounts._thread.join)
    assert await mounts.read() == {"root": {}}


def test_the_minute_sample_has_the_paths_that_monitors_read() -> None:
    samples = Samples()
    first = samples.minute({}, {"open_files": "1"}, {"root": {"use": 1}})
    second = samples.minute({}, None, None, slept=1.5)
    for data in (first, second):
        assert len(data["load"]) == 3
        assert {"used", "available", "total", "active", "free", "cached", "swaptotal"} <= data[
            "memory"
        ].keys()
        assert {"cores", "avgLoad", "currentLoad", "totals", "cpus", "governor", "speedMax"} <= data[
            "cpu"
        ].keys()
        assert {"rx", "wx", "tx"} <= data["stats"]["fs"].keys()
        assert {"rIO", "wIO", "tIO"} <= data["stats"]["io"].keys()
        assert {"conns", "states"} <= data["stats"]["network"].keys()
        assert "established" in data["stats"]["network"]["states"]
        assert data["processes"]["all"] == len(data["processes"]["list"])
        row = data["processes"]["list"][0]
        assert {"pid", "parentPid", "user", "group", "cpu", "mem", "memRss", "memVsz", "age", "started", "state",
                "priority", "nice", "tty", "class", "threads", "time", "command"} <= row.keys()  # fmt: skip
        assert data["process"].keys() == {"pid", "started", "mem", "cpu"}
        assert msgspec.json.decode(msgspec.json.encode(data))
    assert first["commands"] == {"open_files": "1"}
    assert "commands" not in second
    assert (first["mounts"], second["mounts"], second["errors"]) == ({"root": {"use": 1}}, {}, ["mounts"])
    assert second["metrics"]["perf"]["sleep"] == 1500
    assert first["cpu"]["currentLoad"] == 0, "the first sample sees an idle machine"


DOCKER = """\
{"BlockIO":"1.5MB / 2kB","CPUPerc":"12.50%","ID":"0a1b","MemUsage":"1.5MiB / 2GiB","Name":"web","NetIO":"10B / 1.2kB",\
"PIDs":"7"}
{"BlockIO":"--","CPUPerc":"--","ID":"2c3d","MemUsage":"-- / --","Name":"ended","NetIO":"--","PIDs":"--"}
no json
"""


def test_containers_are_monitored() -> None:
    found = docker.parse(DOCKER.splitlines())
    assert found is not None
    web, ended = found["containers"]
    assert web == {
        "id": "0a1b", "name": "web", "cpu": 12.5, "pids": 7, "mem_usage": 1_572_864, "mem_total": 2_147_483_648,
        "disk_read": 1_500_000, "disk_write": 2000, "disk_total": 1_502_000, "net_read": 10, "net_write": 1200,
        "net_total": 1210,
    }  # fmt: skip
    assert (ended["name"], ended["mem_usage"], ended["cpu"]) == ("ended", 0, 0)
    assert found["totals"] == {"cpu": 12.5, "mem": 1_572_864, "net": 1210, "disk": 1_502_000, "pids": 7}
    assert docker.parse([]) is None


async def test_a_docker_that_hangs_or_fails_stops_no_monitor(tmp_path: Path) -> None:
    command = tmp_path / "docker"
    for script, found in (("sleep 60", False), ("exit 3", False), (f"cat {tmp_path}/out", True)):
        (tmp_path / "out").write_text(DOCKER)
        command.write_text(
            f"#!/bin/sh\nexec {script}\n" if "exit" not in script else f"#!/bin/sh\n{script}\n"
        )
        command.chmod(0o755)
        assert (
            await docker.containers(str(command), limit=0.3 if "sleep" in script else 10) is not None
        ) is found
    assert await docker.containers(str(tmp_path / "nothing")) is None


def test_a_dummy_sample_has_no_monitors_data() -> None:
    dummy = Samples().dummy({})
    assert dummy["dummy"] is True
    assert dummy["memory"] == dummy["processes"] == dummy["stats"]["network"] == {}
    assert dummy["uptime_sec"] > 0


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x", "cat /etc/passwd"])
def test_only_http_is_the_address_of_an_exporter(url: str) -> None:
    assert not exporter.is_url(url)
