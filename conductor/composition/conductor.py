"""A whole conductor: opened, running, and stopped in reverse order."""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from conductor.composition.door import STOP_SECONDS, kernel_of, listening
from conductor.composition.ground import opened
from conductor.composition.rooms import Rooms
from conductor.composition.tasks import owned_task
from conductor.composition.term import Primary
from conductor.settings import Settings


@asynccontextmanager
async def running(
    settings: Settings, base: Settings, data_dir: Path, stop: Callable[[bool], None]
) -> AsyncIterator[None]:
    """All parts, started; stopped in reverse order on leaving.

    `base`: the settings without what administrators have changed. `stop` ends this conductor, True starts it
    again.
    """
    async with AsyncExitStack() as stack:
        ground = await stack.enter_async_context(opened(settings, base, data_dir))
        rooms = Rooms(ground, stop)
        stack.push_async_callback(rooms.outbound.client.close)
        kernel = kernel_of(rooms)
        primary = Primary(rooms, _show_password)
        for task, name in (
            (ground.activity.run(), "activity log"),
            (ground.signals.run(), "signals"),
            (rooms.monitoring.samples.run(), "samples"),
            (rooms.access.post.run(), "post"),
            (rooms.fleet.browsers.run(), "browsers"),
            (rooms.fleet.sockets.heartbeat(), "heartbeat"),
            (rooms.hooks.run(), "system hooks"),
            (rooms.house.conductors.run(), "conductors"),
        ):
            await stack.enter_async_context(owned_task(task, name))
        stack.push_async_callback(rooms.hooks.settled, STOP_SECONDS / 2)
        stack.push_async_callback(ground.activity.flush, STOP_SECONDS)
        stack.push_async_callback(ground.signals.settled, STOP_SECONDS)
        # Left last and taken first: who cannot listen must not stand for election, and who stops hands the
        # lease over before it waits for its callers, among whom are the satellites.
        await stack.enter_async_context(listening(kernel, settings))
        stack.push_async_callback(ground.leadership.release)
        await stack.enter_async_context(owned_task(ground.leadership.run(primary.serve), "leadership"))
        yield


def _show_password(password: str) -> None:
    print(f"\nFirst administrator: admin\nPassword (shown once): {password}\n", file=sys.stderr, flush=True)
