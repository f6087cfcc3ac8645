"""What a host is set up from: scripts, packages and configurations (contract api/satellite.yaml, satellite/*).

Errors carry a status of 400 and more although the URLs have no version: callers pipe the answer into shells.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from conductor.access.accounts import Accounts
from conductor.api import envelope
from conductor.api.call import Call
from conductor.api.endpoint import Auth, Endpoint
from conductor.errors import AccessDenied, BadParameter, Refusal
from conductor.fleet.credentials import Credentials
from conductor.fleet.enrolment import Enrolment, Offer
from conductor.fleet.roster import Roster
from conductor.packages import script
from conductor.packages.store import Packages
from conductor.records.searchable import SearchableDocuments
from conductor.settings import Settings

_WORD = re.compile(r"[\w\-]+", re.ASCII)
_TAKEN = frozenset(("t", "s", "os", "arch"))
_PORTS = {True: 443, False: 80}


class Asked(msgspec.Struct, kw_only=True):
    t: str = ""
    """An enrolment token, an API key that may add servers, or with `s` a satellite's own key."""
    s: str = ""
    """A server's ID."""
    os: str = ""
    arch: str = ""


class Bearer(msgspec.Struct, frozen=True, kw_only=True):
    """What the token of a request is good for: an offer, or (`server_id`) being this satellite."""

    offer: Offer = Offer()
    token: str = ""
    server_id: str = ""


class SatelliteFiles:
    """The family `/api/app/satellite/…`."""

    def __init__(
        self,
        enrolment: Enrolment,
        credentials: Credentials,
        packages: Packages,
        roster: Roster,
        stored: SearchableDocuments,
        accounts: Accounts,
        settings: Settings,
    ) -> None:
        self._enrolment = enrolment
        self._credentials = credentials
        self._packages = packages
        self._roster = roster
        self._stored = stored
        self._accounts = accounts
        self._settings = settings
        self._methods = {
            "install": self._install,
            "upgrade": self._upgrade,
            "core": self._core,
            "config": self._config,
        }

    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        return (
            Endpoint(
                name="satellite",
                handler=self._serve,
                params=Asked,
                auth=Auth.TOKEN,
                methods=("GET",),
                status_always=True,
                summary="satellite/install, upgrade, core, config, ca: what a host is set up from.",
            ),
        )

    async def _serve(self, call: Call, asked: Asked) -> web.StreamResponse:
        name = call.path_rest.strip("/")
        if name == "ca":
            return self._ca()
        method = self._methods.get(name)
        if method is None:
            raise Refusal("satellite", "Unknown satellite method.")
        for key, value in (("t", asked.t), *([("s", asked.s)] if name == "upgrade" or asked.s else [])):
            if not value:
                raise BadParameter(f"Missing parameter: {key}")
            if not _WORD.fullmatch(value):
                raise BadParameter(f"Malformed parameter: {key}")
        if name == "core":
            for key, value in (("os", asked.os), ("arch", asked.arch)):
                if not value:
                    raise BadParameter(f"Missing parameter: {key}")
                if not re.fullmatch(r"\w+", value, re.ASCII):
                    raise BadParameter(f"Malformed parameter: {key}")
        return await method(call, asked, await self._bearer(call, asked))

    async def _bearer(self, call: Call, asked: Asked) -> Bearer:
        """What the token opens, in the contract's order. Raises Refusal `satellite`, or AccessDenied for a key."""
        key = await self._accounts.api_key(asked.t, call.trusted_address)
        if key is not None:
            key.require("add_servers")
            return Bearer(token=asked.t)
        offer = await self._enrolment.offer(asked.t)
        if offer is not None:
            return Bearer(offer=offer, token=asked.t)
        if asked.s and self._credentials.opens(asked.s, asked.t) and await self._is_known(asked.s):
            return Bearer(server_id=asked.s, token=asked.t)
        raise Refusal("satellite", "Access denied.")

    async def _is_known(self, server_id: str) -> bool:
        return bool(self._roster.record(server_id) or await self._stored.get(server_id))

    async def _install(self, call: Call, asked: Asked, bearer: Bearer) -> web.Response:
        base = self._base(call)
        if asked.os == "windows":
            return _text(script.windows(token=asked.t, base=base), "satellite-install.ps1")
        checksums = await self._checksums()
        if isinstance(checksums, web.Response):
            return checksums
        extra: Mapping[str, str] = {}
        if not bearer.server_id:
            extra = {name: str(value) for name, value in call.params.items() if name not in _TAKEN}
        text = script.install(
            token=asked.t,
            base=base,
            checksums=checksums,
            ca=self._enrolment.authority(),
            extra=extra,
            server_id=bearer.server_id,
        )
        return _text(text, "satellite-install.sh")

    async def _upgrade(self, call: Call, asked: Asked, bearer: Bearer) -> web.Response:
        base = self._base(call)
        if asked.os == "windows":
            return _text(script.windows(token=asked.t, base=base), "satellite-upgrade.ps1")
        checksums = await self._checksums()
        if isinstance(checksums, web.Response):
            return checksums
        text = script.upgrade(
            token=asked.t, base=base, checksums=checksums, ca=self._enrolment.authority(), server_id=asked.s
        )
        return _text(text, "satellite-upgrade.sh")

    async def _core(self, call: Call, asked: Asked, bearer: Bearer) -> web.StreamResponse:
        system = "darwin" if asked.os == "macos" else asked.os
        try:
            package = await self._packages.get(system, asked.arch)
        except Refusal as refusal:
            if refusal.code == "notfound":
                return web.Response(status=404, text=f"{refusal.description}\n")
            return _failed(refusal)
        return web.FileResponse(
            package.path,
            headers={
                "Content-Type": "application/gzip",
                "Content-Disposition": f'attachment; filename="satellite-{system}-{asked.arch}.tar.gz"',
                "X-Checksum-SHA256": package.checksum,
            },
        )

    async def _config(self, call: Call, asked: Asked, bearer: Bearer) -> web.Response:
        """A new satellite's configuration; for a satellite's own key its own, never another identity."""
        server_id = bearer.server_id
        initial: dict[str, Any] = {}
        if not server_id:
            initial = {**bearer.offer.initial, **script.initial_of(call.params)}
            await self._enrolment.take(bearer.token, bearer.offer)
            if bearer.offer.server_id:
                server_id = bearer.offer.server_id
                await self._credentials.reissue(server_id, call.actor)
        host, port = _host_of(call.request.host)
        config = self._enrolment.config(
            host, port or _PORTS[call.secure], secure=call.secure, initial=initial, server_id=server_id
        )
        return web.Response(
            body=msgspec.json.format(msgspec.json.encode(config), indent=2),
            content_type="application/json",
            headers={
                "Content-Disposition": 'attachment; filename="config.json"',
                "Cache-Control": "no-store",
            },
        )

    def _ca(self) -> web.Response:
        """The authority that satellites pin. Public: whoever asks compares its fingerprint."""
        authority = self._enrolment.authority()
        if not authority:
            return web.Response(status=404, text="No https_ca_file is configured.\n")
        return _text(authority, "ca.pem")

    async def _checksums(self) -> Mapping[str, str] | web.Response:
        try:
            return await self._packages.checksums()
        except AccessDenied:
            raise
        except Refusal as refusal:
            return _failed(refusal)

    def _base(self, call: Call) -> str:
        return script.base_url(
            call.request.host, secure=call.secure, configured=self._settings.base_app_url.rstrip("/")
        )


def _failed(refusal: Refusal) -> web.Response:
    """Ours to mend, not the caller's: HTTP 500, where a refused token has 403."""
    return web.Response(status=500, body=envelope.refused(refusal), content_type="application/json")


def _text(text: str, name: str) -> web.Response:
    headers = {"Content-Disposition": f'inline; filename="{name}"', "Cache-Control": "no-store"}
    return web.Response(text=text, headers=headers)


def _host_of(header: str) -> tuple[str, int | None]:
    """Host without brackets, and port, of a Host header."""
    if header.startswith("["):
        host, _, port = header[1:].partition("]")
        port = port.removeprefix(":")
    else:
        host, _, port = header.partition(":")
    return host, int(port) if port.isdecimal() and int(port) < 65536 else None
