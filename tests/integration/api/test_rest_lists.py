"""Lists of definitions over HTTP: conditions, pages, titles (contract api/README.md §13, api/tags.yaml)."""

from typing import Any

import pytest

from tests.integration.api.conftest import Served


async def asked(
    served: Served, name: str, tag: str = "", key: str | None = None, **query: str
) -> tuple[int, str, dict[str, Any]]:
    """Status, ETag and envelope of a list."""
    headers = {"X-API-Key": served.admin_key if key is None else key}
    if tag:
        headers["If-None-Match"] = tag
    url = f"{served.url}/api/app/{name}/v1"
    async with served.client.get(url, headers=headers, params=query) as response:
        body = await response.json() if response.status == 200 else {}
        assert response.headers["Cache-Control"] == "private, no-cache"
        return response.status, response.headers["ETag"], body


@pytest.mark.parametrize("name", ["get_events", "get_plugins", "get_roles", "get_categories", "get_secrets"])
async def test_rest_readme_13_7_a_list_that_has_not_changed_is_not_sent_again(
    served: Served, name: str
) -> None:
    await served.furnish()
    _, tag, body = await asked(served, name)
    assert await asked(served, name, tag) == (304, tag, {})
    assert (await asked(served, name, f'"other", {tag}'))[0] == 304
    assert (await asked(served, name, 'W/"another"'))[0] == 200
    assert await asked(served, name) == (200, tag, body)


async def test_rest_readme_13_7_a_changed_list_has_another_tag(served: Served) -> None:
    await served.furnish()
    _, tag, _ = await asked(served, "get_tags")
    await served.call("create_tag", {"title": "Fresh"})
    status, fresh, body = await asked(served, "get_tags", tag)
    assert (status, body["rows"][-1]["title"]) == (200, "Fresh")
    assert fresh != tag


async def test_rest_readme_13_7_a_tag_is_of_what_its_caller_sees(served: Served) -> None:
    """A condition tells nobody about definitions out of reach."""
    await served.furnish()
    await served.call("create_category", {"id": "lab", "title": "Lab"})
    limited = await served.key(categories=["lab"])
    status, tag, body = await asked(served, "get_categories", key=limited)
    assert (status, [row["id"] for row in body["rows"]]) == (200, ["lab"])
    await served.call("create_category", {"id": "other", "title": "Other"})
    assert (await asked(served, "get_categories", tag, limited))[0] == 304


async def test_rest_readme_13_7_lists_come_in_pages_when_asked(served: Served) -> None:
    await served.furnish()
    whole = (await asked(served, "get_monitors"))[2]
    pages = [
        (await asked(served, "get_monitors", offset=str(start), limit="4"))[2]
        for start in range(0, len(whole["rows"]), 4)
    ]
    assert [row for page in pages for row in page["rows"]] == whole["rows"]
    assert {page["list"]["length"] for page in pages} == {len(whole["rows"])}
    event = {"enabled": True, "category": "general", "plugin": "shellplug", "targets": ["main"]}
    event["params"] = {"script": "true"}
    for number in range(3):
        made = await served.call("create_event", {**event, "title": f"E{number}"})
        assert made[0] == 200, made
    found = (await asked(served, "get_events", category="general", limit="2"))[2]
    assert ([row["title"] for row in found["rows"]], found["list"]["length"]) == (["E0", "E1"], 3)
    status, answer = await served.call("get_tags", limit="-1")
    assert (status, answer["code"]) == (400, "api")


async def test_rest_tags_yaml_who_takes_a_title_again_is_told(served: Served) -> None:
    """Titles are not unique although jobs push tags by title: the first of a title is meant (test_engine.py)."""
    await served.furnish()
    first = (await served.call("create_tag", {"title": "Night"}))[1]
    assert "warnings" not in first
    second = (await served.call("create_tag", {"title": "Night"}))[1]
    both = f"{first['tag']['id']}, {second['tag']['id']}"
    assert second["warnings"] == [f"Several tags have this title: {both}"]
    changed = (await served.call("update_tag", {"id": second["tag"]["id"], "title": "Day"}))[1]
    assert "warnings" not in changed
    again = (await served.call("update_tag", {"id": second["tag"]["id"], "title": "Night"}))[1]
    assert again["warnings"] == second["warnings"]
