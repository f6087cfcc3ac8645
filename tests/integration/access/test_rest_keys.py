"""API keys beyond the original: rotation, addresses, quotas (contract api/api_keys.yaml, "Where to be better")."""

import hashlib
from typing import Any

import pytest

from conductor.access.key_usage import KeyUsage
from conductor.access.keys import ApiKeys
from conductor.definitions.api_keys import rotated
from conductor.definitions.writer import House as HouseWriter
from conductor.errors import NoSession, Refusal
from conductor.signals import SYSTEM
from shared.schema.api_keys import mask
from tests.integration.access.conftest import House

MOMENT = 1_800_000_000


class Shelf:
    """Keys in a list; `hashed` counts how many of them were tried."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys = list(keys)

    def all(self, kind: str) -> list[dict[str, Any]]:
        return self.keys if kind == "api_keys" else []

    def version(self, kind: str) -> int:
        return 1


def stored(id: str, plain: str, **more: Any) -> dict[str, Any]:
    digest = hashlib.sha256((plain + id).encode()).hexdigest()
    return {"id": id, "title": id, "active": 1, "key": digest, "mask": mask(plain), **more}


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [MOMENT + 0.5]
    monkeypatch.setattr("conductor.access.keys.time.time", lambda: clock[0])
    return clock


def test_rest_api_keys_yaml_two_plain_keys_are_good_while_one_is_replaced(moment: list[float]) -> None:
    """No rotation with overlap (two valid secrets for one key)."""
    first = stored("k1", "a" * 24, max_per_sec=2)
    second = {**first, **rotated(first, "b" * 24, MOMENT + 60, MOMENT)}
    keys = ApiKeys(Shelf(second))
    assert {keys.account(plain).name for plain in ("a" * 24, "b" * 24)} == {"k1"}
    with pytest.raises(Refusal, match="2/sec"):  # they are one key
        keys.account("a" * 24)
    moment[0] += 60
    with pytest.raises(NoSession):
        keys.account("a" * 24)
    assert keys.account("b" * 24).name == "k1"
    third = {**second, **rotated(second, "c" * 24, MOMENT + 120, MOMENT + 61)}
    assert len(third["previous_keys"]) == 1, "what is good no more is not kept"
    at_once = {**second, **rotated(second, "d" * 24, MOMENT, MOMENT)}
    with pytest.raises(NoSession):
        ApiKeys(Shelf(at_once)).account("b" * 24)


@pytest.mark.parametrize(
    ("allowed", "address", "opens"),
    [
        (["192.0.2.0/24"], "192.0.2.9", True),
        (["192.0.2.0/24"], "198.51.100.1", False),
        (["192.0.2.7", "2001:db8::/32"], "2001:db8::1", True),
        (["192.0.2.7"], "::ffff:192.0.2.7", True),
        (["192.0.2.7"], "", False),
        ([], "198.51.100.1", True),
        (["nonsense of an import"], "198.51.100.1", False),
    ],
)
def test_rest_api_keys_yaml_a_key_may_be_bound_to_addresses(
    allowed: list[str], address: str, opens: bool
) -> None:
    """No IP allow-list."""
    keys = ApiKeys(Shelf(stored("k1", "a" * 24, allow_ips=allowed)))
    if opens:
        assert keys.account("a" * 24, address).name == "k1"
    else:
        with pytest.raises(NoSession, match="Invalid API Key"):
            keys.account("a" * 24, address)


def test_rest_api_keys_yaml_a_burst_over_the_turn_of_a_second_is_one_burst(moment: list[float]) -> None:
    """Per-second fixed window only; no sliding window."""
    keys = ApiKeys(Shelf(stored("k1", "a" * 24, max_per_sec=3)))
    moment[0] = MOMENT + 0.9
    for _ in range(3):
        keys.account("a" * 24)
    moment[0] = MOMENT + 1.1
    with pytest.raises(Refusal, match="3/sec"):
        keys.account("a" * 24)
    moment[0] = MOMENT + 1.95
    keys.account("a" * 24)


def test_rest_api_keys_yaml_a_key_is_found_without_trying_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Key look-up hashes the presented secret once per stored key per request (linear)."""
    tried: list[str] = []

    def counted(given: str, expected: str) -> bool:
        tried.append(expected)
        return given == expected

    monkeypatch.setattr("conductor.access.keys.matches", counted)
    keys = ApiKeys(
        Shelf(*(stored(f"k{number}", f"{number:04}{'x' * 16}{number:04}") for number in range(500)))
    )
    assert keys.account(f"0300{'x' * 16}0300").name == "k300"
    with pytest.raises(NoSession):
        keys.account("y" * 24)
    assert len(tried) == 1


def test_rest_api_keys_yaml_an_imported_key_without_a_mask_is_found(moment: list[float]) -> None:
    imported = stored("k1", "any text of another installation")
    del imported["mask"]
    assert ApiKeys(Shelf(imported)).account("any text of another installation").name == "k1"


async def test_rest_api_keys_yaml_a_daily_quota_outlives_the_process(
    house: House, moment: list[float]
) -> None:
    """No daily quota."""
    made = await house.definitions.create_showing(
        "api_keys", {"title": "CI", "max_per_day": 2}, actor=SYSTEM, by=HouseWriter("admin")
    )
    plain = str(made.shown_once["plain_key"])
    usage = KeyUsage(house.accounts.keys, house.definitions, house.definitions.state)
    house.accounts.keys.account(plain)
    await usage.flush()
    later = ApiKeys(house.definitions)
    KeyUsage(later, house.definitions, house.definitions.state)
    later.account(plain)
    with pytest.raises(Refusal, match="2/day"):
        later.account(plain)
    moment[0] += 86_400
    later.account(plain)
