"""`hello.info`: the basic facts a conductor learns at each connection (contract monitor_data.md §2)."""

import asyncio
import platform
from typing import Any

import satellite
from satellite.monitors import docker, network, system
from satellite.monitors.memory import read_memory
from satellite.settings import Config
from shared.protocol.messages import LAUNCH_SCRIPTS


class HostInfo:
    """Call it for (host name, info). Gathered in a thread: a name server may be slow to answer."""

    def __init__(self, config: Config) -> None:
        self._config = config

    async def __call__(self) -> tuple[str, dict[str, Any]]:
        return network.hostname(), await asyncio.to_thread(self._gather)

    def _gather(self) -> dict[str, Any]:
        settings = self._config.settings
        memory = read_memory()
        memory["used"] = memory.get("total", 0) - memory.get("free", 0)
        memory["active"] = memory.get("total", 0) - memory.get("available", 0)
        info: dict[str, Any] = {
            "satellite": satellite.VERSION,
            "node": platform.python_version(),
            "booted": system.boot_time(),
            "arch": system.architecture(),
            "platform": system.platform_name(),
            "release": platform.release(),
            "quickmon": settings.quickmon_enabled and settings.monitoring_enabled,
            "features": {
                "testMonitorPlugin": True,
                "takeSample": True,
                LAUNCH_SCRIPTS: True,
                "dockerStats": docker.installed(),
            },
            "os": system.operating_system(),
            "memory": memory,
            "cpu": system.processor(),
            "virt": system.virtualization(),
        }
        address = settings.ip or network.external_address()
        if address:
            info["ip"] = address
        return info
