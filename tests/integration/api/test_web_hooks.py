"""Testing a web hook, and firing one from within a job, over HTTP."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from conductor.announcer import Signals
from conductor.api import web_hooks
from conductor.outbound.http import HttpClient
from conductor.outbound.web_hooks import WebHooks
from conductor.settings import Settings
from conductor.signals import Activity, Signal
from shared.protocol.tokens import job_token
from tests.integration.api.conftest import Served, serving
from tests.integration.outbound.peers import HttpPeer

SECRET = "hunter22"


@dataclass
class Job:
    id: str = "j1"
    server: str = "s1"
    notes: list[str] = field(default_factory=list)


@dataclass
class House:
    served: Served
    peer: HttpPeer
    job: Job
    hook: dict[str, Any]
    seen: list[Activity]

    async def test(self, *, key: str | None = None, **changes: Any) -> dict[str, Any]:
        _, answer = await self.served.call("test_web_hook", {**self.hook, **changes}, key=key)
        return answer

    async def fire(self, **changes: Any) -> tuple[int, dict[str, Any]]:
        params = {"job": "j1", "server": "s1", "web_hook": "w1", **changes}
        return await self.served.call("fire_job_web_hook", params, key="")


class Texts:
    """What ACTIVE jobs say: the edge of another part."""

    async def hook_data(self, job: Any, action: Mapping[str, Any], /) -> Mapping[str, Any]:
        return {"job": {"id": job.id}, "action": action, "text": f"Job {job.id} runs"}

    def note(self, job: Any, text: str, /) -> None:
        job.notes.append(text)

    def appended(self, job: Any, action: Mapping[str, Any], /) -> None:
        job.notes.append(f"appended {action['code']}")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    settings, signals, job, peer = Settings(secret_key="sesame"), Signals(), Job(), HttpPeer()
    seen: list[Activity] = []

    def note(signal: Signal) -> None:
        assert isinstance(signal, Activity)
        seen.append(signal)

    signals.publish = note  # type: ignore[method-assign]
    await peer.start()
    hook = {
        "id": "w1",
        "title": "Chat",
        "enabled": True,
        "method": "POST",
        "url": f"{peer.url}/in",
        "body": "{{ text }}|{{ secrets.KEY }}",
        "max_per_day": 0,
    }
    client = HttpClient(settings)
    endpoints = web_hooks.endpoints(
        WebHooks(client, settings),
        {"w1": hook}.get,
        lambda hook_id: {"KEY": SECRET} if hook_id == "w1" else {},
        signals,
        settings,
        job={"j1": job}.get,
        online=lambda server_id: server_id in ("s1", "s2"),
        texts=Texts(),
    )
    async with serving(tmp_path, endpoints) as served:
        yield House(served, peer, job, hook, seen)
    await client.close()
    await peer.stop()


async def test_a_stored_hook_is_tested_with_its_secrets(house: House) -> None:
    answer = await house.test()
    assert answer["code"] == 0
    assert answer["result"]["description"] == "Success (HTTP 200 OK)"
    body = house.peer.requests[0][3].decode()
    assert body.endswith(f"|{SECRET}")
    assert "Chat" in body
    assert SECRET not in str(answer)


async def test_the_switch_and_the_daily_cap_do_not_count_in_a_test(house: House) -> None:
    house.hook |= {"enabled": False, "max_per_day": 1}
    for _ in range(2):
        assert (await house.test(enabled=False))["code"] == 0


async def test_web_hooks_yaml_secrets_go_to_the_stored_url_alone(house: House) -> None:
    editor = await house.served.key(privileges={"edit_web_hooks": True})
    other = f"{house.peer.url}/elsewhere"
    assert (await house.test(key=editor))["code"] == 0
    assert (await house.test(key=editor, url=other))["code"] == 0
    assert (await house.test(key=editor, follow=True))["code"] == 0
    assert (await house.test(key=editor, ssl_cert_bypass=True))["code"] == 0
    assert (await house.test(url=other))["code"] == 0  # an administrator may know it anyway
    carried = [SECRET in body.decode() for _, _, _, body in house.peer.requests]
    assert carried == [True, False, False, False, True]


async def test_web_hooks_yaml_each_test_is_logged_without_secrets(house: House) -> None:
    await house.test()
    [signal] = house.seen
    assert (signal.action, signal.description, signal.keywords) == ("web_hook_test", "Chat", ("w1",))
    assert SECRET not in str(signal)


async def test_web_hooks_yaml_an_unsaved_hook_without_body_can_be_tested(house: House) -> None:
    _, answer = await house.served.call(
        "test_web_hook", {"id": "wnew", "title": "New", "method": "PUT", "url": house.peer.url}
    )
    assert answer["code"] == 0
    assert house.peer.requests[0][0] == "PUT"


async def test_web_hooks_yaml_a_failed_test_returns_its_report(house: House) -> None:
    house.peer.answers = [(500, {}, b"oh no")]
    status, answer = await house.served.call("test_web_hook", house.hook)
    assert (status, answer["code"]) == (200, "webhook")
    assert "HTTP 500" in answer["description"]
    assert "oh no" in answer["details"]
    assert "result" not in answer


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"url": "ftp://x"}, "api"),
        ({"method": "P OST"}, "api"),
        ({"title": " "}, "api"),
        ({"id": "W 1"}, "api"),
        ({"headers": "X: y"}, "web_hook"),
        ({"body": "{{ 1 + }}"}, "web_hook"),
        ({"body": 5}, "api"),
    ],
)
async def test_a_malformed_hook_is_not_sent(house: House, changes: dict[str, Any], code: str) -> None:
    assert (await house.test(**changes))["code"] == code
    assert house.peer.requests == []


async def test_a_job_fires_a_hook(house: House) -> None:
    status, answer = await house.fire(text="and says hi")
    assert (status, answer["code"], answer["condition"], answer["web_hook"]) == (200, 0, "continue", "w1")
    assert (answer["enabled"], answer["type"], answer["text"]) == (True, "web_hook", "and says hi")
    assert answer["elapsed_ms"] >= 0
    assert house.peer.requests[0][3].decode() == f"Job j1 runs and says hi|{SECRET}"
    assert SECRET not in answer["details"]
    assert len(house.job.notes) == 3
    house.peer.answers = [(500, {}, b"")]
    status, answer = await house.fire()
    assert (status, answer["code"]) == (200, "webhook")


@pytest.mark.parametrize(
    "changes",
    [
        {"job": "j2"},
        {"web_hook": "w2"},
        {"server": "s3"},
        {"server": "s2"},  # connected, but the job runs elsewhere
        {"token": "guessed"},
    ],
)
async def test_web_hooks_yaml_only_the_server_that_runs_the_job_may_fire(
    house: House, changes: dict[str, str]
) -> None:
    status, answer = await house.fire(**changes)
    assert (status, answer["code"], answer["description"]) == (400, "api", "Invalid.")
    assert house.peer.requests == []


async def test_web_hooks_yaml_a_job_may_show_a_token_of_its_own(house: House) -> None:
    _, answer = await house.fire(token=job_token("j1", "sesame"))
    assert answer["code"] == 0


async def test_actions_9_the_text_of_a_plugin_names_no_secret(house: House) -> None:
    await house.fire(text="{{ secrets.KEY }}")
    assert house.peer.requests[0][3].decode().startswith("Job j1 runs {{ secrets.KEY }}|")
