"""Who hears what (conductor/signals.py)."""

import asyncio

from conductor.announcer import Signals
from conductor.signals import Activity, LeadershipChanged, Signal


async def test_an_observer_hears_what_it_asked_for_and_one_that_did_not_ask_everything() -> None:
    signals = Signals()
    heard: dict[str, list[Signal]] = {"all": [], "some": []}

    async def hear_all(signal: Signal) -> None:
        heard["all"].append(signal)

    async def hear_some(signal: Signal) -> None:
        heard["some"].append(signal)

    signals.subscribe("all", hear_all)
    signals.subscribe("some", hear_some, Activity)
    activity = Activity(action="one")
    changed = LeadershipChanged(host="h", primary=True, epoch=1)
    delivering = asyncio.create_task(signals.run())
    for signal in (changed, activity):
        signals.publish(signal)
    await signals.settled(5)
    delivering.cancel()
    assert heard == {"all": [changed, activity], "some": [activity]}
