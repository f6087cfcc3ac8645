"""What the jobs room asks of the satellites: the port that `fleet` fills."""

from collections.abc import Mapping
from typing import Any, Protocol


class Agents(Protocol):
    """Messages to satellites. Sending never waits and never fails: a satellite that is gone is told later.

    Each `server_id` is that of a server record; an unknown or offline one makes the call do nothing.
    """

    @property
    def online(self) -> Mapping[str, Mapping[str, Any]]:
        """Records of the servers that take jobs now, by ID, in the order they joined."""
        ...

    @property
    def expected(self) -> Mapping[str, Mapping[str, Any]]:
        """Servers known before a take-over that may yet come back; empty some time after it."""
        ...

    def lists_its_jobs(self, server_id: str) -> bool:
        """Whether the satellite tells after each join what it holds, and acknowledges logs and results."""
        ...

    def launch(
        self, server_id: str, job: Mapping[str, Any], details: Mapping[str, Any], attempt: int
    ) -> None: ...

    def abort(self, server_id: str, job_id: str, attempt: int, reason: str) -> None: ...

    def acknowledge_log(
        self, server_id: str, job_id: str, attempt: int, size: int, *, rewind: bool = False
    ) -> None: ...

    def acknowledge_result(self, server_id: str, job_id: str, attempt: int) -> None: ...

    def ask_for_copy(self, server_id: str, job_id: str, attempt: int) -> None: ...
