"""Issue: an idle satellite stays under 40 MB. What it needs not is not there, and what it dropped it does itself."""

import json
import os
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from satellite.monitors import interfaces, network
from satellite.settings import Config
from satellite.tls import Tls

NEVER = (
    "rich",
    "psutil",
    "lark",
    "cryptography",
    "jinja2",
    "PIL",
    "sqlalchemy",
    "aiohttp.web",
    "frozenlist._frozenlist",
    "uvloop",
    "xml.sax",
    "satellite.service.control",
)
"""Modules that an idle satellite has no use for, a few megabytes together."""

LOOK = """
import json, os, ssl, sys
import satellite.main
from satellite.monitors.samples import Samples
sample = Samples().minute({}, None)
import aiohttp.connector as connector
print(json.dumps({
    "loaded": [name for name in sys.argv[1:] if sys.modules.get(name)],
    "authorities": connector._SSL_CONTEXT_VERIFIED.cert_store_stats()["x509_ca"],
    "inherited": sorted(name for name in os.environ if name.startswith(("SSL_CERT", "FROZENLIST"))),
    "interfaces": len(sample["interfaces"]),
}))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="psutil stands in elsewhere")
def test_an_idle_satellite_holds_no_library_that_it_has_no_use_for() -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("SSL_CERT")}
    command = [sys.executable, "-c", LOOK, *NEVER]
    output = subprocess.run(command, capture_output=True, check=True, timeout=60, env=environment).stdout
    found = json.loads(output)
    assert found.pop("interfaces") >= 1
    assert found == {"loaded": [], "authorities": 0, "inherited": []}


def test_the_hosts_authorities_are_read_when_a_connection_is_checked_by_them(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"secure": true, "socket_opts": {"rejectUnauthorized": true}}')
    config = Config.load(tmp_path / "config.json")
    tls = Tls(config)
    context = tls.check()
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    assert tls.check() is context
    config.settings.socket_opts = {"rejectUnauthorized": False}
    assert tls.check() is False


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel")
def test_interfaces_are_those_that_psutil_tells_of() -> None:
    found = interfaces.interfaces()
    addresses, states = psutil.net_if_addrs(), psutil.net_if_stats()
    assert "lo" in found
    assert found["lo"]["internal"]
    for name, one in found.items():
        told = {entry.address.partition("%")[0]: entry.netmask for entry in addresses[name]}
        for kind in ("ip4", "ip6"):
            assert not one[kind] or told[one[kind]] == one[f"{kind}subnet"]
        assert one["mac"] in told
        assert (one["operstate"] == "up", one["mtu"]) == (states[name].isup, states[name].mtu)


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel")
def test_connections_of_a_sample_have_their_owner_and_their_bytes() -> None:
    """monitor_data.md §3.7: `bytes_out` is what was acknowledged, `bytes_in` what was received."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as mine, server.accept()[0] as theirs:
            mine.sendall(b"x" * 5000)
            assert len(theirs.recv(5000, socket.MSG_WAITALL)) == 5000
            rows = {
                (row.local_addr, row.remote_addr): row
                for row in network.connections()
                if f":{port}" in row.local_addr + row.remote_addr
            }
            own = f"127.0.0.1:{mine.getsockname()[1]}"
    sender, receiver = rows[own, f"127.0.0.1:{port}"], rows[f"127.0.0.1:{port}", own]
    assert (sender.state, sender.pid) == ("ESTABLISHED", os.getpid())
    assert sender.bytes_out >= 5000 > sender.bytes_in
    assert receiver.bytes_in == 5000
    listening = rows[f"127.0.0.1:{port}", "0.0.0.0:*"]
    assert (listening.state, listening.type) == ("LISTEN", "tcp")
