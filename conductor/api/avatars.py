"""Avatars: uploaded by their owner or an administrator, shown to everybody. Contract api/users.yaml."""

import re
from typing import Annotated, Any

import msgspec
from aiohttp import web

from conductor.access.accounts import Accounts
from conductor.access.avatars import Avatars, default
from conductor.access.changes import AccountChanges
from conductor.api.answer import SERVER
from conductor.api.call import Call, Json
from conductor.api.endpoint import Auth, Endpoint, NoParams, Takes, Text
from conductor.errors import Refusal
from shared.clock import now

_PATH = re.compile(r"/([\w\-.]+)\.\w+", re.ASCII)
_FIELD = "file1"


class Shown(msgspec.Struct, kw_only=True):
    size: float = 256
    """Up to 64 the small one, else the large one."""
    ttl: Annotated[int, msgspec.Meta(ge=0, le=2**31)] | None = None
    """Seconds that a client may keep it."""


class OfUser(msgspec.Struct, kw_only=True):
    username: Text


class AvatarCalls:
    def __init__(self, avatars: Avatars, accounts: Accounts, changes: AccountChanges, ttl: int) -> None:
        self._avatars = avatars
        self._accounts = accounts
        self._changes = changes
        self._ttl = ttl

    async def upload(self, call: Call, params: NoParams) -> Json:
        return await self._store(call, call.account.name)

    async def upload_of(self, call: Call, params: OfUser) -> Json:
        return await self._store(call, self._existing(params.username))

    async def delete(self, call: Call, params: NoParams) -> Json:
        return await self._remove(call, call.account.name)

    async def delete_of(self, call: Call, params: OfUser) -> Json:
        return await self._remove(call, self._existing(params.username))

    async def show(self, call: Call, params: Shown) -> web.Response:
        match = _PATH.fullmatch(call.path_rest)
        if match is None:
            raise Refusal("avatar", "Malformed avatar path: /avatar/USERNAME.png is needed")
        size = round(params.size) if abs(params.size) < 10_000 else 256
        picture = await self._avatars.get(match[1], size) or default(size)
        age = self._ttl if params.ttl is None else params.ttl
        return web.Response(
            body=picture,
            content_type="image/png",
            headers={
                "Cache-Control": f"public, max-age={age}, must-revalidate",
                "X-Content-Type-Options": "nosniff",
                "Server": SERVER,
            },
        )

    async def _store(self, call: Call, username: str) -> Json:
        file = next((one for one in call.files if one.field == _FIELD), None)
        if file is None:
            raise Refusal("avatar", f"No file was uploaded as {_FIELD}")
        await self._avatars.store(username, file.path)
        await self._changes.mark(username, {"avatar": int(now())}, call.actor)
        return {}

    async def _remove(self, call: Call, username: str) -> Json:
        if not await self._avatars.remove(username):
            raise Refusal("avatar", f"There is no avatar of {username}")
        await self._changes.mark(username, {"avatar": None}, call.actor)
        return {}

    def _existing(self, username: str) -> str:
        self._changes.check_name(username)
        user = self._accounts.users.get(username)
        if user is None:
            raise Refusal("user", f"User not found: {username}")
        return str(user["username"])

    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        own: dict[str, Any] = {"auth": Auth.SESSION, "takes": Takes.BODY, "mutates": True}
        of_user: dict[str, Any] = {**own, "auth": Auth.ADMIN, "methods": ("POST",)}
        return (
            Endpoint(
                "upload_avatar", self.upload, NoParams, "Set one's own avatar", **own | {"methods": ("POST",)}
            ),
            Endpoint("delete_avatar", self.delete, NoParams, "Remove one's own avatar", **own),
            Endpoint("avatar", self.show, Shown, "A user's picture", methods=("GET",), auth=Auth.NONE),
            Endpoint("admin_upload_avatar", self.upload_of, OfUser, "Set a user's avatar", **of_user),
            Endpoint("admin_delete_avatar", self.delete_of, OfUser, "Remove a user's avatar", **of_user),
        )
