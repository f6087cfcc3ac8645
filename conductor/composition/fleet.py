"""The satellites and the browsers: their websockets, who may join, what they are shown."""

from conductor.api.signed_urls import UrlSigner
from conductor.composition.access import Access
from conductor.composition.ground import Ground
from conductor.composition.monitoring import Monitoring
from conductor.fleet.browser_door import BrowserDoor
from conductor.fleet.browser_picture import Picture
from conductor.fleet.browsers import Browsers
from conductor.fleet.changes import ServerChanges
from conductor.fleet.credentials import Credentials
from conductor.fleet.enrolment import Enrolment
from conductor.fleet.removal import Removals
from conductor.fleet.sockets import Sockets
from conductor.packages.store import Packages
from conductor.records import tables
from conductor.records.documents import Documents


class Fleet:
    """The room of websockets."""

    def __init__(self, ground: Ground, access: Access, monitoring: Monitoring) -> None:
        definitions, signals, settings = ground.definitions, ground.signals, ground.settings
        leadership, roster = ground.leadership, ground.roster
        self.server_changes = ServerChanges(roster, ground.servers, definitions, signals)
        self.removals = Removals(
            roster,
            ground.servers,
            definitions.state,
            signals,
            (monitoring.forget_alerts_of, monitoring.snapshots.delete_of_server, monitoring.samples.delete),
        )
        stored_keys = Documents(ground.records, tables.satellite_credentials)
        self.credentials = Credentials(stored_keys, roster, settings, signals)
        self.enrolment = Enrolment(ground.redis, ground.keys, settings, self.credentials)
        self.packages = Packages(ground.data_dir, settings, ground.release)
        if settings.file_access == "signed":
            roster.signed = UrlSigner(settings).inputs

        self.sockets = Sockets(roster, monitoring.samples, settings, signals, leadership)
        self.picture = Picture(definitions, roster, leadership, ground.release)
        door = BrowserDoor(access.accounts, leadership, settings, ground.release)
        self.browsers = Browsers(access.accounts, definitions, self.picture, door, signals)
        self.sockets.browsers = self.browsers
        self.picture.jobs = ground.office.jobs
        self.picture.alerts = monitoring.active_alerts.all
        monitoring.watches.changed = self.browsers.state_changed
        signals.subscribe("browsers", self.browsers.observe)
        ground.activity.follow(self.browsers.followed)
