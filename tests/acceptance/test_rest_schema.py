"""Our own OpenAPI document turned against us: whatever it allows, and much that it does not, gets an answer."""

import collections
import contextlib
import time
from typing import Any

import msgspec
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from tests.acceptance.agent import Station

SECONDS = 16.0
"""For all calls together; what is not reached in a run is reached by another seed."""
EXAMPLES = 2

PLAIN = {"file", "view_job_log", "download_job_log"}
"""For browsers' address bars: what they refuse is said in plain text, as what they give is."""

APART = {
    "events": "has errors of its own shape: tests/integration/api/test_event_log.py",
    "master_command": "ends the conductor",
    "stream_job": "goes on for as long as the job",
    "admin_rotate_secret_key": "ends the signatures of the others",
}


def test_rest_any_call_of_our_schema_has_an_envelope(alone: Station) -> None:
    """No 5xx and no answer outside of the envelope, with an administrator's key."""
    url = alone.conductor.url
    schema = schemathesis.openapi.from_dict(requests.get(f"{url}/api/openapi.json", timeout=10).json())
    wrong: list[str] = []
    called: collections.Counter[str] = collections.Counter()
    deadline = time.monotonic() + SECONDS
    with requests.Session() as session:

        def call(case: Any) -> None:
            headers = {"X-API-Key": alone.api_key}
            answer = case.call(base_url=url, headers=headers, session=session, timeout=10)
            called[case.operation.path] += 1
            name = case.operation.path.split("/")[3]
            if name == "echo" and answer.status_code == 200:
                return  # the request itself
            if trouble := outside(answer, plain=name in PLAIN):
                wrong.append(f"{case.method} {case.formatted_path} {case.query} {case.body}: {trouble}")

        operations = [result.ok() for result in schema.get_all_operations()]
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            for operation in operations:
                if operation.path.split("/")[3] not in APART and time.monotonic() < deadline:
                    drawn = given(case=operation.as_strategy(generation_mode=mode))(call)
                    with contextlib.suppress(Unsatisfiable):  # without parameters none can be wrong
                        bounded(drawn)()
    assert not wrong, "\n".join(wrong)
    assert len(called) > 150


bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def outside(answer: Any, *, plain: bool) -> str:
    """What is wrong with an answer; empty when it is an envelope or the content that was asked for."""
    body: bytes = answer.content
    if answer.status_code >= 500:
        return f"HTTP {answer.status_code} {body[:300]!r}"
    if plain and answer.status_code in (400, 403, 404):
        return ""
    kind = str((answer.headers.get("content-type") or [""])[0])
    if answer.status_code >= 400 or "json" in kind:
        try:
            envelope = msgspec.json.decode(body)
        except msgspec.DecodeError:
            return f"HTTP {answer.status_code} {kind} {body[:300]!r}"
        if not isinstance(envelope, dict) or "code" not in envelope:
            return f"no envelope: {body[:300]!r}"
        if envelope["code"] != 0 and not isinstance(envelope.get("description"), str):
            return f"no description: {body[:300]!r}"
    return ""
