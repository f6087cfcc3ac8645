"""What satellites ask over HTTP: enrolment, and the end of a job in the base protocol.

Contract api/satellite.yaml, satellite_protocol.md §5.3. What hosts are set up from: `satellite_files`.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import structlog

from conductor.access.accounts import Accounts
from conductor.announcer import Signals
from conductor.api.call import Call
from conductor.api.endpoint import Auth, Endpoint, Takes, WordId
from conductor.api.office import Office
from conductor.errors import Refusal
from conductor.fleet.credentials import Credentials, require_known
from conductor.fleet.enrolment import DEFAULT_SECONDS, IMAGE, Enrolment, Offer
from conductor.fleet.roster import Roster
from conductor.records.searchable import SearchableDocuments
from conductor.settings import Settings
from conductor.signals import Notice
from shared import clock
from shared.protocol import tokens

_INITIAL = ("title", "icon", "groups", "enabled")


_MOST_TOLD = 10_000

log = structlog.get_logger(__name__)


class NewToken(msgspec.Struct, kw_only=True):
    expires: int = DEFAULT_SECONDS
    """Seconds."""
    title: str | None = None
    icon: str | None = None
    groups: list[str] | None = None
    enabled: bool | None = None
    uses: int = 0
    """Satellites that may be made with it; 0: any number."""
    server_id: WordId | Literal[""] = ""
    """A server that is to be enrolled anew under its ID, such as one whose key was revoked."""


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


class Releases(msgspec.Struct, kw_only=True):
    verbose: bool = False


def endpoints(
    office: Office,
    enrolment: Enrolment,
    credentials: Credentials,
    roster: Roster,
    stored: SearchableDocuments,
    accounts: Accounts,
    settings: Settings,
    release: str,
    signals: Signals,
) -> tuple[Endpoint[Any], ...]:
    told: dict[str, int] = {}
    """By address the minute in which a refused result was told last."""

    async def get_satellite_token(call: Call, params: NewToken) -> Mapping[str, Any]:
        initial = {key: value for key in _INITIAL if (value := getattr(params, key)) not in (None, [], "")}
        if params.server_id:
            call.account.require_admin()
            require_known(
                roster.record(params.server_id) or await stored.get(params.server_id), params.server_id
            )
        uses = 1 if params.server_id else params.uses
        offer = Offer(initial=initial, uses=uses, server_id=params.server_id)
        return {
            "token": await enrolment.token(offer, params.expires),
            "base_url": enrolment.base_url(),
            "image": str(settings.satellite.get("image") or IMAGE),
            "version": str(settings.satellite.get("version") or "latest"),
        }

    async def get_satellite_releases(call: Call, params: Releases) -> Mapping[str, Any]:
        given = settings.satellite
        if settings.airgap.get("enabled") and given.get("bucket"):
            names = ["airgap"]
        elif not given.get("enable_version_checks", True):
            names = ["latest"]
        else:
            names = ["latest", release]
        call.headers["Cache-Control"] = f"public, max-age={int(given.get('cache_ttl', 3600))}"
        # What satellites are installed from is this conductor: there is the release that it is itself.
        data = [{"tag_name": release, "name": release, "prerelease": False}]
        return {"releases": names, **({"data": data} if params.verbose else {})}

    async def finish_job(call: Call, params: FinishJob) -> Mapping[str, Any]:
        try:
            await _authorise(call, params)
        except Refusal:
            _lost(call, params)
            raise
        if params.job.get("id", params.id) != params.id:
            raise Refusal("auth", "Authentication failure")
        await office.engine.reports.finished_by_call(params.server, params.id, params.job)
        return {}

    def _lost(call: Call, params: FinishJob) -> None:
        """An agent forgets a result that was answered with 200, whatever the code: somebody has to hear of it."""
        log.error("a result was refused", job=params.id, server=params.server, address=call.ip)
        minute = int(clock.now() // 60)
        if told.get(call.ip) != minute:
            if len(told) > _MOST_TOLD:
                told.clear()
            told[call.ip] = minute
            text = f"A result of job {params.id} was refused: wrong credentials from {call.ip}"
            signals.publish(Notice(level="error", description=text))

    async def _authorise(call: Call, params: FinishJob) -> None:
        if params.server:
            if params.server in roster.online and credentials.signed(params.server, params.auth, params.id):
                return
        elif any(
            tokens.matches(params.auth, tokens.job_token(params.id, key)) for key in settings.secret_keys()
        ):
            return
        account = await accounts.api_key(params.auth, call.trusted_address)
        if account is None:
            raise Refusal("auth", "Authentication failure")
        account.require("run_jobs")  # whoever may not run a job may not say how one ended
        active = office.engine.book.get(params.id)
        if active is not None:
            account.require_job(active.job)

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
            name="get_satellite_releases",
            handler=get_satellite_releases,
            params=Releases,
            summary="The releases that satellites can be installed in.",
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
