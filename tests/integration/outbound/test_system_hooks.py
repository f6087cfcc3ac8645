"""System hooks: what follows an activity, against real servers and a real shell."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from conductor.outbound.hook_request import signature
from conductor.outbound.http import HttpClient
from conductor.outbound.mail import Mailer
from conductor.outbound.system_hooks import SystemHooks
from conductor.outbound.web_hooks import WebHooks
from conductor.settings import Settings
from tests.integration.outbound.peers import HttpPeer, SmtpPeer

ROW = {
    "id": "a1",
    "action": "event_create",
    "epoch": 1_700_000_000,
    "description": "Backup & co",
    "username": "joe",
}


@pytest.fixture
def tickets() -> list[tuple[Mapping[str, Any], str]]:
    return []


@pytest.fixture
async def hooks(
    client: HttpClient, settings: Settings, tickets: list[Any], tmp_path: Path
) -> AsyncIterator[SystemHooks]:
    async def ticket(doc: Mapping[str, Any], caused_by: str, /) -> Mapping[str, Any]:
        tickets.append((doc, caused_by))
        return {"num": len(tickets)}

    stored = {
        "w1": {"id": "w1", "enabled": True, "method": "POST", "url": "", "body": "{{ text }} {{ secrets.K }}"}
    }
    one = SystemHooks(
        settings,
        WebHooks(client, settings),
        Mailer(settings, pauses=()),
        hook=stored.get,
        secrets=lambda hook_id: {"K": f"of {hook_id}"},
        ticket=ticket,
        version="1.2.3",
        folder=tmp_path,
    )
    one.stored = stored  # type: ignore[attr-defined]
    task = asyncio.create_task(one.run())
    yield one
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def carry_out(hooks: SystemHooks) -> Callable[[Mapping[str, Any]], Any]:
    async def follow(row: Mapping[str, Any]) -> None:
        hooks.follow(dict(row))
        await hooks.settled(5.0)

    return follow


async def test_a_url_gets_the_payload(carry_out: Any, settings: Settings, peer: HttpPeer) -> None:
    settings.hooks = {"event_create": f"{peer.url}/in/{{{{ description }}}}?n={{{{ nothing }}}}"}
    await carry_out(ROW)
    method, path, headers, body = peer.requests[0]
    assert (method, path) == ("POST", "/in/Event%20create%3A%20Backup%20%26%20co%20(by%20joe)?n=")
    assert headers["Idempotency-Key"] == "a1"
    payload = json.loads(body)
    assert (payload["action"], payload["epoch"]) == ("event_create", 1_700_000_000)
    assert payload["text"] == payload["content"] == payload["message"] == payload["description"]
    assert "Backup & co" in payload["text"]


async def test_platform_5_a_hook_is_signed_and_tried_again(
    carry_out: Any, settings: Settings, peer: HttpPeer
) -> None:
    settings.hooks = {"*": {"url": peer.url, "hmac_key": "sign here"}}
    peer.answers = [(503, {}, b""), (200, {}, b"")]
    await carry_out(ROW)
    assert len(peer.requests) == 2
    _, _, headers, body = peer.requests[1]
    assert headers["X-OpsOrbit-Signature"] == signature("sign here", body)


async def test_the_named_hook_goes_before_the_star_and_never_both(
    carry_out: Any, settings: Settings, peer: HttpPeer
) -> None:
    settings.hooks = {"event_create": f"{peer.url}/named", "*": f"{peer.url}/star"}
    await carry_out(ROW)
    await carry_out({**ROW, "action": "event_delete"})
    assert [path for _, path, _, _ in peer.requests] == ["/named", "/star"]


async def test_a_word_is_a_stored_web_hook_with_its_own_secrets(
    carry_out: Any, hooks: SystemHooks, settings: Settings, peer: HttpPeer
) -> None:
    hooks.stored["w1"]["url"] = peer.url  # type: ignore[attr-defined]
    settings.hooks = {"*": "w1"}
    await carry_out({**ROW, "secrets": {"K": "of the row"}})
    assert peer.requests[0][3].endswith(b"Backup & co (by joe) of w1")


async def test_job_conditions_are_fired_by_name(
    hooks: SystemHooks, settings: Settings, peer: HttpPeer
) -> None:
    settings.hooks = {"job_error": peer.url}
    hooks.fire("job_error", {"job": {"id": "j1"}, "text": "It failed", "env": {"PGPASSWORD": "x"}})
    hooks.fire("job_success", {"job": {"id": "j2"}})
    await hooks.settled(5.0)
    [(_, _, _, body)] = peer.requests
    payload = json.loads(body)
    assert (payload["action"], payload["text"], payload["job"]) == ("job_error", "It failed", {"id": "j1"})
    assert "env" not in payload


async def test_a_command_reads_one_line_and_knows_no_secret_of_ours(
    carry_out: Any, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSORBIT_SECRET_KEY", "hunter2")
    monkeypatch.setenv("XYOPS_secret_key", "hunter2")
    settings.hooks = {"*": {"shell_exec": "cat > line; env > env; echo '{{ description }}' > macro"}}
    await carry_out(ROW)
    line = (tmp_path / "line").read_bytes()
    assert line.endswith(b"}\n")
    assert json.loads(line)["xy"] == 1
    environment = (tmp_path / "env").read_text()
    assert "hunter2" not in environment
    assert "XYOPS=1.2.3" in environment
    assert (tmp_path / "macro").read_text() == "{{ description }}\n"  # a command is never expanded


async def test_a_command_that_reads_nothing_and_says_much_ends(
    carry_out: Any, settings: Settings, tmp_path: Path
) -> None:
    settings.hooks = {"*": {"shell_exec": "yes | head -c 1000000; echo done > done; exit 3"}}
    await carry_out({**ROW, "details": "x" * 1_000_000})
    assert (tmp_path / "done").exists()


async def test_an_email_tells_of_the_activity(carry_out: Any, settings: Settings, smtp: SmtpPeer) -> None:
    settings.hooks = {"*": {"email": "ann@example.com, bob@example.com"}}
    await carry_out(ROW)
    [message] = smtp.mails
    assert smtp.recipients == [["ann@example.com", "bob@example.com"]]
    assert "Activity Report" in message["Subject"]
    text = message.get_body(("plain",))
    assert text is not None
    assert '"action": "event_create"' in text.get_content()


async def test_a_ticket_has_defaults_that_the_hook_overrides(
    carry_out: Any, settings: Settings, tickets: list[Any]
) -> None:
    settings.hooks = {"*": {"ticket": {"type": "question", "tags": ["a"]}}}
    await carry_out(ROW)
    [(doc, caused_by)] = tickets
    assert (doc["type"], doc["status"], doc["tags"]) == ("question", "open", ["a"])
    assert doc["subject"].startswith("Activity Report: ")
    assert caused_by == "hook:event_create"


async def test_platform_5_the_ticket_of_a_star_hook_calls_no_hook_again(
    carry_out: Any, settings: Settings, tickets: list[Any]
) -> None:
    settings.hooks = {"*": {"ticket": {"type": "issue"}}}
    await carry_out(ROW)
    await carry_out({"action": "ticket_create", "epoch": 1, "caused_by": tickets[0][1]})
    assert len(tickets) == 1


async def test_one_ways_failure_is_not_the_others(
    carry_out: Any, settings: Settings, peer: HttpPeer, tickets: list[Any], tmp_path: Path
) -> None:
    settings.hooks = {
        "*": {
            "url": "http://127.0.0.1:1/",
            "retries": 0,
            "web_hook": "nobody",
            "shell_exec": "exit 1",
            "email": "ann@example.com",
            "ticket": {"x": 1},
        }
    }
    settings.mail_settings = {"host": "127.0.0.1", "port": 1}
    await carry_out(ROW)
    assert len(tickets) == 1
    settings.hooks = {"*": ["nonsense"]}
    await carry_out(ROW)
    settings.hooks = {"*": peer.url}
    await carry_out(ROW)
    assert len(peer.requests) == 1


async def test_nobody_waits_for_a_hook_and_a_full_queue_drops(client: HttpClient, settings: Settings) -> None:
    settings.hooks = {"*": "http://127.0.0.1:1/"}
    idle = SystemHooks(settings, WebHooks(client, settings), Mailer(settings), hook=lambda id: None)
    started = time.perf_counter()
    for _ in range(1_005):
        idle.follow(ROW)
    assert time.perf_counter() - started < 1.0
    assert idle.dropped == 5
