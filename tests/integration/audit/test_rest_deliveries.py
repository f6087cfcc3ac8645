"""The log of web hooks' deliveries (api/web_hooks.yaml and platform.md 5: no delivery log)."""

from typing import Any

import msgspec
import pytest

from conductor.announcer import Signals
from conductor.audit.deliveries import Deliveries
from conductor.outbound.http import HttpClient
from conductor.outbound.web_hooks import WebHooks
from conductor.records.store import Records
from conductor.settings import Settings
from conductor.signals import HookDelivered, Signal
from tests.databases import database_url, postgres, records
from tests.integration.outbound.conftest import client, peer, settings
from tests.integration.outbound.peers import HttpPeer

__all__ = ["client", "database_url", "peer", "postgres", "records", "settings"]


def delivered(number: int, **changes: Any) -> HookDelivered:
    told = {
        "hook_id": "chat" if number % 2 else "pager",
        "title": "T",
        "method": "POST",
        "url": f"https://hooks.example/{number}",
        "code": 0 if number % 3 else "webhook",
        "description": f"number {number}",
        "details": "d" * 20_000,
        "elapsed_ms": number,
    }
    return HookDelivered(**{**told, **changes})


async def rows(deliveries: Deliveries, query: str = "*", **order: Any) -> list[dict[str, Any]]:
    page = await deliveries.search(query, limit=100, **order)
    return [msgspec.json.decode(row) for row in page.rows]


async def test_rest_web_hooks_yaml_deliveries_are_stored_and_found(records: Records) -> None:
    deliveries = Deliveries(records, dict)
    for number in range(6):
        await deliveries.observe(delivered(number))
    await deliveries.observe(Signal())
    assert [row["elapsed_ms"] for row in await rows(deliveries)] == [5, 4, 3, 2, 1, 0]
    assert [row["elapsed_ms"] for row in await rows(deliveries, "web_hook:chat")] == [5, 3, 1]
    assert [row["elapsed_ms"] for row in await rows(deliveries, "result:error")] == [3, 0]
    assert [row["elapsed_ms"] for row in await rows(deliveries, "number 4")] == [4]
    assert max(len(row["details"]) for row in await rows(deliveries)) == 16_384


async def test_rest_web_hooks_yaml_the_log_has_an_end(
    records: Records, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = [1_800_000_000.0]
    monkeypatch.setattr("conductor.audit.deliveries.now", lambda: moment[0])
    deliveries = Deliveries(records, lambda: {"max_rows": 3, "max_days": 10})
    for number in range(6):
        await deliveries.observe(delivered(number))
    assert await deliveries.trim() == 3
    assert [row["elapsed_ms"] for row in await rows(deliveries)] == [5, 4, 3]
    moment[0] += 11 * 86_400
    assert await deliveries.trim() == 3
    assert await rows(deliveries) == []


async def test_rest_platform_5_whatever_is_sent_is_announced_without_secrets(
    client: HttpClient, settings: Settings, peer: HttpPeer
) -> None:
    signals, announced = Signals(), list[Signal]()
    signals.publish = announced.append  # type: ignore[method-assign]
    hooks = WebHooks(client, settings, signals=signals)
    hook = {"id": "w1", "title": "Hook", "url": f"{peer.url}/{{{{ secrets.KEY }}}}", "method": "POST"}
    peer.answers = [(200, {}, b"fine"), (500, {}, b"s3cret")]
    for _ in range(2):
        await hooks.fire(hook, {"text": ""}, secrets={"KEY": "s3cret"})
    first, second = announced
    assert isinstance(first, HookDelivered)
    assert isinstance(second, HookDelivered)
    assert (first.hook_id, first.code, second.code) == ("w1", 0, "webhook")
    assert "s3cret" not in repr(announced)
    assert "HTTP 500" in second.description
