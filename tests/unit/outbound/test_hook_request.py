"""From a web hook to its request, and the report that tells no secrets."""

import hashlib
import hmac
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.outbound.hook_report import REDACTED, Redaction, report
from conductor.outbound.hook_request import SIGNATURE, HookRequest, MalformedHook, build
from conductor.outbound.http import Answer

HOOK: dict[str, Any] = {"id": "w1", "method": "post", "url": "https://hook.example/{{ encode(text) }}"}


def built(
    data: dict[str, Any] | None = None, secrets: dict[str, str] | None = None, **hook: Any
) -> HookRequest:
    return build({**HOOK, **hook}, data or {"text": "a b"}, secrets=secrets or {}, options={})


def test_url_headers_and_body_are_expanded() -> None:
    request = built(
        headers=[{"name": "X-Who", "value": "{{ server.name }}"}],
        body='{"t": {{ stringify(text) }}}',
        data={"text": 'a "b"', "server": {"name": "db1"}},
    )
    assert request.url == "https://hook.example/a%20%22b%22"
    assert request.headers["X-Who"] == "db1"
    assert request.body == '{"t": "a \\"b\\""}'
    assert request.headers["Content-Type"] == "application/json"


def test_actions_9_what_a_macro_yields_is_not_expanded_again() -> None:
    request = built(body="{{ text }}", data={"text": "{{ secrets.KEY }}"}, secrets={"KEY": "hunter22"})
    assert request.body == "{{ secrets.KEY }}"


def test_actions_2_the_conductors_environment_is_not_offered() -> None:
    data = {"text": "t", "env": {"PGPASSWORD": "hunter22"}, "secrets": {"OTHER": "hunter33"}}
    assert built(body="{{ env.PGPASSWORD }} {{ secrets.OTHER }}", data=data).body == "N/A N/A"


@pytest.mark.parametrize("method", ["GET", "HEAD", "get"])
def test_a_get_has_no_body(method: str) -> None:
    assert built(method=method, body="{{ text }}").body == ""


def test_undefined_values_read_as_the_callers_fallback() -> None:
    assert built(body="{{ nothing.here }}").body == "N/A"
    assert built(body="{{ nothing.here }}", data={"_fallback": "a test"}).body == "a test"


def test_defaults_are_those_of_the_contract() -> None:
    request = built(timeout=0)
    assert (request.timeout, request.retries, request.follow, request.verify) == (30.0, 0, False, True)


@pytest.mark.parametrize("headers", ["X: y", {"X": "y"}, [1], [{"value": "x"}]])
def test_malformed_headers_are_told(headers: Any) -> None:
    with pytest.raises(MalformedHook):
        built(headers=headers)


def test_web_hook_yaml_no_signing_a_signing_key_signs_the_body() -> None:
    request = built(body="hello", secrets={"SIGNING_KEY": "hunter22"})
    expected = hmac.new(b"hunter22", b"hello", hashlib.sha256).hexdigest()
    assert request.headers[SIGNATURE] == f"sha256={expected}"


def test_an_idempotency_key_travels_as_a_header() -> None:
    request = build(HOOK, {}, secrets={}, options={"headers": {"X-All": "1"}}, idempotency_key="j1.0")
    assert request.headers == {"X-All": "1", "Idempotency-Key": "j1.0"}


SECRET = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20).map(
    lambda text: f"zqx{text}"  # so that it is nowhere by chance
)


@given(SECRET, SECRET)
def test_platform_9_no_report_holds_a_secret_in_any_form_it_is_sent_in(one: str, two: str) -> None:
    template = "{{ secrets.A }} {{ encode(secrets.A) }} {{ stringify(secrets.B) }} {{ secrets.B }}"
    request = built(
        url="https://x/?k={{ encode(secrets.A) }}",
        headers=[{"name": "Authorization", "value": "Bearer {{ secrets.B }}"}],
        body=template,
        secrets={"A": one, "B": two},
    )
    answer = Answer(200, "OK", {"X-Echo": one}, f"{two} {quote(one)}".encode(), False, "https://x", 0)
    text = report(request, Redaction([one, two]), answer=answer)
    assert REDACTED in text
    for secret in (one, two):
        assert secret not in text
        assert quote(secret, safe="") not in text


def test_the_parts_of_a_report_come_in_the_contracts_order() -> None:
    request = built(headers=[{"name": "X-A", "value": "1"}], body="hi", follow=True, retries=2)
    answer = Answer(201, "Created", {"X-B": "2"}, b"done ``` x", False, "https://x", 0, {"total": 0.5})
    text = report(request, Redaction([]), answer=answer)
    order = [
        "**Method:** POST",
        "**URL:**",
        "**Redirects:** Follow",
        "**Max Retries:** 2",
        "**Timeout:** 30",
        "**Request Headers:**",
        "**Request Body:**",
        "**Response:** HTTP 201 Created",
        "**Response Headers:**",
        "**Response Body:**",
        "**Performance Metrics:**",
    ]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert "````\ndone ``` x\n````" in text  # what comes back cannot end its block
