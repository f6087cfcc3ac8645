import hashlib
from typing import Any

import pytest

from conductor.access.keys import ApiKeys
from conductor.errors import NoSession, Refusal


class Shelf:
    """The definitions as access reads them, in plain lists."""

    def __init__(self, *keys: dict[str, Any], roles: list[dict[str, Any]] | None = None) -> None:
        self.kinds: dict[str, list[dict[str, Any]]] = {"api_keys": list(keys), "roles": roles or []}
        self.versions = 1

    def all(self, kind: str) -> list[dict[str, Any]]:
        return self.kinds[kind]

    def version(self, kind: str) -> int:
        return self.versions


def stored(id: str, plain: str, **more: Any) -> dict[str, Any]:
    digest = hashlib.sha256((plain + id).encode()).hexdigest()
    return {"id": id, "title": id, "active": 1, "key": digest, "privileges": {}, **more}


def test_a_key_is_found_among_others() -> None:
    keys = ApiKeys(Shelf(stored("k1", "one"), stored("k2", "two", privileges={"run_jobs": True})))
    account = keys.account("two")
    assert (account.kind, account.name, account.privileges) == ("api_key", "k2", {"run_jobs"})
    assert keys.account("two") is account


@pytest.mark.parametrize("more", [{"active": 0}, {"expires": 5}, {"key": ""}, {"active": None}])
def test_keys_that_do_not_count(more: dict[str, Any]) -> None:
    with pytest.raises(NoSession, match="Invalid API Key"):
        ApiKeys(Shelf(stored("k1", "one", **more))).account("one")


@pytest.mark.parametrize("plain", ["", "wrong", "\udcff", "k1", "x" * 100_000])
def test_any_text_is_just_a_wrong_key(plain: str) -> None:
    with pytest.raises(NoSession):
        ApiKeys(Shelf(stored("k1", "one"))).account(plain)


def test_a_change_counts_at_once() -> None:
    shelf = Shelf(stored("k1", "one", roles=["r"]))
    keys = ApiKeys(shelf)
    assert not keys.account("one").admin
    shelf.kinds["roles"] = [{"id": "r", "enabled": True, "privileges": {"admin": True}}]
    shelf.versions += 1
    assert keys.account("one").admin
    shelf.kinds["api_keys"] = []
    shelf.versions += 1
    with pytest.raises(NoSession):
        keys.account("one")


def test_a_found_key_still_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1_000.0]
    monkeypatch.setattr("conductor.access.keys.time.time", lambda: clock[0])
    keys = ApiKeys(Shelf(stored("k1", "one", expires=2_000)))
    keys.account("one")
    clock[0] = 2_000.0
    with pytest.raises(NoSession):
        keys.account("one")


def test_rate_by_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1_000.5]
    monkeypatch.setattr("conductor.access.keys.time.time", lambda: clock[0])
    keys = ApiKeys(Shelf(stored("k1", "one", max_per_sec=2), stored("k2", "two", max_per_sec="x")))
    keys.account("one")
    keys.account("one")
    with pytest.raises(Refusal, match="2/sec") as caught:
        keys.account("one")
    assert caught.value.code == "rate"
    assert keys.usage() == {"k1": {"date": 1_000, "count": 3}}
    clock[0] += 1
    keys.account("one")
    for _ in range(5):
        keys.account("two")
    keys.forget("k1")
    assert set(keys.usage()) == {"k2"}


def test_no_kind_of_roles() -> None:
    shelf = Shelf(stored("k1", "one", roles=["r"]))
    versions = shelf.versions

    def version(kind: str) -> int:
        return {"api_keys": versions}[kind]

    shelf.version = version  # type: ignore[method-assign]
    del shelf.kinds["roles"]
    assert ApiKeys(shelf).account("one").privileges == frozenset()
