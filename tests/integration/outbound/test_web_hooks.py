"""Web hooks against a real server."""

import json
from typing import Any

import pytest

from conductor.outbound.http import Answer, HttpClient
from conductor.outbound.web_hooks import WebHooks, pause_of
from conductor.settings import Settings
from tests.integration.outbound.peers import HttpPeer


def hook(peer: HttpPeer, **changes: Any) -> dict[str, Any]:
    return {
        "id": "w1",
        "title": "Hook",
        "enabled": True,
        "url": f"{peer.url}/in?k={{{{ encode(secrets.KEY) }}}}",
        "method": "POST",
        "headers": [{"name": "Authorization", "value": "Bearer {{ secrets.TOKEN }}"}],
        "body": '{"text": {{ stringify(text) }}}',
        **changes,
    }


@pytest.fixture
def hooks(client: HttpClient, settings: Settings) -> WebHooks:
    return WebHooks(client, settings)


SECRETS = {"KEY": "a/b&c", "TOKEN": "t0ps3cret"}


async def test_a_hook_is_sent_and_reported_without_its_secrets(hooks: WebHooks, peer: HttpPeer) -> None:
    peer.answers = [(200, {"X-Echo": "t0ps3cret"}, b"you sent a%2Fb%26c and t0ps3cret")]
    delivery = await hooks.fire(hook(peer), {"text": 'say "hi"'}, secrets=SECRETS, idempotency_key="j1.2")
    assert (delivery.code, delivery.description) == (0, "Success (HTTP 200 OK)")
    method, path, headers, body = peer.requests[0]
    assert (method, path, headers["Authorization"]) == ("POST", "/in?k=a%2Fb%26c", "Bearer t0ps3cret")
    assert headers["Idempotency-Key"] == "j1.2"
    assert json.loads(body) == {"text": 'say "hi"'}
    assert "t0ps3cret" not in delivery.details
    assert "a%2Fb%26c" not in delivery.details
    assert delivery.details.count("(REDACTED)") == 5


async def test_platform_9_secrets_are_not_in_an_error_text_either(hooks: WebHooks, peer: HttpPeer) -> None:
    broken = hook(peer, url="http://127.0.0.1:1/{{ secrets.TOKEN }}", headers=[], retries=1)
    delivery = await hooks.fire(broken, {"text": ""}, secrets=SECRETS)
    assert delivery.code == "webhook"
    assert "**Error:**" in delivery.details
    assert "t0ps3cret" not in delivery.details + delivery.description
    named = hook(peer, url="http://t0ps3cret.invalid/", headers=[])
    delivery = await hooks.fire(named, {"text": ""}, secrets=SECRETS)
    assert delivery.code == "webhook"
    assert "t0ps3cret" not in delivery.details + delivery.description


async def test_secrets_of_no_other_hook_are_within_reach(hooks: WebHooks, peer: HttpPeer) -> None:
    data = {"text": "x", "secrets": {"KEY": "of another"}}
    await hooks.fire(hook(peer, headers=[], body="{{ secrets.KEY }}"), data)
    assert peer.requests[0][3] == b"N/A"


@pytest.mark.parametrize("status", [400, 404, 302, 501])
async def test_any_status_but_2xx_is_a_failure(hooks: WebHooks, peer: HttpPeer, status: int) -> None:
    peer.answers = [(status, {}, b"no")]
    delivery = await hooks.fire(hook(peer, retries=3), {"text": "x"})
    assert delivery.code == "webhook"
    assert f"HTTP {status}" in delivery.description
    assert "**Response Body:**" in delivery.details
    assert len(peer.requests) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_a_passing_failure_is_tried_again(hooks: WebHooks, peer: HttpPeer, status: int) -> None:
    peer.answers = [(status, {"Retry-After": "0"}, b""), (status, {}, b""), (204, {}, b"")]
    delivery = await hooks.fire(hook(peer, retries=2), {"text": "x"})
    assert delivery.code == 0
    assert len(peer.requests) == 3
    assert '"attempts":3' in delivery.details


async def test_retries_end(hooks: WebHooks, peer: HttpPeer) -> None:
    peer.answers = [(503, {}, b"")]
    assert (await hooks.fire(hook(peer, retries=2), {"text": "x"})).code == "webhook"
    assert len(peer.requests) == 3


@pytest.mark.parametrize(
    ("asked", "pause"),
    [
        ("5", 5.0),
        ("", 0.0),
        ("86400", 60.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("soon", 0.0),
        ("-1", 0.0),
    ],
)
def test_retry_after_is_honoured_within_a_minute(asked: str, pause: float) -> None:
    assert pause_of(Answer(503, "", {"Retry-After": asked}, b"", False, "", 0), 1_800_000_000.0) == pause
    later = Answer(503, "", {"Retry-After": "Fri, 15 Jan 2027 08:00:30 GMT"}, b"", False, "", 0)
    assert pause_of(later, 1_800_000_000.0) == 30.0


async def test_a_hook_counts_before_it_is_sent_and_stops_at_its_limit(
    client: HttpClient, settings: Settings, peer: HttpPeer
) -> None:
    counted: list[tuple[str, int, int]] = []

    async def count(hook_id: str, limit: int) -> bool:
        counted.append((hook_id, limit, len(peer.requests)))
        return len(counted) <= limit

    hooks = WebHooks(client, settings, count=count)
    limited = hook(peer, max_per_day=1)
    assert (await hooks.fire(limited, {"text": "x"})).code == 0
    refused = await hooks.fire(limited, {"text": "x"})
    assert (refused.code, refused.description) == (
        "webhook",
        "Web Hook has reached maximum daily limit: w1 (1/day)",
    )
    assert counted == [("w1", 1, 0), ("w1", 1, 1)]
    assert len(peer.requests) == 1


async def test_a_disabled_hook_sends_nothing(hooks: WebHooks, peer: HttpPeer) -> None:
    delivery = await hooks.fire(hook(peer, enabled=False), {"text": "x"})
    assert (delivery.code, delivery.description) == ("webhook", "Web Hook is disabled: w1")
    assert peer.requests == []


async def test_options_of_all_hooks_are_laid_under_each(
    hooks: WebHooks, settings: Settings, peer: HttpPeer
) -> None:
    settings.web_hook_custom_opts = {"headers": {"X-All": "1", "Authorization": "none"}}
    await hooks.fire(hook(peer), {"text": "x"}, secrets=SECRETS)
    headers = peer.requests[0][2]
    assert (headers["X-All"], headers["Authorization"]) == ("1", "Bearer t0ps3cret")


async def test_a_body_that_is_malformed_after_expansion_is_sent_as_it_is(
    hooks: WebHooks, peer: HttpPeer
) -> None:
    await hooks.fire(hook(peer, body="{{ 1 + }}", headers=[]), {})
    assert peer.requests[0][3].startswith(b"(ERROR")
