"""Scripts of plugins that come with a launch (contract satellite_protocol.md, "Where to be better" 6)."""

from tests.integration.satellite.conductor_peer import Peer
from tests.integration.satellite.conftest import Satellite

_DONE = '\necho \'{"xy":1,"code":0}\''


async def test_a_plugins_script_comes_with_the_launch(peer: Peer, satellite: Satellite) -> None:
    """Better (satellite_protocol 6): a host has no script but of the jobs it runs, and each job keeps its own."""
    satellite.configure(peer.port)
    await satellite.start()
    await peer.joined()
    (hello, *_) = peer.of("hello")
    assert hello["info"]["features"]["launchScripts"] is True
    marker = satellite.data / "go"
    waiting = f"until [ -e {marker} ]; do sleep 0.05; done\necho first"
    older = await peer.launch(command="/bin/sh", script="(File)", plugin="p1", plugin_script=waiting + _DONE)
    newer = await peer.launch(
        command="/bin/sh", script="(File)", plugin="p1", plugin_script="echo second" + _DONE
    )
    assert (await peer.result(newer))["code"] == 0
    marker.touch()
    assert (await peer.result(older))["code"] == 0
    assert (peer.logs[older], peer.logs[newer]) == (b"first\n", b"second\n")
    assert not list((satellite.data / "temp" / "plugins").iterdir())


async def test_a_job_that_was_taken_starts_with_its_script_after_a_kill(
    peer: Peer, satellite: Satellite
) -> None:
    satellite.configure(peer.port)
    await satellite.start(OPSORBIT_FAULT="satellite.taken")
    await peer.joined()
    job = await peer.launch(
        command="/bin/sh", script="(File)", plugin="p1", plugin_script="echo kept" + _DONE
    )
    await satellite.ended()
    await satellite.start()
    result = await peer.result(job)
    assert result["code"] == 0, result["description"]
    assert peer.logs[job] == b"kept\n"
