"""What a web hook fired from within a job is told of it, and what the job's own log is told of the hook."""

from collections.abc import Mapping
from typing import Any

from conductor.api.office import Office
from conductor.jobs.notes import note
from conductor.settings import Settings
from conductor.tickets.ports import Happenings
from shared.clock import now


class ActiveJobTexts:
    """`JobTexts` for jobs of the current term."""

    def __init__(self, office: Office, happenings: Happenings, settings: Settings) -> None:
        self._office = office
        self._happenings = happenings
        self._settings = settings

    async def hook_data(self, job: Any, action: Mapping[str, Any], /) -> Mapping[str, Any]:
        found = await self._happenings.job(job.id) or {"job": job.job}
        title = (found.get("event") or {}).get("title") or job.id
        name = self._settings.client.get("name") or "OpsOrbit"
        link = (found.get("links") or {}).get("job_details", "")
        text = f"{name} Job in progress on {found.get('nice_server', '')} ({title}): {link}"
        return {**found, "action": action, "text": text, "content": text, "message": text}

    def note(self, job: Any, text: str, /) -> None:
        note(job, self._settings.host_id(), text, now())
        self._office.engine.book.mark(job)

    def appended(self, job: Any, action: Mapping[str, Any], /) -> None:
        """Nobody looks at jobs over a socket yet."""
