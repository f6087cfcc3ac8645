"""What handlers need of the primary's present term."""

from conductor.errors import NotPrimary
from conductor.jobs.engine import JobEngine


class Office:
    """Holds the job engine while this conductor is primary; main sets and clears it."""

    def __init__(self) -> None:
        self._engine: JobEngine | None = None

    def open(self, engine: JobEngine) -> None:
        self._engine = engine

    def close(self) -> None:
        self._engine = None

    @property
    def engine(self) -> JobEngine:
        """Raises NotPrimary between terms."""
        if self._engine is None:
            raise NotPrimary
        return self._engine
