"""All rooms of a conductor, built in the order in which they need each other."""

from collections.abc import Callable

from conductor.actions.condition_hooks import ConditionHooks
from conductor.actions.ports import Ports as ActionPorts
from conductor.composition.access import Access
from conductor.composition.administration import Housekeeping
from conductor.composition.filing import Filing
from conductor.composition.fleet import Fleet
from conductor.composition.ground import Ground
from conductor.composition.monitoring import Monitoring
from conductor.composition.outbound import Outbound
from conductor.composition.tickets import Ticketing
from conductor.outbound.system_hooks import SystemHooks
from conductor.schedule.plugin_files import GivenFiles
from conductor.schedule.plugins import TriggerPlugins
from conductor.schedule.timekeeper import Timekeeper
from conductor.signals import Activity, DefinitionChanged, JobConditionMet


class Rooms:
    """Every part that lives as long as the process. What lives for one term is made by `term.py`."""

    def __init__(self, ground: Ground, stop: Callable[[bool], None]) -> None:
        """`stop` ends this conductor; True starts it again."""
        settings, signals = ground.settings, ground.signals
        self.ground = ground
        self.filing = Filing(ground)
        self.monitoring = Monitoring(ground)
        self.access = Access(ground)
        self.fleet = Fleet(ground, self.access, self.monitoring)
        self.housekeeping = Housekeeping(ground, self.access, self.filing, self.monitoring, self.fleet, stop)
        self.house = self.housekeeping.house
        self.outbound = Outbound(ground, self.access, self.house)
        self.ticketing = Ticketing(ground, self.access, self.outbound, self.house)

        self.hooks = SystemHooks(
            settings,
            self.outbound.web_hooks,
            self.outbound.mailer,
            hook=self.outbound.web_hook,
            secrets=ground.secrets.of_web_hook,
            ticket=self.ticketing.of_hook,
            version=ground.release,
            folder=ground.data_dir,
        )
        ground.activity.follow(self.hooks.follow)
        condition_hooks = ConditionHooks(lambda: settings.hooks, self.hooks.fire)
        signals.subscribe("condition hooks", condition_hooks.observe, JobConditionMet)
        self.action_ports = ActionPorts(
            mailer=self.outbound.mailer,
            web_hooks=self.outbound.web_hooks,
            tickets=self.ticketing.tickets,
            secrets=ground.secrets,
            addresses=self.access.users,
            browsers=self.fleet.browsers,
            samples=self.monitoring.samples,
            buckets=self.filing.buckets,
            snapshots=self.monitoring.snapshots,
            alerts=self.monitoring.alerting,
            counts=self.house.statistics,
        )

        self.trigger_plugins = TriggerPlugins(ground.definitions, settings, ground.release, ground.secrets)
        self.timekeeper = Timekeeper(
            ground.definitions,
            self.trigger_plugins,
            settings,
            signals,
            files=GivenFiles(self.filing.job_files),
        )
        signals.subscribe("schedule", self.timekeeper.observe, DefinitionChanged, Activity)

    def forget(self) -> None:
        """Drop what is remembered of the stores: between two terms of ours others may change them."""
        for forget in (
            self.fleet.credentials.forget,
            self.house.forget,
            self.access.sessions.forget,
            self.monitoring.alerting.forget,
            self.monitoring.watches.forget,
            self.monitoring.snapshots.forget,
            self.monitoring.samples.forget_all,
            self.ground.vault.forget,
            self.filing.buckets.forget,
        ):
            forget()
