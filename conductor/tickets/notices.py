"""Mails about tickets: at once for new ones, gathered for changes, daily for overdue ones.

What is to be mailed, and when, is stored in the transaction of the change that it tells of, and leaves when the
mail has been taken: whoever dies in between, the next primary mails it. What may go out twice that way is the same
mail with the same Message-ID, and the log says so.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog

from conductor.definitions.state import GlobalState
from conductor.errors import Deposed, Refusal, Unavailable
from conductor.outbound.daily import local_day, local_time
from conductor.settings import Settings
from conductor.tickets.changes import DRAFT
from conductor.tickets.ports import Intent, Letters, People
from conductor.tickets.shelf import Shelf
from conductor.tickets.waiting import CHANGED, FRESH, Mail, mails
from conductor.tickets.wording import Title, mail_data
from shared import faults, ids
from shared.clock import now

OVERDUE = "ticket_overdue"
_MOST_OVERDUE = 1_000
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

    def created(self, ticket: Mapping[str, Any], by: str, /) -> Sequence[Intent]:
        """Have a new ticket mailed; drafts are not."""
        if not self._mailed(ticket):
            return ()
        return (Intent(f"{FRESH}/{ticket['id']}", {"due": now(), "by": by, "tries": 0}),)

    def changed(
        self, ticket: Mapping[str, Any], entries: Sequence[Mapping[str, Any]], by: str, /
    ) -> Sequence[Intent]:
        """Have changes mailed when nothing more has come for a while."""
        if not self._mailed(ticket) or not entries:
            return ()
        due = now() + self._settings.tickets.email_debounce_sec
        doc = {"due": due, "by": by, "tries": 0, "entries": [dict(entry) for entry in entries]}
        return (Intent(f"{CHANGED}/{ticket['id']}/{ids.short_id('c')}", doc),)

    def stir(self) -> None:
        self._stir.set()

    async def deleted(self, ticket_id: str, /) -> None:
        """Nothing of this ticket is mailed any more. Raises Unavailable."""
        await self._state.delete_many(
            [path for mail in self._waiting() if mail.ticket_id == ticket_id for path in mail.paths]
        )

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
        due = [mail for mail in self._waiting() if mail.due <= now()]
        for mail in due:
            await self._mail(mail)
        return len(due)

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

    async def _mail(self, mail: Mail) -> None:
        ticket = await self._shelf.get(mail.ticket_id)
        to = self._recipients(ticket, mail.authors) if ticket is not None and self._mailed(ticket) else []
        if ticket is not None and to:
            if mail.begun:
                log.warning("ticket mail is sent again: its conductor ended meanwhile", message=mail.word)
            await self._state.merge_many({path: {"mail": mail.word, "begun": True} for path in mail.paths})
            data = mail_data(ticket, self._settings, self._title, mail.entries)
            delivery = await self._letters.send_template(mail.template, data, to=to, message_id=mail.word)
            faults.reach("conductor.ticket_mailed")
            if not delivery.ok and await self._put_off(mail, delivery.description):
                return
        await self._state.delete_many(mail.paths)

    async def _put_off(self, mail: Mail, reason: str) -> bool:
        """Try again later; False when that has been done often enough."""
        tries = mail.tries + 1
        log.warning("ticket mail was not taken", message=mail.word, tries=tries, reason=reason)
        if tries >= _TRIES:
            return False
        later = {"tries": tries, "due": now() + _AGAIN_SECONDS * 2 ** (tries - 1), "begun": False}
        await self._state.merge_many(dict.fromkeys(mail.paths, later))
        return True

    def _recipients(self, ticket: Mapping[str, Any], authors: frozenset[str]) -> list[str]:
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

    def _waiting(self) -> list[Mail]:
        return mails(self._state.under(FRESH), self._state.under(CHANGED))

    def _pause(self) -> float:
        """Seconds until something may be due; wall clocks step, so that it is looked at now and then anyway."""
        nearest = min((mail.due for mail in self._waiting()), default=now() + _LOOK_SECONDS)
        return min(max(nearest - now(), 0.05), _LOOK_SECONDS)
