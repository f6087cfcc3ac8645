"""Every endpoint, with the parts its handlers call."""

from typing import Any

from conductor.api import (
    actions,
    administration,
    api_keys,
    bucket_definitions,
    buckets,
    categories,
    channels,
    definitions,
    event_history,
    explain,
    files,
    job_control,
    job_logs,
    job_stream,
    job_summaries,
    jobs,
    magic,
    mail,
    misc,
    monitors,
    multiple,
    references,
    revisions,
    run_event,
    satellite_keys,
    satellites,
    scheduler_plugins,
    secrets,
    servers,
    tickets,
    web_hook_deliveries,
    web_hooks,
    workflows,
)
from conductor.api.alerts import AlertCalls
from conductor.api.avatars import AvatarCalls
from conductor.api.call import Call
from conductor.api.endpoint import Endpoint
from conductor.api.job_texts import ActiveJobTexts
from conductor.api.mfa import MfaCalls
from conductor.api.satellite_files import SatelliteFiles
from conductor.api.sessions import SessionCalls
from conductor.api.snapshots import SnapshotCalls
from conductor.api.sso import SsoDoor
from conductor.api.user_admin import UserAdminCalls
from conductor.api.users import UserCalls
from conductor.composition.rooms import Rooms
from conductor.signals import Actor

Endpoints = tuple[Endpoint[Any], ...]


def endpoints(rooms: Rooms, session_calls: SessionCalls, sso: SsoDoor) -> Endpoints:
    """All endpoints of a conductor."""
    return (
        *misc.endpoints(
            rooms.ground.settings,
            rooms.ground.leadership,
            rooms.ground.release,
            rooms.house.conductors.all,
        ),
        *session_calls.endpoints(),
        *sso.endpoints(),
        *_of_users(rooms),
        *_of_definitions(rooms),
        *_of_jobs(rooms),
        *_of_files(rooms),
        *_of_outbound(rooms),
        *_of_fleet(rooms),
        *administration.endpoints(
            rooms.house,
            rooms.ground.roster,
            rooms.ground.leadership,
            rooms.housekeeping.rotation,
            rooms.filing.menu_of_bucket,
        ),
    )


def _of_users(rooms: Rooms) -> Endpoints:
    ground, access = rooms.ground, rooms.access
    settings, accounts = ground.settings, access.accounts
    return (
        *UserCalls(
            accounts,
            access.changes,
            access.recovery,
            access.security,
            access.post,
            ground.signals,
            settings,
            rooms.house.jobs,
        ).endpoints(),
        *UserAdminCalls(accounts, access.changes, sorted_by_name=settings.User.sort_global_users).endpoints(),
        *MfaCalls(access.second_factors, access.changes).endpoints(),
        *AvatarCalls(access.avatars, accounts, access.changes, settings.ttl).endpoints(),
        *api_keys.endpoints(ground.definitions, accounts),
    )


def _of_definitions(rooms: Rooms) -> Endpoints:
    ground, office = rooms.ground, rooms.ground.office
    stored = ground.definitions

    async def delete_jobs_of(event_id: str, actor: Actor) -> None:
        office.engine.in_background(rooms.filing.deletion.delete_of_event(event_id, actor))

    async def move_tickets(source: str, target: str, call: Call) -> None:
        async for rows in rooms.house.collections.pages("tickets", f"category:{source}"):
            for row in rows:
                if row.get("category") == source:  # words alone do not tell `a_b` from `a b`
                    await rooms.ticketing.tickets.update(
                        str(row["id"]),
                        {"category": target},
                        actor=call.actor,
                        username=call.account.name,
                    )

    collections = {
        **multiple.of_house(office, ground.roster, stored.state),
        "alerts": rooms.fleet.picture.active_alerts,
    }
    return (
        *definitions.endpoints(stored, office.jobs_of_event, delete_jobs_of),
        *categories.endpoints(stored, move_tickets),
        *bucket_definitions.endpoints(stored, rooms.filing.buckets),
        *secrets.endpoints(stored, ground.vault, ground.secret_uses, ground.signals),
        *references.endpoints(stored),
        *revisions.endpoints(stored, ground.records),
        *multiple.endpoints(stored, collections),
        *channels.endpoints(office, stored, ground.signals),
        *event_history.endpoints(stored, ground.records, ground.settings.ttl),
    )


def _of_jobs(rooms: Rooms) -> Endpoints:
    ground, filing = rooms.ground, rooms.filing
    office, archive, settings = ground.office, ground.archive, ground.settings
    stored = ground.definitions
    return (
        *actions.endpoints(ground.failed_actions, stored),
        *run_event.endpoints(office, stored, filing.job_files),
        *magic.endpoints(office, stored, settings, filing.job_files),
        *explain.endpoints(office, rooms.timekeeper, stored, ground.servers, ground.roster, settings),
        *scheduler_plugins.endpoints(rooms.trigger_plugins, settings),
        *jobs.endpoints(office, archive, settings),
        *job_summaries.endpoints(office),
        *workflows.endpoints(office, archive, stored),
        *job_control.endpoints(office, archive, filing.deletion, stored, rooms.access.email_of),
        *job_logs.endpoints(office, archive, ground.files, settings),
        *job_stream.endpoints(office, archive, settings),
    )


def _of_files(rooms: Rooms) -> Endpoints:
    ground, filing = rooms.ground, rooms.filing
    door = files.Door(
        ground.office,
        ground.archive,
        filing.bucket,
        ground.roster,
        rooms.access.accounts,
        rooms.fleet.credentials,
        ground.settings,
    )
    return (
        *files.endpoints(
            ground.files, filing.job_files, filing.user_files, door, ground.signals, ground.settings
        ),
        *buckets.endpoints(filing.buckets, filing.bucket, ground.signals),
    )


def _of_outbound(rooms: Rooms) -> Endpoints:
    ground, outbound, ticketing = rooms.ground, rooms.outbound, rooms.ticketing
    office, roster, settings = ground.office, ground.roster, ground.settings
    return (
        *mail.endpoints(outbound.mailer, settings),
        *web_hook_deliveries.endpoints(outbound.deliveries),
        *tickets.endpoints(ticketing.tickets, ticketing.facts, outbound.mailer.templates, settings),
        *web_hooks.endpoints(
            outbound.web_hooks,
            outbound.web_hook,
            ground.secrets.of_web_hook,
            ground.signals,
            settings,
            job=lambda job_id: office.engine.book.get(job_id),
            online=lambda server_id: server_id in roster.online,
            texts=ActiveJobTexts(office, ticketing.facts, settings),
        ),
    )


def _of_fleet(rooms: Rooms) -> Endpoints:
    ground, fleet, monitoring = rooms.ground, rooms.fleet, rooms.monitoring
    stored, roster, settings, signals = ground.definitions, ground.roster, ground.settings, ground.signals
    accounts, samples = rooms.access.accounts, monitoring.samples
    return (
        *servers.endpoints(roster, ground.servers, samples),
        *servers.ServerCalls(fleet.server_changes, fleet.removals, lambda: roster.online).endpoints(),
        *monitors.endpoints(stored, roster, ground.servers, samples),
        *AlertCalls(monitoring.alerting, monitoring.alert_store, stored, samples, signals).endpoints(),
        *SnapshotCalls(monitoring.snapshots, monitoring.watches, roster, stored, signals).endpoints(),
        *satellites.endpoints(
            ground.office,
            fleet.enrolment,
            fleet.credentials,
            roster,
            ground.servers,
            accounts,
            settings,
            ground.release,
            signals,
        ),
        *SatelliteFiles(
            fleet.enrolment, fleet.credentials, fleet.packages, roster, ground.servers, accounts, settings
        ).endpoints(),
        *satellite_keys.endpoints(fleet.credentials, roster, ground.servers),
    )
