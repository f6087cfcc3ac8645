"""A ticket's text from a job or an alert."""

from typing import Any

from conductor.outbound.templates import Templates
from conductor.settings import Settings
from conductor.tickets import bodies
from conductor.tickets.job_facts import StoredFacts

SETTINGS = Settings(base_app_url="https://ops.example", secret_key="sesame", tz="UTC")
JOB: dict[str, Any] = {
    "id": "j1",
    "event": "e1",
    "server": "s1",
    "code": 1,
    "description": "It <b>broke</b>",
    "completed": 1_700_000_000,
    "elapsed": 2.5,
    "output": "\n".join(f"line {n}" for n in range(40)),
    "mem": {"count": 2, "total": 300, "max": 200},
}
ALERT: dict[str, Any] = {
    "id": "a1",
    "alert": "load",
    "server": "s1",
    "message": "High",
    "date": 1_700_000_000,
}


class Library:
    def get(self, kind: str, id: str, /) -> dict[str, Any] | None:
        titles = {"e1": "Backup", "load": "High load"}
        return {"id": id, "title": titles[id]} if id in titles else None


async def _job(id: str) -> dict[str, Any] | None:
    return JOB if id == "j1" else None


async def _alert(id: str) -> dict[str, Any] | None:
    return ALERT if id == "a1" else None


FACTS = StoredFacts(
    Library(),
    SETTINGS,
    job=_job,
    alert=_alert,
    server=lambda id: {"id": id, "title": "DB", "hostname": "db1"},
)


async def test_a_failed_job() -> None:
    data = await FACTS.job("j1")
    assert data is not None
    draft = bodies.of_job(Templates(SETTINGS), data)
    assert draft.subject == "Job #j1 failed: Backup"
    assert "It broke" in draft.body
    assert "DB (db1)" in draft.body
    assert "line 9\n… (20 lines) …\nline 30" in draft.body
    assert "150 bytes (Peak: 200 bytes)" in draft.body
    assert "<!--" not in draft.body


async def test_a_job_that_succeeded() -> None:
    data = await FACTS.job("j1")
    assert data is not None
    draft = bodies.of_job(Templates(SETTINGS), {**data, "job": {**JOB, "code": 0}})
    assert draft.subject == "Job #j1 succeeded: Backup"


async def test_an_alert() -> None:
    data = await FACTS.alert("a1")
    assert data is not None
    draft = bodies.of_alert(Templates(SETTINGS), data)
    assert draft.subject == "Alert: High load on DB (db1)"
    assert "**High**" in draft.body
    assert "https://ops.example/#Alerts?id=a1" in draft.body or "Server?id=s1" in draft.body


async def test_what_is_not_there() -> None:
    assert await FACTS.job("j2") is None
    assert await FACTS.alert("a2") is None
