"""Accounts over HTTP. Contract api/users.yaml."""

import asyncio
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image

from conductor.settings import Settings
from conductor.settings_sections import SsoSettings, UserSettings
from conductor.signals import SYSTEM
from tests.integration.api.conftest import PASSWORD, Served, serving

ANN = {"username": "ann", "password": "open door", "full_name": "Ann", "email": "ann@example.com"}


class Person:
    """Somebody with a browser."""

    def __init__(self, served: Served, jar: aiohttp.ClientSession, csrf: str) -> None:
        self.served, self.http, self.csrf = served, jar, csrf

    async def call(self, path: str, body: Any = None, **query: str) -> dict[str, Any]:
        """The envelope of a POST with the CSRF token, or of a GET without a body."""
        status, answer = await self.asked(path, body, **query)
        if path.startswith("user/"):
            assert status == 200  # whatever came of it
        return answer

    async def asked(self, path: str, body: Any = None, **query: str) -> tuple[int, dict[str, Any]]:
        method = "GET" if body is None else "POST"
        headers = {"X-CSRF-Token": self.csrf}
        url = f"{self.served.url}/api/{path}"
        async with self.http.request(method, url, json=body, params=query, headers=headers) as response:
            return response.status, await response.json()

    async def upload(self, path: str, content: bytes, **fields: str) -> tuple[int, dict[str, Any]]:
        form = aiohttp.FormData(fields)
        form.add_field("file1", content, filename="me.png", content_type="image/png")
        headers = {"X-CSRF-Token": self.csrf}
        async with self.http.post(f"{self.served.url}/api/{path}", data=form, headers=headers) as response:
            return response.status, await response.json()


async def enter(served: Served, username: str, password: str, http: aiohttp.ClientSession) -> Person:
    body = {"username": username, "password": password}
    async with http.post(f"{served.url}/api/user/login", json=body) as response:
        answer = await response.json()
        assert answer["code"] == 0, answer
    return Person(served, http, answer["csrf_token"])


@pytest.fixture
async def admin(served: Served) -> Person:
    return await enter(served, "admin", PASSWORD, served.client)


@pytest.fixture
async def ann(served: Served, admin: Person) -> AsyncIterator[Person]:
    """A user without privileges."""
    assert await admin.call("user/admin_create", ANN) == {"code": 0}
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        yield await enter(served, "ann", ANN["password"], http)


def picture() -> bytes:
    into = BytesIO()
    Image.new("RGB", (300, 200), (0, 120, 0)).save(into, "PNG")
    return into.getvalue()


@pytest.mark.parametrize("form", ["user/admin_{}", "user/{}_user", "app/{}_user", "app/{}_user/v1"])
async def test_both_names_of_the_administrators_calls(served: Served, admin: Person, form: str) -> None:
    answer = await admin.call(form.format("create"), {**ANN, "privileges": {"run_jobs": 1}})
    assert ("user" in answer) is form.startswith("app/")
    changed = await admin.call(
        form.format("update"), {"username": "ANN", "icon": "star", "password": "ignored"}
    )
    assert changed["user"]["icon"] == "star"
    assert not {"password", "salt"} & changed["user"].keys()
    assert (await admin.call("user/admin_get_user", username="ann"))["user"] == changed["user"]
    assert await admin.call(form.format("delete"), {"username": "ann"}) == {"code": 0}
    assert (await admin.call("user/admin_get_user", username="ann"))["code"] == "user"


async def test_the_account_manager_takes_sessions_alone(served: Served, ann: Person) -> None:
    async with aiohttp.ClientSession() as http:
        for key in (served.admin_key, await served.key()):
            by_key = Person(served, http, "")
            http.headers["X-API-Key"] = key
            assert (await by_key.call("user/admin_get_users"))["code"] == "session"
            assert (await by_key.call("user/update", {"username": "admin", "old_password": "x"}))[
                "code"
            ] == "session"
    refused = await ann.call("user/admin_create", {})
    assert (refused["code"], refused["description"]) == ("user", "User is not an administrator: ann")
    assert (await ann.asked("app/create_user/v1", ANN))[0] == 403


async def test_keys_are_refused_where_a_person_is_meant(served: Served) -> None:
    """Hole: an API key acted as its creator on settings, avatar and activity."""
    for name in ("user_settings", "upload_avatar", "delete_avatar", "get_sessions"):
        assert (await served.call(name, {"full_name": "Hacked"}))[1]["code"] == "session"
    assert (await served.call("logout_all", {"password": PASSWORD}))[1]["code"] == "login"
    assert (await served.call("get_user_activity"))[1]["rows"] == []
    user = served.users.get("admin")
    assert user is not None
    assert user["full_name"] == "Administrator"


async def test_pages_of_accounts(admin: Person) -> None:
    for number in range(3):
        await admin.call("user/admin_create", {**ANN, "username": f"user{number}"})
    page = await admin.call("user/admin_get_users", limit="2", offset="1")
    assert (len(page["rows"]), page["list"]["length"]) == (2, 4)
    assert (await admin.call("user/admin_get_users", offset="9")) == {
        "code": 0,
        "rows": [],
        "list": {"length": 0},
    }


async def test_every_change_needs_the_csrf_token_and_a_post(served: Served, ann: Person) -> None:
    """Hole: state-changing calls took GET, which no CSRF token guards."""
    token, ann.csrf = ann.csrf, ""
    for path in ("user/update", "user/delete", "app/user_settings", "app/logout_all", "app/delete_avatar"):
        answer = await ann.call(path, {"username": "ann", "password": "x", "old_password": "x"})
        assert answer["code"] == "session", path
        assert (await ann.call(path))["code"] == "session", path
    ann.csrf = token
    assert (await ann.call("app/user_settings", {"language": "de"}))["user"]["language"] == "de"


async def test_another_site_cannot_log_out(served: Served, ann: Person) -> None:
    url = f"{served.url}/api/user/logout"
    async with ann.http.get(url, headers={"Sec-Fetch-Site": "cross-site"}) as response:
        assert (await response.json())["code"] == "session"
    assert (await ann.call("app/get_tags"))["code"] == 0


async def test_an_owner_edits_and_deletes_himself(served: Served, ann: Person) -> None:
    changed = await ann.call(
        "user/update", {"username": "ann", "old_password": ANN["password"], "icon": "star"}
    )
    assert changed["user"]["icon"] == "star"
    wrong = await ann.call("user/update", {"username": "ann", "old_password": "wrong"})
    assert (wrong["code"], wrong["description"]) == ("user", "Your password is incorrect.")
    other = await ann.call("user/update", {"username": "admin", "old_password": ANN["password"]})
    assert other["description"] == "Username mismatch."
    assert await ann.call("user/delete", {"username": "ann", "password": ANN["password"]}) == {"code": 0}
    assert (await ann.call("app/get_tags"))["code"] == "session"


async def test_the_security_log_names_no_session(served: Served, ann: Person) -> None:
    """Hole: session IDs stood in clear in the activity and the security log."""
    rows = (await ann.call("app/get_user_activity"))["rows"]
    assert [row["action"] for row in rows] == ["user_login"]
    assert rows[0]["user"]["email"] == "ann@example.com"
    assert "useragent" in rows[0]
    session_id = next(one.value for one in ann.http.cookie_jar if one.key == "session_id")
    await served.signals.settled(5)
    await served.activity.flush(5)
    stored = await served.records.read(
        lambda sql: [
            row[0]
            for row in sql.exec_driver_sql("SELECT doc FROM activity UNION SELECT doc FROM security_log")
        ]
    )
    assert stored
    for secret in (session_id, ann.csrf, ANN["password"], served.admin_key):
        assert not any(secret.encode() in doc for doc in stored)


async def test_administrators_changes_name_both(served: Served, ann: Person) -> None:
    await served.signals.settled(5)
    await served.activity.flush(5)
    rows = await served.records.read(
        lambda sql: [
            row[0] for row in sql.exec_driver_sql("SELECT doc FROM activity WHERE action='user_create'")
        ]
    )
    assert b'"username":"ann"' in rows[0]
    assert b'"admin":"admin"' in rows[0]
    assert b"argon2" not in rows[0]


async def test_log_out_everywhere_else(served: Served, ann: Person) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        phone = await enter(served, "ann", ANN["password"], http)
        assert (await ann.call("app/logout_all", {"password": "wrong"}))["code"] == "login"
        assert len((await ann.call("app/get_sessions"))["rows"]) == 2
        assert await ann.call("app/logout_all", {"password": ANN["password"]}) == {"code": 0}
        assert (await phone.call("app/get_tags"))["code"] == "session"
    [row] = (await ann.call("app/get_sessions"))["rows"]
    assert row["current"]
    assert "127.0.0.1" in (await served.mailer.letter("logout_all_sessions"))["report"]
    assert (await ann.call("app/get_user_activity"))["rows"][0]["action"] == "warning"


async def test_forgotten_password_by_mail(served: Served, ann: Person) -> None:
    stranger = Person(served, ann.http, "")
    for body in (
        {"email": "ann@example.com"},
        {"email": "x@y.z"},
        {"username": "bob", "email": "ann@example.com"},
    ):
        assert await stranger.call("user/forgot_password", {"username": "ann", **body}) == {"code": 0}
    letter = await served.mailer.letter("recover_password")
    assert len(served.mailer.letters) == 1
    assert "cookie" not in letter["request"]["headers"]
    reset = {"username": "ann", "key": letter["recovery_key"], "new_password": "new door"}
    assert await stranger.call("user/reset_password", reset) == {"code": 0}
    assert (await ann.call("app/get_tags"))["code"] == "session"
    assert (await stranger.call("user/reset_password", reset))["code"] == "login"
    await enter(served, "ann", "new door", ann.http)


async def test_avatars(served: Served, ann: Person, admin: Person) -> None:
    url = f"{served.url}/api/app/avatar/ann.png"

    async def shown(**query: str) -> tuple[bytes, tuple[int, int]]:
        async with served.client.get(url, params=query) as response:
            assert response.content_type == "image/png"
            assert response.headers["Cache-Control"] == "public, max-age=300, must-revalidate"
            data = await response.read()
        with Image.open(BytesIO(data)) as image:
            return data, image.size

    default, size = await shown()
    assert size == (256, 256)
    assert (await ann.upload("app/upload_avatar/v1", picture()))[1] == {"code": 0}
    assert (await shown())[0] != default
    assert (await shown(size="64"))[1] == (64, 64)
    assert await ann.call("app/delete_avatar", {}) == {"code": 0}
    assert (await ann.call("app/delete_avatar", {}))["code"] == "avatar"
    assert (await admin.upload("app/admin_upload_avatar/v1", picture(), username="ann"))[1] == {"code": 0}
    assert (await admin.upload("app/admin_upload_avatar/v1", picture(), username="nobody"))[1][
        "code"
    ] == "user"
    assert await admin.call("app/admin_delete_avatar", {"username": "ann"}) == {"code": 0}
    assert (await shown())[0] == default
    assert (await ann.upload("app/upload_avatar/v1", b"no picture"))[1]["code"] == "avatar"
    assert (await ann.upload("app/admin_upload_avatar/v1", picture(), username="admin"))[0] == 403
    assert list(served.uploads.iterdir()) == []
    async with served.client.get(f"{served.url}/api/app/avatar/v1") as response:
        assert (await response.json())["code"] == "avatar"


@pytest.mark.parametrize("namespace", ["app", "user"])
async def test_strangers_learn_of_no_account(served: Served, admin: Person, namespace: str) -> None:
    path = f"{namespace}/check_user_exists"
    async with aiohttp.ClientSession() as http:
        stranger = Person(served, http, "")
        assert (await stranger.call(path, username="admin"))["code"] == "session"
        served.settings.User.free_accounts = True
        assert await stranger.call(path, username="admin") == {"code": 0, "user_exists": True}
        assert await stranger.call(path, username="Webmaster") == {"code": 0, "user_exists": True}
    assert await admin.call(path, username="nobody2") == {"code": 0, "user_exists": False}
    assert await admin.call(path, username="a b") == {"code": 0, "user_invalid": True}
    assert await admin.call(path) == {"code": 0, "user_invalid": True}


async def test_wrong_keys_are_counted_by_address(tmp_path: Path) -> None:
    """Hole: guessing API keys was neither slowed down nor noticed."""
    settings = Settings(User=UserSettings(max_failed_keys_per_address=3))
    async with serving(tmp_path, settings=settings) as served:
        answers = [(await served.call("get_tags", key="wrong"))[0] for _ in range(5)]
        assert set(answers[:3]) == {401}
        assert answers[-1] == 429
        assert (await served.call("get_tags"))[0] == 200


PROXY = {"X-Forwarded-User": "Ann", "X-Forwarded-Email": "ann@example.com", "X-Forwarded-Groups": "ops"}


async def test_a_trusted_proxy_logs_in(tmp_path: Path) -> None:
    settings = Settings(SSO=SsoSettings(enabled=True, group_privilege_map={"ops": "abort_jobs"}))
    async with serving(tmp_path, settings=settings) as served:
        async with served.client.get(
            served.url + "/?code=1", headers=PROXY, allow_redirects=False
        ) as response:
            assert (response.status, response.headers["Location"]) == (302, "/")
            assert response.cookies["session_id"]["httponly"]
        user = served.users.get("ann")
        assert user is not None
        assert user["privileges"]["abort_jobs"]
        async with served.client.get(served.url + "/api/user/resume_session") as response:
            assert (await response.json())["username"] == "ann"
        body = {"username": "ann", "password": ""}
        async with served.client.post(served.url + "/api/user/login", json=body) as response:
            assert (await response.json())["code"] != 0
        await served.changes.update("ann", {"active": 0}, SYSTEM)
        async with served.client.get(served.url + "/", headers=PROXY) as response:
            assert "disabled" in await response.text()


async def test_nobody_else_is_believed(tmp_path: Path) -> None:
    settings = Settings(SSO=SsoSettings(enabled=True, whitelist=["192.0.2.0/24"]))
    async with serving(tmp_path, settings=settings) as served:
        async with served.client.get(served.url + "/", headers=PROXY) as response:
            assert response.status == 200
            assert "may not log in" in await response.text()
            assert "session_id" not in response.cookies
            assert response.headers["X-Frame-Options"] == "DENY"
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert served.users.get("ann") is None


COMMAND = """
import json, os, sys
asked = json.loads(sys.stdin.readline())
assert asked["xy"] == 1 and asked["type"] == "sso"
assert not any(name.startswith("OPSORBIT_") for name in os.environ)
print("noise")
print(json.dumps({"xy": 1, "code": 0, "headers": {"X-Forwarded-User": "cmd", "X-Forwarded-Email": "c@example.com"}}))
"""


async def test_a_client_cannot_claim_what_the_command_left_out(tmp_path: Path) -> None:
    """Hole: a mapped header that a command omitted was taken from the client."""
    script = tmp_path / "login.py"
    script.write_text(COMMAND)
    sso = SsoSettings(
        enabled=True, whitelist=False, command=f"python3 {script}", group_privilege_map={"ops": "admin"}
    )
    async with serving(tmp_path, settings=Settings(SSO=sso)) as served:
        async with served.client.get(served.url + "/", headers=PROXY) as response:
            assert "session_id" in response.cookies
        user = served.users.get("cmd")
        assert user is not None
        assert "admin" not in user["privileges"]
        assert served.users.get("ann") is None


async def test_mail_trouble_delays_no_call(served: Served, ann: Person) -> None:
    stuck = asyncio.Event()

    async def never(*_: Any, **__: Any) -> Any:
        await stuck.wait()

    served.mailer.send_template = never  # type: ignore[method-assign]
    async with asyncio.timeout(5):
        change = {"username": "ann", "old_password": ANN["password"], "new_password": "new door"}
        assert (await ann.call("user/update", change))["code"] == 0
    stuck.set()
