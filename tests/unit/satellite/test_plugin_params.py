"""Pure parts of the built-in plugins (contract plugins.md §3.4, §3.6)."""

import json
import signal
import subprocess
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.plugins import docker_run
from satellite.plugins.docker_run import DockerParamsError, command
from satellite.plugins.http_params import ParamsError, file_name, filled, http_request, redacted
from satellite.plugins.http_report import report


def request(**params: Any) -> Any:
    return http_request({"params": {"url": "http://h.test/", **params}})


def test_placeholders_come_from_the_job() -> None:
    job = {"id": "j1", "secrets": {"KEY": "k"}, "input": {"data": {"list": [{"a": 5}]}}, "n": None}
    text = "[id] [secrets.KEY] [input.data.list.0.a] [input.data.list] [n] [none] [1-2] [a b] []"
    assert filled(text, job) == 'j1 k 5 [{"a": 5}] null [none] [1-2] [a b] []'


@given(st.text(max_size=40))
def test_text_without_a_known_path_stays(text: str) -> None:
    assert filled(text, {}) == text


def test_a_secret_inside_another_one_is_gone_too() -> None:
    assert (
        redacted("x abcdef abc", {"A": "abc", "B": "abcdef", "C": "", "D": None}) == "x (REDACTED) (REDACTED)"
    )


@pytest.mark.parametrize(
    ("name", "disposition", "url", "kind", "expected"),
    [
        ("mine.txt", "attachment; filename=x", "http://h/a", "", "mine.txt"),
        ("", 'attachment; filename="rep ort.pdf"', "http://h/a", "", "rep ort.pdf"),
        ("", "attachment; filename*=UTF-8''%C3%BC.csv", "http://h/a", "", "ü.csv"),
        ("", "", "http://h/a/b%20c.zip?x=1", "", "b c.zip"),
        ("", "", "http://h/data", "application/json; charset=utf-8", "data.json"),
        ("", "", "http://h/", "x/y", "download.bin"),
        ("../../etc/passwd", "", "", "", "passwd.bin"),
        ("..", "", "", "", "download.bin"),
        ("a/..\\b:c", "", "", "", "b_c.bin"),
    ],
)
def test_names_of_downloads(name: str, disposition: str, url: str, kind: str, expected: str) -> None:
    assert file_name(name, disposition, url, kind) == expected


@pytest.mark.parametrize(
    "params",
    [
        {"url": "ftp://h/"},
        {"url": ""},
        {"url": "http:///x"},
        {"url": "http://h:99999/"},
        {"url": "http://h/a b"},
        {"url": "http://h/\r\nX: y"},
        {"method": "BREW"},
        {"headers": "a b: c"},
        {"timeout": "soon"},
        {"success_match": "["},
    ],
)
def test_requests_that_cannot_be_made(params: dict[str, Any]) -> None:
    with pytest.raises(ParamsError):
        request(**params)


def test_a_request_has_its_defaults() -> None:
    made = request(headers="A: 1\r\n\r\nB : 2:3", data="ignored", timeout="", follow="false", download="1")
    assert (made.method, made.body, made.headers) == ("GET", None, [("A", "1"), ("B", "2:3")])
    assert (made.timeout, made.idle_timeout, made.connect_timeout) == (30, 30, 10)
    assert (made.follow, made.download, made.verify) == (False, True, True)


@dataclass
class Answered:
    size: int = 2
    status: int = 200
    reason: str = "OK"
    url: str = "http://h.test/"
    content_type: str = "text/plain"
    headers: dict[str, str] = field(default_factory=lambda: {"X": "s3cr3t"})
    times: dict[str, float] = field(default_factory=lambda: {"total": 1.0})


def test_a_report_hides_secrets_and_large_bodies() -> None:
    made = request(method="POST", headers="Auth: s3cr3t", data="```x")
    text = report(made, Answered(), "s3cr3t```", {"K": "s3cr3t"})["content"]
    assert "s3cr3t" not in text
    assert "````\n```x\n````" in text
    large = Answered(2 * 1024 * 1024)
    assert "x" * 100 not in report(made, large, "x" * 1000, {})["content"]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, "run -i --rm --init --name xyops-job-j1 img"),
        ({"image_ver": "2", "cont_rm": False, "cont_init": 0}, "run -i --name xyops-job-j1 img:2"),
        ({"cont_cpus": 0, "cont_mem": "0", "cont_name": " n "}, "run -i --rm --init --name n img"),
        (
            {"cont_cpus": 1.5, "cont_mem": "1 GB", "cont_net": "net", "cont_cmd": "sh -c 'a b'"},
            "run -i --rm --init --cpus 1.5 --memory 1GB --network net --name xyops-job-j1 img sh -c a b",
        ),
    ],
)
def test_docker_commands(params: dict[str, Any], expected: str) -> None:
    assert " ".join(command({"image_name": "img", **params}, "j1")) == expected


@pytest.mark.parametrize(
    "params", [{}, {"image_name": "--privileged"}, {"image_name": "i", "cont_extras": "'"}]
)
def test_containers_that_cannot_be_described(params: dict[str, Any]) -> None:
    with pytest.raises(DockerParamsError):
        command(params, "j1")


def test_what_a_container_reads() -> None:
    job = {"xy": 1, "params": {}}
    assert json.loads(docker_run.given({"run_mode": "Send Job JSON"}, job)) == job
    script = {"run_mode": "Send Script Source", "script": "#!/bin/sh\r\nx"}
    assert docker_run.given(script, job) == b"#!/bin/sh\nx"


@pytest.mark.parametrize("early", [True, False])
def test_a_stop_reaches_docker_even_while_its_client_is_being_started(early: bool) -> None:
    """On a busy host a signal came between the client's start and ours of listening: the container ran on."""
    stopping = docker_run.Stopping("docker", "c1")
    if early:
        stopping.stop(signal.SIGTERM, None)
    with subprocess.Popen(["sleep", "20"]) as client:
        stopping.started(client)
        if not early:
            assert client.poll() is None
            stopping.stop(signal.SIGTERM, None)
        assert client.wait(10) == -signal.SIGTERM
    stopping.ended()
