"""What every room stands on: the stores, the lease, the signals, and what is defined."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from redis.asyncio import Redis

from conductor.actions.failures import FailedActions
from conductor.announcer import Signals
from conductor.api.office import Office
from conductor.audit.activity import ActivityLog
from conductor.audit.chronicle import Chronicle, described
from conductor.audit.event_log import EventLog
from conductor.composition.data_dir import own_word
from conductor.composition.tasks import owned_task
from conductor.definitions.key_file import KeyFile
from conductor.definitions.repository import Definitions
from conductor.definitions.secret_uses import SecretUses
from conductor.definitions.vault import Secrets, Vault
from conductor.fleet.roster import Roster
from conductor.leadership import Leadership
from conductor.live.connection import connect
from conductor.live.embedded import EmbeddedRedis
from conductor.live.keys import Keys, keys
from conductor.records import tables
from conductor.records.files import Files
from conductor.records.job_archive import JobArchive
from conductor.records.search.index import SERVERS
from conductor.records.searchable import SearchableDocuments
from conductor.records.store import Records
from conductor.settings import Settings
from conductor.signals import ActionRun, SecretUsed


class Ground:
    """The parts that several rooms need; `opened` makes one."""

    def __init__(
        self,
        settings: Settings,
        base: Settings,
        data_dir: Path,
        redis: Redis,
        keys: Keys,
        records: Records,
        vault: Vault,
    ) -> None:
        """`base`: the settings without what administrators have changed."""
        self.settings = settings
        self.base = base
        self.data_dir = data_dir
        self.release = version("opsorbit")
        self.redis = redis
        self.keys = keys
        self.records = records
        self.files = Files.open(settings.files_url or (data_dir / "files").as_uri())
        self.archive = JobArchive(records)
        self.servers = SearchableDocuments(records, SERVERS, tables.servers)

        self.signals = Signals(described)
        self.activity = ActivityLog(records)
        self.signals.subscribe("activity log", self.activity.observe)
        self.chronicle = Chronicle(records)
        self.signals.subscribe("event log", self.chronicle.observe, unlogged=True)
        self.event_log = EventLog(records)
        self.failed_actions = FailedActions(records, settings.max_failed_actions)
        self.signals.subscribe("failed actions", self.failed_actions.observe, ActionRun)

        self.leadership = Leadership(
            redis,
            keys,
            settings.host_id(),
            owner=own_word(data_dir / "owner"),
            ttl=settings.lease_seconds,
            margin=settings.lease_margin_seconds,
        )
        self.office = Office()
        self.roster = Roster(self.release)
        self.vault = vault
        self.definitions = Definitions(
            records, self.signals, active_jobs=self.office.count_of_event, apart={"secrets": vault}
        )
        self.secrets = Secrets(self.definitions, vault, self.signals)
        self.secret_uses = SecretUses(records, self.signals.describe)
        self.signals.subscribe("uses of secrets", self.secret_uses.observe, SecretUsed)


@asynccontextmanager
async def opened(settings: Settings, base: Settings, data_dir: Path) -> AsyncIterator[Ground]:
    """The stores opened, an embedded Redis started if none is named; closed in reverse order on leaving.

    Raises SchemaError, RedisMissing and the errors of connecting.
    """
    async with AsyncExitStack() as stack:
        strict = settings.durability == "strict"
        database_url = settings.database_url or f"sqlite:///{data_dir / 'opsorbit.db'}"
        embedded = None if settings.redis_url else EmbeddedRedis(data_dir / "redis", strict=strict)
        if embedded:
            stack.push_async_callback(embedded.stop)
        starting = asyncio.create_task(embedded.start()) if embedded else None
        try:
            records = await Records.open(database_url, strict=strict)
            stack.push_async_callback(records.close)
        finally:
            if starting:  # to its end in any case, or its server would be left behind
                await starting
        if embedded:
            await stack.enter_async_context(owned_task(embedded.watch(), "embedded redis"))
        redis = connect(embedded.url if embedded else settings.redis_url)
        stack.push_async_callback(redis.aclose)
        vault = await _vault(records, settings, data_dir)
        yield Ground(settings, base, data_dir, redis, keys(settings.redis_prefix), records, vault)


async def _vault(records: Records, settings: Settings, data_dir: Path) -> Vault:
    """The store of secret values, under the key that counts: a change of it may have been broken off."""
    key_file = KeyFile(data_dir)
    if key_file.staged() and settings.secret_key == key_file.current():
        settings.secret_key = await key_file.settle(Vault(records, settings.secret_key))
    return Vault(records, settings.secret_key)
