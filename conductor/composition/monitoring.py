"""Watching servers: samples, alerts, snapshots, watches."""

from conductor.api.server_jobs import ServerJobs
from conductor.composition.ground import Ground
from conductor.fleet.fresh_samples import FreshSamples
from conductor.monitoring.alerts.active import ActiveAlerts
from conductor.monitoring.alerts.alerting import Alerting
from conductor.monitoring.alerts.purge import Purge
from conductor.monitoring.alerts.store import AlertStore
from conductor.monitoring.loads import Loads
from conductor.monitoring.quick import QuickMonitors
from conductor.monitoring.redaction import Redaction
from conductor.monitoring.samples import Samples
from conductor.monitoring.snapshots import Snapshots
from conductor.monitoring.watches import Watches
from conductor.records import tables
from conductor.records.search.index import ALERTS, SNAPSHOTS
from conductor.records.searchable import SearchableDocuments


class Monitoring:
    """The room of samples and what is concluded from them."""

    def __init__(self, ground: Ground) -> None:
        definitions, signals, settings = ground.definitions, ground.signals, ground.settings
        server_jobs = ServerJobs(ground.office)
        self.alert_records = SearchableDocuments(ground.records, ALERTS, tables.alerts)
        self.snapshot_records = SearchableDocuments(ground.records, SNAPSHOTS, tables.snapshots)
        self.active_alerts = ActiveAlerts(lambda id: definitions.get("alerts", id))
        self.alert_store = AlertStore(ground.records, self.alert_records)
        self.alerting = Alerting(
            self.alert_store,
            self.active_alerts,
            definitions,
            signals,
            ground.roster,
            server_jobs,
            stale_seconds=settings.stale_alert_timeout,
        )
        self.purge = Purge(self.alert_store, definitions.state)
        self.snapshots = Snapshots(
            self.snapshot_records,
            ground.roster,
            self.active_alerts,
            server_jobs,
            definitions,
            signals,
            Redaction(settings.snapshot_redactions),
        )
        self.snapshots.fresh = FreshSamples(ground.roster.questions)
        self.watches = Watches(definitions.state, self.snapshots, settings.watches_per_user)
        self.loads = Loads()
        self.samples = Samples(
            ground.records,
            definitions,
            QuickMonitors(settings.quick_monitors, settings.quick_max),
            (self.alerting.sampled, self.watches.sampled, self.loads.sampled),
        )
        self.alerting.samples = self.snapshots.samples = self.samples
        signals.subscribe("alerts", self.alerting.observe)
        signals.subscribe("deleted alerts", self.purge.observe)

    async def forget_alerts_of(self, server_id: str) -> None:
        """Drop a deleted server's alerts, those that are active among them."""
        self.alerting.forget_server(server_id)
        await self.purge.delete(f"server:{server_id}")
