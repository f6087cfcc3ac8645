"""What leaves the house: HTTP, web hooks, mail."""

from collections.abc import Mapping
from typing import Any

from conductor.administration.house import Administration
from conductor.composition.access import Access
from conductor.composition.ground import Ground
from conductor.outbound.daily import DailyCounts
from conductor.outbound.fetch import Fetch
from conductor.outbound.http import HttpClient
from conductor.outbound.mail import Mailer
from conductor.outbound.web_hooks import WebHooks


class Outbound:
    """The room of what is sent; its deliveries are counted in the statistics."""

    def __init__(self, ground: Ground, access: Access, house: Administration) -> None:
        self._definitions, self._statistics = ground.definitions, house.statistics
        settings = ground.settings
        self.client = HttpClient(settings)
        house.marketplace.web = house.releases.web = Fetch(self.client)
        self._counts = DailyCounts(ground.definitions.state, settings.tz)
        self.web_hooks = WebHooks(self.client, settings, count=self._count_hook)
        self.mailer = Mailer(
            settings,
            version=ground.release,
            templates=ground.data_dir / "emails",
            take=self._counts.take,
            sent=lambda: house.statistics.bump("transactions", "email_sent"),
        )
        access.post.mailer = self.mailer
        house.jobs.mailer = self.mailer

    def web_hook(self, hook_id: str) -> Mapping[str, Any] | None:
        """The definition of a web hook; None if there is none."""
        return self._definitions.get("web_hooks", hook_id)

    async def _count_hook(self, hook_id: str, limit: int) -> bool:
        granted = limit <= 0 or await self._counts.take(f"web_hooks/{hook_id}", limit)
        if granted:
            self._statistics.bump("web_hooks", hook_id, "invocations")
        return granted
