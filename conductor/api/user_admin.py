"""Accounts, as administrators manage them. Contract api/users.yaml.

Each call that changes something has two names: `/api/user/admin_create` is the original's, `create_user` the
older references' (seed 003), under `/api/app` with the rules of that namespace, API keys included.
"""

from dataclasses import replace
from typing import Annotated, Any

import msgspec

from conductor.access.accounts import Accounts
from conductor.access.changes import AccountChanges
from conductor.access.users import normalised, public
from conductor.api.call import Call, Json
from conductor.api.endpoint import Auth, Endpoint, Takes, Text
from conductor.api.users import Email, Secret
from conductor.errors import Refusal

_FALSE = (False, None, 0, "", "0", "false")


class NewUser(msgspec.Struct, kw_only=True):
    """Any other property of an account may come along."""

    username: Text
    email: Email
    full_name: Text
    password: Secret
    send_email: Any = False
    """Welcome the new user by mail."""


class UserName(msgspec.Struct, kw_only=True):
    username: Text


class Page(msgspec.Struct, kw_only=True):
    offset: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0
    limit: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 50


class UserAdminCalls:
    def __init__(self, accounts: Accounts, changes: AccountChanges, *, sorted_by_name: bool) -> None:
        self._accounts = accounts
        self._changes = changes
        self._sorted_by_name = sorted_by_name

    async def create(self, call: Call, params: NewUser) -> Json:
        user = await self._changes.create(
            params.username, params.password, call.params, call.actor, welcome=params.send_email not in _FALSE
        )
        return {"user": public(user)} if self._is_app(call) else {}

    async def update(self, call: Call, params: UserName) -> Json:
        self._changes.check_name(params.username)
        own = call.account.kind == "user" and normalised(params.username) == normalised(call.account.name)
        user = await self._changes.update(
            params.username, call.params, call.actor, keep_session=call.account.session_id if own else ""
        )
        return {"user": public(user)}

    async def delete(self, call: Call, params: UserName) -> Json:
        self._changes.check_name(params.username)
        await self._changes.delete(params.username, call.actor)
        return {}

    async def get(self, call: Call, params: UserName) -> Json:
        self._changes.check_name(params.username)
        user = self._accounts.users.get(params.username)
        if user is None:
            raise Refusal("user", f"User not found: {params.username}")
        return {"user": public(user)}

    async def get_all(self, call: Call, params: Page) -> Json:
        """Newest first, or by name where the settings say so."""
        users = list(self._accounts.users.all())
        if self._sorted_by_name:
            users.sort(key=lambda user: str(user["username"]))
        else:
            users.sort(key=lambda user: (user.get("created", 0), user["username"]), reverse=True)
        rows = users[params.offset :][: params.limit]
        length = len(users) if params.offset < len(users) else 0
        return {"rows": [public(user) for user in rows], "list": {"length": length}}

    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        reading: dict[str, Any] = {"namespace": "user", "auth": Auth.ADMIN}
        writing: dict[str, Any] = {
            "auth": Auth.ADMIN,
            "takes": Takes.BODY,
            "methods": ("POST",),
            "mutates": True,
        }
        made: list[Endpoint[Any]] = [
            Endpoint("admin_get_user", self.get, UserName, "One account", **reading),
            Endpoint("admin_get_users", self.get_all, Page, "Accounts, a page at a time", **reading),
        ]
        for verb, handler, params, summary in (
            ("create", self.create, NewUser, "Make an account"),
            ("update", self.update, UserName, "Change any property of an account"),
            ("delete", self.delete, UserName, "Delete an account"),
        ):
            of_app: Endpoint[Any] = Endpoint(f"{verb}_user", handler, params, summary, **writing)
            made += [
                of_app,
                replace(of_app, namespace="user"),
                replace(of_app, namespace="user", name=f"admin_{verb}"),
            ]
        return tuple(made)

    @staticmethod
    def _is_app(call: Call) -> bool:
        return call.request.path.lower().startswith("/api/app/")
