"""Ending a job's processes by its kill policy (contract satellite_agent.md §5.9), within a bound.

`none` leaves them alone. `parent` ends the command itself. `all` ends everything of the job: its session, its
process group, all descendants and what carries its ID in the environment, as they are at that moment. SIGTERM
first; what is left after `child_kill_timeout` seconds gets SIGKILL; a few seconds later the job is over
whatever is left of it.
"""

import asyncio
import signal
from collections.abc import Callable

from satellite import processes

_GIVE_UP_AFTER = 3.0
"""Seconds after SIGKILL: only a process stuck in the kernel is still there."""


class Termination:
    """One abort's signals. `given_up` is called at the end of the bound unless `cancel` came first."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        shim: int,
        job_id: str,
        policy: str,
        note: Callable[[str, str], None],
        given_up: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._shim = shim
        self._job_id = job_id
        self._all = policy == "all"
        self._note = note
        self._given_up = given_up
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, timeout: float) -> None:
        pids = self._targets()
        if self._all:
            self._note("kill", f"Killing all job processes: {_listed(pids)}")
        else:
            self._note("kill", f"Killing job process: {_listed(pids)}")
        processes.send(pids, signal.SIGTERM)
        self._timer = self._loop.call_later(timeout, self._harder)

    @property
    def unfinished(self) -> bool:
        """Somebody is left who was told to end, and may yet get the second signal."""
        return self._all and bool(self._targets())

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _harder(self) -> None:
        pids = self._targets()
        if pids:
            who = "Children" if self._all else "Child"
            self._note("kill9", f"{who} did not exit, killing harder: {_listed(pids)}")
            processes.send(pids, signal.SIGKILL)
        self._timer = self._loop.call_later(_GIVE_UP_AFTER, self._given_up)

    def _targets(self) -> list[int]:
        """Never the shim itself: it ends with its command and witnesses how."""
        if not self._all:
            return processes.children(self._shim)[-1:]
        table = processes.table()
        found = [p.pid for p in processes.tree(table, self._shim) if p.pid != self._shim]
        # What made itself a daemon has left the tree and the session, not its environment.
        marked = (pid for pid in processes.marked("JOB_ID", self._job_id) if pid in table)
        escaped = [pid for pid in marked if pid != self._shim and table[pid].session != self._shim]
        return list(dict.fromkeys(found + escaped))


def _listed(pids: list[int]) -> str:
    return ", ".join(map(str, pids)) or "none left"
