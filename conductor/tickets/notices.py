"""Mails about tickets: at once for new ones, gathered for changes, daily for overdue ones.

What is to be mailed, and when, is in the global state before a call is answered, so that a restart or a new
primary mails it too. It leaves the state when the mail has been taken; a mail sent twice because somebody
died in between carries the same Message-ID twice.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog

from conductor.definitions.json_values import Json, is_number
from conductor.definitions.state import GlobalState
from conductor.errors import Deposed, Refusal, Unavailable
from conductor.outbound.daily import local_day, local_time
from conductor.settings import Settings
from conductor.tickets.changes import DRAFT, collapsed
from conductor.tickets.ports import Letters, People
from conductor.tickets.shelf import Shelf
from conductor.tickets.wording import Title, mail_data
from shared.clock import now

FRESH = "ticket_mail_new"
CHANGED = "ticket_mail"
"""Paths of the global state: below them one document for each ticket that is to be mailed."""
OVERDUE = "ticket_overdue"
_MOST_OVERDUE = 1_000
_MOST_ENTRIES = 200
_TRIES = 8
_AGAIN_SECONDS = 60.0
"""After a mail that was not taken; doubled each time."""
_LOOK_SECONDS = 30.0

log = structlog.get_logger(__name__)


class Notices:
    def __init__(
        self,
        shelf: Shelf,
        state: GlobalState,
        letters: Letters,
        people: People,
        settings: Settings,
        title: Title,
    ) -> None:
        self._shelf = shelf
        self._state = state
        self._letters = letters
        self._people = people
        self._settings = settings
        self._title = title
        self._stir = asyncio.Event()

    async def created(self, ticket: Mapping[str, Any], by: str, /) -> None:
        """Have a new ticket mailed; drafts are not. Raises Unavailable."""
        if self._mailed(ticket):
            await self._state.merge(f"{FRESH}/{ticket['id']}", {"due": now(), "by": by, "tries": 0})
            self._stir.set()

    async def changed(
        self, ticket: Mapping[str, Any], entries: Sequence[Mapping[str, Any]], by: str, /
    ) -> None:
        """Have changes mailed when nothing more has come for a while. Raises Unavailable."""
        if not self._mailed(ticket) or not entries:
            return

        def gathered(stored: Json) -> Json:
            known = [*stored.get("entries", ()), *map(dict, entries)]
            return {
                "due": now() + self._settings.tickets.email_debounce_sec,
                "entries": collapsed(known)[-_MOST_ENTRIES:],
                "tries": 0,
            }

        await self._state.revise(f"{CHANGED}/{ticket['id']}", gathered)
        self._stir.set()

    async def deleted(self, ticket_id: str, /) -> None:
        """Nothing of this ticket is mailed any more. Raises Unavailable."""
        for path in (f"{FRESH}/{ticket_id}", f"{CHANGED}/{ticket_id}"):
            if self._state.get(path):
                await self._state.delete(path)

    async def run(self) -> None:
        """Mail until cancelled; for the primary alone."""
        while True:
            self._stir.clear()
            pause = _LOOK_SECONDS
            try:
                await self.mail_due()
                await self._remind_when_due()
                pause = self._pause()
            except Refusal as refusal:
                log.warning("ticket mail waits", reason=refusal.description)
            except Deposed:
                raise
            except Exception:  # a mail must not end a primary's term
                log.exception("ticket mail failed")
            try:
                async with asyncio.timeout(pause):
                    await self._stir.wait()
            except TimeoutError:
                continue

    async def mail_due(self) -> int:
        """Send what is due by now; returns how many mails were due. Raises Unavailable."""
        moment, sent = now(), 0
        for prefix in (FRESH, CHANGED):
            for ticket_id, waiting in self._state.under(prefix).items():
                if _due(waiting) <= moment:
                    await self._mail(prefix, ticket_id, waiting)
                    sent += 1
        return sent

    async def remind_overdue(self) -> None:
        """Mail the assignees of each overdue ticket. Raises Unavailable, SearchError."""
        if not self._settings.tickets.email_enabled:
            return
        page = await self._shelf.documents.search(
            self._settings.tickets.overdue_query, limit=_MOST_OVERDUE, sort_dir=1
        )
        for row in page.rows:
            ticket = msgspec.json.decode(row)
            to = self._addresses(ticket.get("assignees") or ())
            if to and ticket.get("status") != DRAFT:
                data = mail_data(ticket, self._settings, self._title)
                word = f"{ticket['id']}.overdue.{local_day(now(), self._settings.tz)}"
                await self._letters.send_template("ticket_overdue", data, to=to, message_id=word)

    async def _remind_when_due(self) -> None:
        """Once a day, at the configured time or when somebody is first there after it."""
        local = local_time(now(), self._settings.tz)
        today = local.strftime("%Y-%m-%d")
        if local.strftime("%H:%M") < self._settings.tickets.overdue_schedule.strip().rjust(5, "0"):
            return
        if self._state.get(OVERDUE).get("day") == today:
            return
        try:
            await self.remind_overdue()
        except Unavailable:
            raise
        except Refusal as refusal:  # the query: it will be as wrong in a minute
            log.warning("overdue tickets were not found", reason=refusal.description)
        await self._state.merge(OVERDUE, {"day": today})

    async def _mail(self, prefix: str, ticket_id: str, waiting: Json) -> None:
        path = f"{prefix}/{ticket_id}"
        ticket = await self._shelf.get(ticket_id)
        if ticket is None or not self._mailed(ticket):
            await self._state.delete(path)
            return
        entries = waiting.get("entries") or ()
        authors = {str(entry.get("username")) for entry in entries} or {str(waiting.get("by"))}
        to = self._recipients(ticket, authors)
        if to:
            data = mail_data(ticket, self._settings, self._title, entries)
            template = "ticket_new" if prefix == FRESH else "ticket_updated"
            word = f"{ticket_id}.{template}.{int(_due(waiting) * 1000)}"
            delivery = await self._letters.send_template(template, data, to=to, message_id=word)
            if not delivery.ok and await self._put_off(path, waiting, delivery.description):
                return
        await self._settle(path, waiting)

    async def _settle(self, path: str, mailed: Json) -> None:
        """What was mailed leaves; what has come meanwhile stays."""
        count = len(mailed.get("entries") or ())
        current = self._state.latest(path)
        rest = [entry for entry in current.get("entries", ()) if entry not in (mailed.get("entries") or ())]
        if count and rest:
            await self._state.revise(
                path,
                lambda stored: {
                    "entries": [one for one in stored.get("entries", ()) if one not in mailed["entries"]]
                },
            )
        else:
            await self._state.delete(path)

    async def _put_off(self, path: str, waiting: Json, reason: str) -> bool:
        """Try again later; False when that has been done often enough."""
        tries = int(waiting.get("tries", 0)) + 1
        log.warning("ticket mail was not taken", state=path, tries=tries, reason=reason)
        if tries >= _TRIES:
            return False
        await self._state.merge(path, {"tries": tries, "due": now() + _AGAIN_SECONDS * 2 ** (tries - 1)})
        return True

    def _recipients(self, ticket: Mapping[str, Any], authors: set[str]) -> list[str]:
        """Assignees and cc, but nobody of his own doing alone; and whoever is to be notified in any case."""
        users = [*(ticket.get("assignees") or ()), *(ticket.get("cc") or ())]
        told = [user for user in dict.fromkeys(users) if authors != {user}]
        return list(dict.fromkeys((*(ticket.get("notify") or ()), *self._addresses(told))))

    def _addresses(self, usernames: Sequence[str]) -> list[str]:
        wanting = [
            username
            for username in usernames
            if (user := self._people.get(username)) and user.get("ticket_emails") is not False
        ]
        return self._people.emails_of(wanting)

    def _mailed(self, ticket: Mapping[str, Any]) -> bool:
        return self._settings.tickets.email_enabled and ticket.get("status") != DRAFT

    def _pause(self) -> float:
        """Seconds until something may be due; wall clocks step, so that it is looked at now and then anyway."""
        waiting = [*self._state.under(FRESH).values(), *self._state.under(CHANGED).values()]
        nearest = min((_due(one) for one in waiting), default=now() + _LOOK_SECONDS)
        return min(max(nearest - now(), 0.05), _LOOK_SECONDS)


def _due(waiting: Mapping[str, Any]) -> float:
    due = waiting.get("due")
    return float(due) if is_number(due) else 0.0
