"""The causal event log of a real conductor: one story as a tree, and a chain that shows what was changed."""

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from conductor.cli.commands import commands
from tests.acceptance.jobs import create_event, finished
from tests.acceptance.test_workflows import workflow
from tests.integration.outbound.peers import SmtpPeer
from tests.processes import Client, deployed, eventually
from tests.unit.workflows.simulation import graph_of

_NOISE = re.compile(r"  (took [\d.]+s|[+-][\d.]+(ms|s|min))|, took [\d.]+s")


async def _run(*arguments: str) -> tuple[int, str]:
    """Exit status and output of `opsorbit`."""
    result = await asyncio.to_thread(CliRunner().invoke, commands(), arguments)
    return result.exit_code, result.output


async def _story(client: Client, job_id: str) -> str:
    job = (await client.call("get_job", id=job_id))["job"]
    return str(job["correlation_id"])


async def test_event_log_of_a_workflow_with_a_retry_a_mail_and_a_ticket_is_one_tree(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
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
    """A job of a workflow fails and is tried again; then a decision leads to a mail, and to a ticket."""
    script = f"test -e {folder}/again && exit 0; touch {folder}/again; exit 7"
    event = await create_event(
        client, script, limits=[{"type": "retry", "enabled": True, "amount": 1, "duration": 0}]
    )
    ticket_of = {"type": "ticket", "ticket_type": "issue", "ticket_assignees": [], "ticket_tags": []}
    graph = graph_of(
        "t -> a", "a -success-> d", "d -> m", "a -success-> k",
        t="trigger", a=("event", {"event": event}), d=("decision", {"decision": "code == 0"}),
        m=("action", {"enabled": True, "type": "email", "email": "ann@example.com"}),
        k=("action", {"enabled": True, **ticket_of}),
    )  # fmt: skip
    flow = await workflow(client, graph)
    whole_id = str((await client.call("run_event", id=flow))["id"])
    whole = await finished(client, whole_id)
    assert whole["code"] == 0, whole
    first, second = (str(stub["id"]) for stub in whole["workflow"]["jobs"]["a"])
    [ticket] = (await finished(client, second))["tickets"]
    found = (await client.call("get_ticket", id=ticket))["ticket"]
    correlation = str(whole["correlation_id"])
    for job_id in (first, second):
        assert await _story(client, job_id) == correlation

    async def complete() -> str:
        status, text = await _run("trace", correlation, "--url", url, "--api-key", api_key)
        return text if status == 0 and f"{correlation}: 14 events" in text else ""

    printed = await eventually(complete, "the story is complete")
    [key] = (await client.call("get_api_keys"))["rows"]
    ran, by = f"of {event}, attempt 1, on {server}  by system", f"by satellite {server}"
    expected = f"""{correlation}: 14 events
    job.accepted  {whole_id}  of {flow}  by api_key {key["id"]}
        workflow.started  {whole_id}  of {flow}, attempt 1  by system
            job.accepted  {first}  of {event}  by system
                job.started  {first}  {ran}
                    job.failed  {first}  code 7, of {event}, on {server}  {by}
                        job.retried  {first}  of {event}, as {second}  by system
                            job.accepted  {second}  of {event}  by system
                                job.started  {second}  {ran}
                                    job.succeeded  {second}  of {event}, on {server}  {by}
                                        workflow.decided  {whole_id}-d  decision at d: holds True, of {flow}  by system
                                        action.succeeded  {whole_id}-m-0  email on complete  by system
                                        action.succeeded  {second}-0  ticket on success  by system
                                            ticket.created  {ticket}  # {found["num"]}, {found["subject"]}  by system
            workflow.succeeded  {whole_id}  of {flow}  by system
"""
    assert sorted(_paths(printed)) == sorted(_paths(expected))
    answer = await client.fetch(f"/api/v1/events/correlation/{correlation}", tree="true")
    heads = [(len(path) - 2, path[-1].split()[:2]) for path in _paths(printed)[1:]]
    assert heads == list(_told(msgspec.json.decode(answer)["tree"])), "not in the order that it happened"
    status, text = await _run("trace", "no-such-story", "--url", url, "--api-key", api_key)
    assert (status, "no event" in text) == (1, True)


def _paths(printed: str) -> list[tuple[str, ...]]:
    """Each line, without durations and guides, behind all lines that it hangs under.

    Mail and ticket are made side by side: which of them comes first is not told, under what each hangs is.
    """
    paths: list[tuple[str, ...]] = []
    above: list[tuple[int, str]] = []
    for one in _NOISE.sub("", printed).rstrip().splitlines():
        text = one.lstrip("│├└─ \u00a0").rstrip()
        indent = len(one.rstrip()) - len(text)
        above = [*(outer for outer in above if outer[0] < indent), (indent, text)]
        paths.append(tuple(line for _, line in above))
    return paths


def _told(chapters: list[dict[str, Any]], depth: int = 0) -> Iterator[tuple[int, list[str]]]:
    """(depth, type and ID) of the JSON tree, each cause before what it caused."""
    for chapter in chapters:
        event = chapter["event"]
        yield depth, [event["eventType"], event["payload"]["id"]]
        yield from _told(chapter["children"], depth + 1)


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
