from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from conductor.definitions import writer
from conductor.definitions.kinds import KINDS, Kind
from conductor.records.store import Records
from conductor.signals import SYSTEM, Signal
from tests.integration.actions.edges import Edges
from tests.integration.jobs.conftest import redis_url
from tests.integration.jobs.house import House, furnished

__all__ = ["redis_url"]

_MORE = {
    plural: Kind(plural=plural, singular=singular, prefix=plural[0], code=singular)
    for plural, singular in (("channels", "channel"), ("web_hooks", "web_hook"), ("buckets", "bucket"))
}


class Stage(NamedTuple):
    """A house whose jobs have actions, and what they reach."""

    house: House
    edges: Edges
    signals: list[Signal]

    def of_type(self, kind: type[Signal]) -> list[Signal]:
        return [signal for signal in self.signals if type(signal) is kind]


@pytest.fixture
async def stage(redis_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    records = await Records.open(f"sqlite:///{tmp_path / 'records.db'}", readers=2)
    async with furnished(redis_url, records, tmp_path, {**_MORE, **KINDS}) as house:
        edges, heard = Edges(), []
        house.ports = edges.ports
        house.settings.secret_key = "a secret"
        house.settings.job_universal_actions = {"default": []}
        house.settings.alert_universal_actions = []
        house.satellites.join("s1", title="One", hostname="one.lan.example")
        house.signals.publish = heard.append  # type: ignore[method-assign] # a recorder in place of observers
        for kind, item in (
            ("web_hooks", {"id": "hook", "title": "Hook", "url": "https://x.example", "method": "POST"}),
            (
                "web_hooks",
                {"id": "off", "title": "Off", "url": "https://x.example", "method": "POST", "enabled": False},
            ),
            ("buckets", {"id": "pail", "title": "Pail", "enabled": True}),
            ("buckets", {"id": "shut", "title": "Shut", "enabled": False}),
        ):
            await house.definitions.create(
                kind, {"enabled": True, **item}, actor=SYSTEM, by=writer.House("admin")
            )
        yield Stage(house, edges, heard)
    await records.close()
