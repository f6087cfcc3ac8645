"""The causal event log of a real conductor: one story as a tree, and a chain that shows what was changed."""

import asyncio
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from conductor.cli.commands import commands
from tests.acceptance.jobs import create_event, finished
from tests.integration.outbound.peers import SmtpPeer
from tests.processes import Client, deployed, eventually

_NOISE = re.compile(r"  (took [\d.]+s|[+-][\d.]+(ms|s|min))|, took [\d.]+s")


async def _run(*arguments: str) -> tuple[int, str]:
    """Exit status and output of `opsorbit`."""
    result = await asyncio.to_thread(CliRunner().invoke, commands(), arguments)
    return result.exit_code, result.output


async def _story(client: Client, job_id: str) -> str:
    job = (await client.call("get_job", id=job_id))["job"]
    return str(job["correlation_id"])


async def test_one_story_of_a_retry_a_mail_and_a_ticket(tmp_path_factory: pytest.TempPathFactory) -> None:
    smtp = SmtpPeer()
    await smtp.start()
    folder = tmp_path_factory.mktemp("e")
    mail = {
        "OPSORBIT_EMAIL_FROM": "ops@example.com",
        "OPSORBIT_MAIL_SETTINGS__HOST": "127.0.0.1",
        "OPSORBIT_MAIL_SETTINGS__PORT": str(smtp.port),
    }
    try:
        async with deployed(folder, environment=mail) as running:
            async with Client(running.url, running.api_key) as client:
                await _tell_the_story(client, running.url, running.api_key, running.server_id, folder)
            assert [one["To"] for one in smtp.mails] == ["ann@example.com"]
            await running.conductor.stop()
            await _break_the_chain(folder / "conductor")
    finally:
        await smtp.stop()


async def _tell_the_story(client: Client, url: str, api_key: str, server: str, folder: Path) -> None:
    script = f"test -e {folder}/again && exit 0; touch {folder}/again; exit 7"
    event = await create_event(
        client,
        script,
        limits=[{"type": "retry", "enabled": True, "amount": 1, "duration": 0}],
        actions=[
            {"enabled": True, "condition": "success", "type": "email", "email": "ann@example.com"},
            {
                "enabled": True,
                "condition": "success",
                "type": "ticket",
                "ticket_type": "issue",
                "ticket_assignees": [],
                "ticket_tags": [],
            },
        ],
    )
    first = str((await client.call("run_event", id=event))["id"])
    ended = await finished(client, first)
    second = str(ended["jobs"][0]["id"])
    again = await finished(client, second)
    [ticket] = again["tickets"]
    number = (await client.call("get_ticket", id=ticket))["ticket"]["num"]
    correlation = await _story(client, first)
    assert correlation == again["correlation_id"]

    async def whole() -> str:
        status, text = await _run("trace", correlation, "--url", url, "--api-key", api_key)
        return text if status == 0 and ": 10 events" in text and _ordered(text) else ""

    printed = await eventually(whole, "the story is complete")
    keys = (await client.call("get_api_keys"))["rows"]
    key = keys[0]["id"]
    subject = f"#{again['id']} succeeded: Acceptance"
    ran = f"of {event}, attempt 1, on {server}  by system"
    expected = f"""{correlation}: 10 events
└── job.accepted  {first}  of {event}  by api_key {key}
    └── job.started  {first}  {ran}
        └── job.failed  {first}  code 7, of {event}, on {server}  by satellite {server}
            └── job.retried  {first}  of {event}, as {second}  by system
                └── job.accepted  {second}  of {event}  by system
                    └── job.started  {second}  {ran}
                        └── job.succeeded  {second}  of {event}, on {server}  by satellite {server}
                            ├── action.succeeded  {second}-0  email on success  by system
                            └── action.succeeded  {second}-1  ticket on success  by system
                                └── ticket.created  {ticket}  # {number}, Job {subject}  by system
"""
    assert _plain(printed) == _sorted(expected)
    status, text = await _run("trace", "no-such-story", "--url", url, "--api-key", api_key)
    assert (status, "no event" in text) == (1, True)


def _plain(printed: str) -> str:
    return _sorted("\n".join(line.rstrip() for line in _NOISE.sub("", printed).splitlines()) + "\n")


def _ordered(text: str) -> bool:
    return "ticket.created" in text and "email on success" in text


def _sorted(text: str) -> str:
    """The two actions run side by side: either may come first. Guides of branches depend on which."""
    lines = [
        re.sub(r"[│├└─ ]+(?=\w+\.)", lambda found: " " * len(found[0]), one) for one in text.splitlines()
    ]
    mail = next(one for one in lines if "email on success" in one)
    return "\n".join([*(one for one in lines if one != mail), mail])


async def _break_the_chain(data_dir: Path) -> None:
    """Whoever changes what was written is found, and the event is named."""
    status, text = await _run("events", "verify", "--data-dir", str(data_dir))
    assert (status, "are as they were written" in text) == (0, True), text
    with sqlite3.connect(data_dir / "opsorbit.db") as sql:
        found: tuple[Any, ...] = sql.execute(
            "SELECT seq, id FROM events WHERE type = 'job.failed'"
        ).fetchone()
        sql.execute("UPDATE events SET type = 'job.succeeded' WHERE seq = ?", found[:1])
    sql.close()
    status, text = await _run("events", "verify", "--data-dir", str(data_dir))
    assert status == 1
    assert f"Broken at event {found[0]} (job.succeeded, {found[1]}" in text
    status, text = await _run("events", "verify", "--data-dir", str(data_dir / "nothing"))
    assert (status, "There is no database" in text) == (2, True)
