"""Running the house: internal jobs, statistics, maintenance, export, the keys' rotation."""

from collections.abc import Callable

from conductor.administration.backup.sealed import SecretSection
from conductor.administration.file_search import FileSearch
from conductor.administration.house import Administration
from conductor.administration.internal_jobs import InternalJob
from conductor.administration.rotation import Rotation
from conductor.api.metrics import Metrics
from conductor.api.monitors import exposition_of
from conductor.composition.access import Access
from conductor.composition.filing import Filing
from conductor.composition.fleet import Fleet
from conductor.composition.ground import Ground
from conductor.composition.monitoring import Monitoring
from conductor.definitions.key_file import KeyFile
from conductor.filing.section import BucketSection
from conductor.jobs.interruption import interrupt
from conductor.monitoring.retention import Retention
from conductor.signals import SYSTEM, Actor
from shared import clock


class Housekeeping:
    """The room of administration."""

    def __init__(
        self,
        ground: Ground,
        access: Access,
        filing: Filing,
        monitoring: Monitoring,
        fleet: Fleet,
        stop: Callable[[bool], None],
    ) -> None:
        """`stop` ends this conductor; True starts it again."""
        self._ground = ground
        self._monitoring = monitoring
        settings, roster, definitions = ground.settings, ground.roster, ground.definitions
        samples = monitoring.samples
        fleet_monitors = [exposition_of(samples, roster)] if settings.metrics_monitors else []
        self.metrics = Metrics([self._gauges], fleet_monitors)
        self.house = Administration(
            records=ground.records,
            archive=ground.archive,
            servers=ground.servers,
            alerts=monitoring.alert_records,
            snapshots=monitoring.snapshot_records,
            files=ground.files,
            definitions=definitions,
            users=access.users,
            sessions=access.sessions,
            signals=ground.signals,
            settings=settings,
            base=ground.base,
            redis=ground.redis,
            keys=ground.keys,
            seat=ground.leadership,
            version=ground.release,
            data_dir=ground.data_dir,
            requests=lambda: self.metrics.requests,
            active_jobs=ground.office.count,
            groups_of=lambda server_id: (roster.record(server_id) or {}).get("groups", []),
            delete_job=lambda job_id: filing.deletion.delete(job_id, SYSTEM),
            interrupt=self._bring_to_rest,
        )
        self.house.conductors.stop = stop
        self.house.sweeps.keeps = lambda index, record: index == "servers" and record["id"] in roster.online
        self.house.maintenance.register("expired watches", monitoring.watches.drop_ended)
        self.house.rereads.append(self._reread_alerts)
        self.house.collections.deletes("servers", fleet.removals.remove)
        self.house.sections.register(BucketSection(filing.bucket_data))
        self.house.sections.register(SecretSection(ground.vault))
        self.house.jobs.browsers = fleet.browsers
        fleet.browsers.file_search = FileSearch(ground.archive, ground.files, settings).run
        ground.activity.follow(self.house.follow)
        ground.signals.subscribe("statistics", self.house.statistics.observe)
        fleet.picture.internal_jobs = lambda: {job.id: job.told() for job in self.house.jobs.all()}
        fleet.picture.statistics = self.house.statistics.shown

        trim = Retention(samples.timelines, settings.timeline_expiration).trim
        self.house.maintenance.register("password recovery", access.recovery.purge)
        self.house.maintenance.register("timelines", trim)
        self.house.maintenance.register("event log", lambda: ground.event_log.expire(settings.event_log_days))
        self.house.maintenance.register("expired files", lambda: filing.expiry.expire(int(clock.now())))
        self.rotation = Rotation(
            KeyFile(ground.data_dir),
            ground.vault,
            settings,
            access.changes,
            self.house.jobs,
            interrupt=self._bring_to_rest,
            hosts=self.house.conductors.all,
            retell=fleet.credentials.tell_all,
            reseal=self.house.overrides.share_again,
        )
        self.house.maintenance.register("earlier secret keys", self._forget_previous_keys)

    async def _reread_alerts(self) -> None:
        await self._monitoring.alerting.load(await self._ground.servers.all())

    async def _forget_previous_keys(self) -> int:
        return self.rotation.forget_previous()

    async def _bring_to_rest(self, reason: str, actor: Actor, job: InternalJob) -> None:
        ground = self._ground
        if reason:
            self.house.jobs.rest(job)
        was_on, aborted, left = await interrupt(
            ground.office.engine, ground.definitions.state, ground.signals, reason, actor
        )
        if was_on:
            job.details = "The scheduler was switched off and must be switched on again by hand."
        job.stats |= {"aborted": aborted, "left": left} if reason else {}

    def _gauges(self) -> dict[str, float]:
        ground = self._ground
        return {
            "active_jobs": float(ground.office.count()),
            "online_servers": float(len(ground.roster.online)),
            "dropped_signals": float(ground.signals.dropped),
        }
