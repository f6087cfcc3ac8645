"""What every attempt on this host shares."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from satellite.jobs.environment import own_environment
from satellite.jobs.journal import Journal
from satellite.jobs.transfers import Transfers
from satellite.plugins.scripts import PluginScripts
from satellite.settings import Config
from satellite.tls import Tls


class Host:
    """The satellite's surroundings as its jobs see them. Built once, in main."""

    def __init__(
        self,
        data: Path,
        config: Config,
        journal: Journal,
        scripts: PluginScripts,
        base_url: Callable[[], str],
        tls: Tls,
    ) -> None:
        self.data = data
        self.jobs = data / "jobs"
        self.config = config
        self.journal = journal
        self.scripts = scripts
        self.base_url = base_url
        """`http://host:port` of the conductor we are, or were last, connected to."""
        self.transfers = Transfers(config, base_url, tls)
        self.own_environment = own_environment(os.environ, str(data / "bin"))
        self.loop = asyncio.get_running_loop()
        self.encoder = msgspec.json.Encoder()
