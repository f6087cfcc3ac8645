"""get_multiple: many lists in one call. Contract api/misc.yaml."""

import time
from typing import Any

import pytest

from conductor.api.multiple import LISTS
from tests.integration.api.conftest import Served


async def ask(served: Served, key: str | None = None, **query: str) -> dict[str, Any]:
    status, answer = await served.call("get_multiple", key=key, **query)
    assert status == 200, answer
    return answer


async def test_lists_by_name(served: Served) -> None:
    await served.furnish()
    answer = await ask(served, lists="tags, monitors,tags")
    assert answer.keys() == {"code", "epoch", "tags", "monitors"}
    assert [row["id"] for row in answer["tags"]] == ["important", "flag"]
    assert abs(answer["epoch"] - time.time()) < 60
    assert isinstance(answer["epoch"], float)
    _, posted = await served.call("get_multiple", {"lists": ["tags"]})
    assert posted["tags"] == answer["tags"]


async def test_all_lists_and_every_flag(served: Served) -> None:
    await served.furnish()
    flags = ("jobs", "alerts", "state", "stats", "servers", "serverCache")
    answer = await ask(served, lists="all", **dict.fromkeys(flags, "1"))
    more = {"activeJobs", "internalJobs", "activeAlerts", "state", "stats", "servers", "serverCache"}
    assert answer.keys() == {"code", "epoch", *LISTS, *more}
    assert isinstance(answer["alerts"], list)  # the definitions: the flag of that name adds activeAlerts
    assert (await ask(served, lists="tags", jobs="0")).keys() == {"code", "epoch", "tags"}


@pytest.mark.parametrize(
    ("body", "code"),
    [({}, "api"), ({"lists": ""}, "api"), ({"lists": 5}, "admin"), ({"lists": {"a": 1}}, "admin"),
     ({"lists": "Tags"}, "admin"), ({"lists": ["tags", "users"]}, "admin"), ({"lists": [["tags"]]}, "admin"),
     ({"lists": "tags", "jobs": []}, "api")],
)  # fmt: skip
async def test_refusals(served: Served, body: dict[str, Any], code: str) -> None:
    status, answer = await served.call("get_multiple", body)
    assert (status, answer["code"]) == (400, code)


async def test_no_key_material_leaves(served: Served) -> None:
    """Better: no hash of an API key, and for others than administrators neither mask nor rights."""
    nobody = await served.key()
    for key in (None, nobody):
        for row in (await ask(served, key, lists="api_keys"))["api_keys"]:
            assert row["key"] == "REDACTED"
            assert ("privileges" in row, "*" in row["mask"]) == (
                (True, True) if key is None else (False, False)
            )


async def test_a_limited_caller_gets_what_it_may_see(served: Served) -> None:
    """Better: filtered like the single calls instead of refused."""
    await served.furnish()
    await served.call("create_category", {"id": "mine", "title": "Mine"})
    event = {
        "title": "E",
        "enabled": True,
        "plugin": "shellplug",
        "targets": ["main"],
        "params": {"script": "x"},
    }
    for id, category in (("e1", "general"), ("e2", "mine")):
        await served.call("create_event", event | {"id": id, "category": category})
    limited = await served.key(categories=["mine"], groups=["lab", "main"])
    answer = await ask(served, limited, lists="events,categories,groups,tags")
    found = {name: [row["id"] for row in answer[name]] for name in ("events", "categories", "groups", "tags")}
    assert found == {
        "events": ["e2"],
        "categories": ["mine"],
        "groups": ["main"],
        "tags": ["important", "flag"],
    }
