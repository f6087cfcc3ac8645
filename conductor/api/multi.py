"""Conductors and satellites as a fleet: who is there, releases, commands, upgrades (api/multi.yaml)."""

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec

from conductor.administration.house import Administration
from conductor.administration.internal_jobs import BUSY, InternalJob
from conductor.api.call import Call
from conductor.api.endpoint import Auth, Endpoint, NoParams, Takes
from conductor.api.search import Flag, flag
from conductor.api.told import activity
from conductor.errors import Refusal
from conductor.fleet.roster import Roster
from conductor.signals import Activity, Notice

Json = dict[str, Any]

Host = Annotated[str, msgspec.Meta(pattern=r"^[\w\-\.]+$(?!\n)", max_length=255)]

_MOST_STAGGER = 3600
_LATEST = ("latest", "airgap")


class Register(msgspec.Struct, kw_only=True):
    host: Host
    auth: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]+$(?!\n)", max_length=128)]


class Command(msgspec.Struct, kw_only=True):
    host: Host
    commands: Any = None


class Releases(msgspec.Struct, kw_only=True):
    verbose: Flag = False


class Upgrade(msgspec.Struct, kw_only=True):
    release: Host
    stagger: Annotated[int, msgspec.Meta(ge=0, le=_MOST_STAGGER)]
    targets: Any = None


class Multi:
    def __init__(self, house: Administration, roster: Roster, is_primary: Callable[[], bool]) -> None:
        self._house = house
        self._roster = roster
        self._is_primary = is_primary

    async def get_servers(self, call: Call, params: NoParams) -> Json:
        online = self._roster.online.items()
        return {
            "servers": {id: server for id, server in online if call.account.sees_groups(server["groups"])},
            "masters": self._house.conductors.all(),
        }

    async def master_register(self, call: Call, params: Register) -> Json:
        """What conductors of the original ask at an election. Ours elect by the lease alone."""
        settings = self._house.settings
        expected = hashlib.sha256(f"{params.host}{settings.secret_key}".encode()).hexdigest()
        if not hmac.compare_digest(expected, params.auth):
            self._warn(f"Conductor authentication failure: {params.host} ({call.ip})")
            raise Refusal("auth", "Authentication failure.")
        if params.host == settings.host_id():
            self._warn(f"A conductor with our own host ID has called: {params.host} ({call.ip})")
            raise Refusal("duplicate", f"Host ID is in use by this conductor: {params.host}")
        return {"master": self._is_primary()}

    async def get_master_releases(self, call: Call, params: Releases) -> Json:
        found = await self._house.releases.all()
        call.headers["Cache-Control"] = f"private, max-age={self._house.releases.ttl}"
        answer: Json = {"releases": ["latest", *(str(one["tag_name"]) for one in found)]}
        return answer | {"data": found} if flag(params.verbose) else answer

    async def master_command(self, call: Call, params: Command) -> Mapping[str, Any]:
        words = params.commands
        if (
            not isinstance(words, list)
            or not words
            or words[0] not in ("stop", "restart", "upgrade", "remove")
        ):
            raise Refusal("master", "Unsupported conductor command.")
        if not all(isinstance(word, str) for word in words):
            raise Refusal("master", "Unsupported conductor command.")
        await self._house.conductors.command(params.host, words)
        self._house.signals.publish(
            Activity(
                action="peer_command",
                description=f"Conductor command sent to {params.host}: {words[0]}",
                payload={"host": params.host, "commands": words},
                keywords=(params.host,),
                actor=call.actor,
                correlation_id=call.correlation_id,
            )
        )
        return {}

    async def upgrade_workers(self, call: Call, params: Upgrade) -> Json:
        targets = self._targets(params)
        servers = [
            id
            for id, server in self._roster.online.items()
            if id in targets or targets.intersection(server["groups"])
        ]
        if not servers:
            raise Refusal("admin", "No server that is online matches the targets.")
        if self._house.jobs.exclusive:
            raise Refusal("admin", BUSY)
        if self._house.settings.satellite.get("version") != params.release:
            changes = {"satellite.version": params.release}
            told = activity(call, "config_update", "", {"params": changes}, keywords=("config", *changes))
            await self._house.overrides.update(changes, self._house.signals.events(told))
            self._house.signals.publish_logged(told)

        async def work(job: InternalJob) -> None:
            gone = []
            for number, id in enumerate(servers):
                job.progress(number / len(servers))
                if number:
                    await asyncio.sleep(params.stagger)
                if id in self._roster.online:
                    self._roster.tell(id, "upgrade", {"release": params.release})
                    job.count("servers")
                else:
                    gone.append(id)
            if gone:
                job.details = "Servers that had gone: " + ", ".join(gone)

        return {"id": self._start(call, "Worker server upgrade", work)}

    async def upgrade_masters(self, call: Call, params: Upgrade) -> Json:
        targets = self._targets(params)
        house = self._house
        try:
            house.conductors.check_upgrade()
        except Refusal as refusal:
            raise Refusal("admin", refusal.description) from None
        everybody = house.conductors.all()
        hosts = [host for host in everybody if host in targets and everybody[host]["online"]]
        if not hosts:
            raise Refusal("admin", "No conductor that is online matches the targets.")
        hosts.sort(key=lambda host: host == house.settings.host_id())  # this one last: it ends the job

        async def work(job: InternalJob) -> None:
            for number, host in enumerate(hosts):
                job.progress(number / len(hosts))
                if number:
                    await asyncio.sleep(max(params.stagger, 1))
                await house.conductors.command(host, ["upgrade", params.release])

        return {"id": self._start(call, "Conductor server upgrade", work)}

    def _targets(self, params: Upgrade) -> set[str]:
        if not isinstance(params.targets, list) or not params.targets:
            raise Refusal("admin", "No targets were specified.")
        return {target for target in params.targets if isinstance(target, str)}

    def _start(self, call: Call, title: str, work: Any) -> str:
        return self._house.jobs.start(
            title, "maint", work, username=call.account.name, actor=call.actor, exclusive=True
        )

    def _warn(self, text: str) -> None:
        self._house.signals.publish(Notice(level="warning", description=text))

    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        writes: dict[str, Any] = {
            "methods": ("POST",),
            "auth": Auth.ADMIN,
            "takes": Takes.BODY,
            "mutates": True,
        }
        return (
            Endpoint("get_servers", self.get_servers, NoParams, "Who is online", takes=Takes.NONE),
            Endpoint(
                "master_register",
                self.master_register,
                Register,
                "Another conductor asks who is primary",
                methods=("POST",),
                auth=Auth.NONE,
                takes=Takes.BODY,
                primary_only=False,
            ),
            Endpoint("get_master_releases", self.get_master_releases, Releases, "Releases of the conductor"),
            Endpoint("master_command", self.master_command, Command, "Tell a conductor to stop", **writes),
            Endpoint(
                "admin_upgrade_workers", self.upgrade_workers, Upgrade, "Have satellites upgrade", **writes
            ),
            Endpoint(
                "admin_upgrade_masters", self.upgrade_masters, Upgrade, "Have conductors upgrade", **writes
            ),
        )
