"""Login, cookies, CSRF, lockout. Contract access.md §2-§3."""

from typing import Any

import pytest

from conductor.access.sessions import Sessions
from conductor.settings import Settings
from conductor.settings_sections import UserSettings
from tests.integration.api.conftest import PASSWORD, Served


async def user(served: Served, name: str, body: Any = None, **headers: str) -> tuple[dict[str, Any], Any]:
    method = "GET" if body is None else "POST"
    url = f"{served.url}/api/user/{name}"
    async with served.client.request(method, url, json=body, headers=headers) as response:
        assert response.status == 200
        return await response.json(), response


async def log_in(served: Served, password: str = PASSWORD) -> dict[str, Any]:
    body, _ = await user(served, "login", {"username": "Admin", "password": password})
    return body


async def post(served: Served, name: str, body: Any, **headers: str) -> tuple[int, dict[str, Any]]:
    async with served.client.post(f"{served.url}/api/app/{name}/v1", json=body, headers=headers) as response:
        return response.status, await response.json()


async def test_login(served: Served) -> None:
    body, response = await user(served, "login", {"username": "admin", "password": PASSWORD})
    assert body["code"] == 0
    assert body["username"] == "admin"
    assert "password" not in body["user"]
    assert "salt" not in body["user"]
    assert "session_id" not in body
    assert len(body["csrf_token"]) == 64
    assert body["api_keys"][0]["key"] == "REDACTED"
    assert {"events", "categories", "groups", "plugins", "users", "roles", "monitors"} <= body.keys()
    cookie = response.headers["Set-Cookie"]
    assert cookie.startswith("session_id=")
    assert cookie.endswith("Max-Age=31536000; Path=/; HttpOnly; SameSite=Lax")


async def test_session_ids_are_not_stored(served: Served) -> None:
    _, response = await user(served, "login", {"username": "admin", "password": PASSWORD})
    session_id = response.cookies["session_id"].value
    stored = await served.records.read(
        lambda sql: b"".join(
            bytes(str(row), "utf-8") for row in sql.exec_driver_sql("SELECT * FROM sessions")
        )
    )
    assert session_id.encode() not in stored


async def test_session_calls_and_csrf(served: Served) -> None:
    token = (await log_in(served))["csrf_token"]
    assert (await post(served, "create_tag", {"title": "No token"}))[1]["code"] == "session"
    assert (await post(served, "create_tag", {"title": "Bad"}, **{"X-CSRF-Token": "0" * 64}))[0] == 401
    status, body = await post(served, "create_tag", {"title": "By header"}, **{"X-CSRF-Token": token})
    assert status == 200
    assert body["tag"]["username"] == "admin"
    status, body = await post(served, "create_tag", {"title": "By body", "csrf_token": token})
    assert status == 200
    assert "csrf_token" not in body["tag"]
    async with served.client.get(served.url + "/api/app/get_tags/v1") as response:
        assert (await response.json())["list"]["length"] == 2


async def test_a_link_changes_nothing(served: Served) -> None:
    """A mutating GET by cookie is what a forged link is."""
    await log_in(served)
    url = served.url + "/api/app/create_tag/v1?title=x"
    async with served.client.get(url) as response:
        assert (response.status, (await response.json())["code"]) == (401, "session")


async def test_a_session_outranks_a_key(served: Served) -> None:
    headers = {"X-Session-ID": "0" * 64, "X-API-Key": served.admin_key}
    async with served.client.get(served.url + "/api/app/get_tags/v1", headers=headers) as response:
        assert response.status == 401


async def test_resume_and_logout(served: Served) -> None:
    body, _ = await user(served, "resume_session", {})
    assert body == {"code": 0}
    await log_in(served)
    body, _ = await user(served, "resume_session", {})
    assert body["username"] == "admin"
    session_id = next(cookie.value for cookie in served.client.cookie_jar if cookie.key == "session_id")
    body, response = await user(served, "logout", {})
    assert body == {"code": 0}
    assert "Max-Age=0" in response.headers["Set-Cookie"]
    body, response = await user(served, "resume_session", {}, **{"X-Session-ID": session_id})
    assert body["code"] == "session"
    assert "Max-Age=0" in response.headers["Set-Cookie"]


async def test_an_expired_session_is_refused(served: Served) -> None:
    past = Sessions(served.records, Settings(User=UserSettings(session_expire_days=-2)))
    session_id, _ = await past.open("admin", "", "")
    assert await past.get(session_id) is None
    assert await served.accounts.sessions.get(session_id) is None
    headers = {"X-Session-ID": session_id}
    async with served.client.get(served.url + "/api/app/get_tags/v1", headers=headers) as response:
        assert response.status == 401
    assert await past.purge() == 1


async def test_other_sessions_end_together(served: Served) -> None:
    sessions = served.accounts.sessions
    kept, *others = [(await sessions.open("admin", "", ""))[0] for _ in range(3)]
    assert len(await sessions.end_all("admin", but=kept)) == 2
    assert await sessions.get(kept) is not None
    for ended in others:
        assert await sessions.get(ended) is None


@pytest.mark.parametrize(
    ("username", "password", "code"),
    [
        ("nobody", "x", "login"),
        ("admin", "x", "login"),
        ("admin", "", "api"),
        ("a b", "x", "api"),
        ("...", "x", "login"),
        (7, "x", "api"),
    ],
)
async def test_failed_logins(served: Served, username: Any, password: str, code: str) -> None:
    body, response = await user(served, "login", {"username": username, "password": password})
    assert body["code"] == code
    assert "Set-Cookie" not in response.headers


async def test_lockout_comes_before_the_verdict(served: Served) -> None:
    limit = served.settings.User.max_failed_logins_per_hour
    for _ in range(limit + 1):
        assert (await log_in(served, "wrong"))["description"] == "Username or password incorrect."
    assert "locked" in (await log_in(served))["description"]
    admin = served.users.get("admin")
    assert admin is not None
    await served.users.save({**admin, "force_password_reset": 0, "active": 0})
    assert "disabled" in (await log_in(served))["description"]


async def test_a_disabled_user_loses_the_session(served: Served) -> None:
    await log_in(served)
    admin = served.users.get("admin")
    assert admin is not None
    await served.users.save({**admin, "active": 0})
    async with served.client.get(served.url + "/api/app/get_tags/v1") as response:
        assert "disabled" in (await response.json())["description"]
    await served.users.delete("admin")
    async with served.client.get(served.url + "/api/app/get_tags/v1") as response:
        assert (response.status, (await response.json())["code"]) == (400, "user")


async def test_logins_are_logged_without_the_session(served: Served) -> None:
    _, response = await user(served, "login", {"username": "admin", "password": PASSWORD})
    await served.signals.settled(5)
    await served.activity.flush(5)
    docs = await served.records.read(
        lambda sql: [
            row[0] for row in sql.exec_driver_sql("SELECT doc FROM activity WHERE action='user_login'")
        ]
    )
    assert len(docs) == 1
    assert response.cookies["session_id"].value.encode() not in docs[0]
