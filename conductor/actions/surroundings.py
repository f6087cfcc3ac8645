"""What texts and plugins may look up beside the job or alert itself: definitions, servers, settings."""

from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from typing import Any, Protocol

from conductor.actions.texts import TEMPLATES
from conductor.definitions.repository import Definitions
from conductor.live.job import ActiveJob
from conductor.settings import Settings

Doc = Mapping[str, Any]


class ActiveJobs(Protocol):
    """The active jobs of this term."""

    def get(self, job_id: str) -> ActiveJob | None: ...


class Surroundings:
    """Also the directory behind `server()` and `event()` in macros."""

    def __init__(
        self,
        definitions: Definitions,
        settings: Settings,
        jobs: ActiveJobs,
        server_record: Callable[[str], Doc | None],
    ) -> None:
        """`server_record` answers the record of a server that is online or was lately."""
        self.definitions = definitions
        self.settings = settings
        self._jobs = jobs
        self._server_record = server_record

    @property
    def product(self) -> str:
        return str(self.settings.client.get("name") or "OpsOrbit")

    @property
    def base_url(self) -> str:
        return self.settings.base_app_url.rstrip("/")

    @property
    def templates(self) -> dict[str, Any]:
        return {**TEMPLATES, **self.settings.hook_text_templates}

    @property
    def zone(self) -> tzinfo | None:
        """None: the system's."""
        if not self.settings.tz:
            return None
        from zoneinfo import ZoneInfo

        try:
            return ZoneInfo(self.settings.tz)
        except (LookupError, ValueError, OSError):
            return None

    @property
    def config(self) -> dict[str, Any]:
        """What templates may read of the settings."""
        return {"base_app_url": self.base_url, "client": {"name": self.product, **self.settings.client}}

    def find(self, kind: str, id: Any) -> Doc | None:
        """A definition; None also for a kind that this house does not have."""
        if not isinstance(id, str) or kind not in self.definitions.kinds:
            return None
        return self.definitions.get(kind, id)

    def all(self, kind: str) -> Sequence[Doc]:
        """Every definition; none of a kind that this house does not have."""
        return self.definitions.all(kind) if kind in self.definitions.kinds else ()

    # The directory of macros

    def server(self, server_id: str, /) -> Doc | None:
        return self._server_record(server_id)

    def event(self, event_id: str, /) -> Doc | None:
        return self.find("events", event_id)

    def active_job(self, job_id: str, /) -> Doc | None:
        job = self._jobs.get(job_id)
        return job.job if job else None
