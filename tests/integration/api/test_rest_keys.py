"""API keys over HTTP: rotation and addresses (contract api/api_keys.yaml, "Where to be better")."""

import pytest

from tests.integration.api.conftest import Served


async def test_rest_api_keys_yaml_rotation_shows_a_new_key_and_keeps_the_old_one_for_a_while(
    served: Served,
) -> None:
    made = (await served.call("create_api_key", {"title": "CI", "privileges": {"create_tags": True}}))[1]
    key_id, first = made["api_key"]["id"], made["plain_key"]
    status, answer = await served.call("rotate_api_key", {"id": key_id})
    assert status == 200
    second = answer["plain_key"]
    assert second != first
    for plain in (first, second):
        assert (await served.call("get_tags", key=plain))[0] == 200
    await served.call("rotate_api_key", {"id": key_id, "overlap": 0})
    for plain, expected in ((second, 401), (first, 200)):
        assert (await served.call("get_tags", key=plain))[0] == expected, "each has its own time"
    limited = await served.key(privileges={"create_tags": True})
    assert (await served.call("rotate_api_key", {"id": key_id}, key=limited))[0] == 403
    for bad in ({"id": "nosuch"}, {"id": key_id, "overlap": -1}, {"id": key_id, "overlap": "long"}, {}):
        assert (await served.call("rotate_api_key", bad))[0] == 400


async def test_rest_api_keys_yaml_no_hash_of_an_earlier_key_is_told_or_taken(served: Served) -> None:
    made = (await served.call("create_api_key", {"title": "CI"}))[1]["api_key"]
    await served.call("rotate_api_key", {"id": made["id"]})
    before = served.definitions.get("api_keys", made["id"])
    assert before is not None
    assert before["previous_keys"][0]["key"] == made["key"]
    forged = [{"key": "0" * 64, "expires": 9_999_999_999}]
    await served.call("update_api_key", {"id": made["id"], "previous_keys": forged})
    after = served.definitions.get("api_keys", made["id"])
    assert after is not None
    assert after["previous_keys"] == before["previous_keys"]
    listed = (await served.call("get_multiple", {"lists": ["api_keys"]}))[1]["api_keys"]
    assert made["key"] not in str(listed)
    await served.signals.settled(5)
    await served.activity.flush(5)
    rows = await served.records.read(
        lambda sql: sql.exec_driver_sql("SELECT doc FROM activity").scalars().all()
    )
    assert any(b"apikey_update" in row for row in rows)
    assert not any(made["key"].encode() in row for row in rows)


@pytest.mark.parametrize("entry", ["192.0.2.0/33", "nonsense", 7, ""])
async def test_rest_api_keys_yaml_addresses_are_checked_on_save(served: Served, entry: object) -> None:
    status, answer = await served.call("create_api_key", {"title": "K", "allow_ips": [entry]})
    assert (status, answer["code"]) == (400, "api")


async def test_rest_api_keys_yaml_no_header_opens_a_bound_key(served: Served) -> None:
    key = await served.key(allow_ips=["192.0.2.1"])
    headers = {"X-API-Key": key, "X-Forwarded-For": "192.0.2.1", "X-Real-IP": "192.0.2.1"}
    async with served.client.get(f"{served.url}/api/app/get_tags/v1", headers=headers) as response:
        assert response.status == 401
    here = await served.key(allow_ips=["127.0.0.0/8"])
    assert (await served.call("get_tags", key=here))[0] == 200
