"""What satellites ask over HTTP: enrolment, and the end of a job in the base protocol.

Contract api/satellite.yaml, satellite_protocol.md §5.3. `satellite/*` answers errors with 4xx and 5xx
although its URLs carry no version, since its callers pipe the answer into files and shells.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from conductor.access.accounts import Accounts
from conductor.api.call import Call
from conductor.api.endpoint import Auth, Endpoint, Takes
from conductor.api.office import Office
from conductor.errors import BadParameter, Refusal
from conductor.fleet.enrolment import DEFAULT_SECONDS, Enrolment
from conductor.fleet.roster import Roster
from conductor.settings import Settings
from shared.protocol import tokens

_INITIAL = ("title", "icon", "groups", "enabled")


class NewToken(msgspec.Struct, kw_only=True):
    expires: int = DEFAULT_SECONDS
    """Seconds."""
    title: str | None = None
    icon: str | None = None
    groups: list[str] | None = None
    enabled: bool | None = None


class Token(msgspec.Struct, kw_only=True):
    token: str
    base_url: str
    image: str
    version: str


class FinishJob(msgspec.Struct, kw_only=True):
    id: str
    auth: str
    job: dict[str, Any]
    server: str = ""


class SatelliteFile(msgspec.Struct, kw_only=True):
    t: str = ""
    """An enrolment token, or an API key that may add servers."""


def endpoints(
    office: Office, enrolment: Enrolment, roster: Roster, accounts: Accounts, settings: Settings
) -> tuple[Endpoint[Any], ...]:
    async def get_satellite_token(call: Call, params: NewToken) -> Mapping[str, Any]:
        initial = {key: value for key in _INITIAL if (value := getattr(params, key)) not in (None, [], "")}
        return {
            "token": await enrolment.token(initial, params.expires),
            "base_url": settings.base_app_url,
            "image": "",
            "version": "latest",
        }

    async def satellite(call: Call, params: SatelliteFile) -> web.Response:
        if call.path_rest.strip("/") != "config":
            raise Refusal("satellite", "This version serves the satellite's configuration alone.")
        if not params.t:
            raise BadParameter("Missing parameter: t")
        initial = await enrolment.initial(params.t)
        if initial is None:
            key = await accounts.api_key(params.t)
            if key is None:
                raise Refusal("satellite", "Access denied.")
            key.require("add_servers")
            initial = {}
        host, _, port = call.request.host.partition(":")
        default_port = 443 if call.secure else 80
        config = enrolment.config(host, int(port or default_port), secure=call.secure, initial=initial)
        return web.Response(
            body=msgspec.json.format(msgspec.json.encode(config), indent=2),
            content_type="application/json",
            headers={"Content-Disposition": 'attachment; filename="config.json"'},
        )

    async def finish_job(call: Call, params: FinishJob) -> Mapping[str, Any]:
        await _authorise(params)
        if params.job.get("id", params.id) != params.id:
            raise Refusal("auth", "Authentication failure")
        await office.engine.reports.finished_by_call(params.server, params.id, params.job)
        return {}

    async def _authorise(params: FinishJob) -> None:
        secret = settings.secret_key
        if params.server:
            token = tokens.server_token(params.server, secret)
            fits = tokens.matches(params.auth, token) or tokens.matches(
                params.auth, tokens.runner_token(params.id, token)
            )
            if fits and params.server in roster.online:
                return
        elif tokens.matches(params.auth, tokens.job_token(params.id, secret)):
            return
        if await accounts.api_key(params.auth) is not None:
            return
        raise Refusal("auth", "Authentication failure")

    return (
        Endpoint(
            name="get_satellite_token",
            handler=get_satellite_token,
            params=NewToken,
            result=Token,
            privilege="add_servers",
            mutates=True,
            summary="A token with which a new satellite fetches its configuration.",
        ),
        Endpoint(
            name="satellite",
            handler=satellite,
            params=SatelliteFile,
            auth=Auth.TOKEN,
            methods=("GET",),
            status_always=True,
            summary="satellite/config: the configuration of one new satellite.",
        ),
        Endpoint(
            name="finish_job",
            handler=finish_job,
            params=FinishJob,
            auth=Auth.TOKEN,
            takes=Takes.BODY,
            methods=("POST",),
            summary="A satellite's final report of a job (base protocol).",
        ),
    )
