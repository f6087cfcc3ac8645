"""Second factors: set up, confirmed, turned off. An addition to the original's calls; docs/access.md.

What a login asks for is in `api/sessions.py`.
"""

from typing import Annotated, Any

import msgspec

from conductor.access.changes import AccountChanges
from conductor.access.second_factors import SecondFactors
from conductor.access.users import public
from conductor.api.call import Call, Json
from conductor.api.endpoint import Auth, Endpoint, Takes, Text
from conductor.api.users import Password

Code = Annotated[str, msgspec.Meta(pattern=r"\S", max_length=64)]


class Confirmation(msgspec.Struct, kw_only=True):
    code: Code
    """Six digits, as the app shows them now."""


class Disabling(msgspec.Struct, kw_only=True):
    password: Text
    """The current one."""
    code: Code
    """Of the app, or a recovery code."""


class UserName(msgspec.Struct, kw_only=True):
    username: Text


class MfaCalls:
    def __init__(self, factors: SecondFactors, changes: AccountChanges) -> None:
        self._factors = factors
        self._changes = changes

    async def setup(self, call: Call, params: Password) -> Json:
        """`uri` and `secret` are told this once."""
        made = await self._factors.begin(call.account, params.password, call.actor)
        return {"uri": made.uri, "secret": made.secret, "expires": made.expires}

    async def confirm(self, call: Call, params: Confirmation) -> Json:
        """`recovery_codes` are told this once."""
        codes, user = await self._factors.confirm(call.account, params.code, call.actor)
        return {"recovery_codes": codes, "user": public(user)}

    async def disable(self, call: Call, params: Disabling) -> Json:
        user = await self._factors.disable(call.account, params.password, params.code, call.actor)
        return {"user": public(user)}

    async def admin_disable(self, call: Call, params: UserName) -> Json:
        self._changes.check_name(params.username)
        return {"user": public(await self._factors.disable_of(params.username, call.account, call.actor))}

    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        writing: dict[str, Any] = {"methods": ("POST",), "takes": Takes.BODY, "mutates": True}
        own: dict[str, Any] = {**writing, "auth": Auth.SESSION}
        return (
            Endpoint(
                "setup_mfa",
                self.setup,
                Password,
                "Begin to set up one's own second factor",
                enrolling=True,
                **own,
            ),
            Endpoint(
                "confirm_mfa",
                self.confirm,
                Confirmation,
                "Turn one's own second factor on by its first code",
                enrolling=True,
                **own,
            ),
            Endpoint("disable_mfa", self.disable, Disabling, "Turn one's own second factor off", **own),
            Endpoint(
                "admin_disable_mfa",
                self.admin_disable,
                UserName,
                "Turn another user's second factor off",
                auth=Auth.ADMIN,
                **writing,
            ),
        )
