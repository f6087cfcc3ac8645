"""How attempts are reported to a conductor: one contract, an implementation for each protocol.

A `Reports` lives as long as one joined connection. It only sends; what the conductor answers is handled by
the connection's commands. What it cannot send stays in the job directories and is sent after the next join.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from satellite.jobs.attempt import Attempt, Observer
from satellite.jobs.launch import AttemptKey
from shared.protocol.messages import MetaRow


class Reports(Observer, Protocol):
    answer_draining: bool
    """Whether a conductor of this protocol answers `draining`, and launches nothing afterwards."""

    def draining(self) -> bool:
        """Tell that nothing new is taken. False: there is nobody to tell."""
        ...

    def resume(self, attempts: Iterable[Attempt]) -> None:
        """The connection is joined: tell what is held, and send what could not be sent before."""
        ...

    def second(self, attempts: Iterable[Attempt], usage: Mapping[AttemptKey, dict[str, Any]]) -> None:
        """Send what changed. `usage` holds this second's figures of the attempts that were measured."""
        ...

    def close(self) -> None:
        """The connection is gone."""
        ...


class Silence:
    """Reports of a satellite without a connection: everything waits in the directories."""

    answer_draining = False

    def draining(self) -> bool:
        return False

    def resume(self, attempts: Iterable[Attempt]) -> None:
        pass

    def second(self, attempts: Iterable[Attempt], usage: Mapping[AttemptKey, dict[str, Any]]) -> None:
        pass

    def log_grew(self, attempt: Attempt) -> None:
        pass

    def noted(self, attempt: Attempt, row: MetaRow) -> None:
        pass

    def finished(self, attempt: Attempt) -> None:
        pass

    def close(self) -> None:
        pass
