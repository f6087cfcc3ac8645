"""The built-in plugins and packaged ones on a real satellite, over both encodings (contract plugins.md §3, §7)."""

import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from shared.protocol.tokens import runner_token
from tests.integration.satellite.conductor_peer import TOKEN, Peer

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"

FAKE_DOCKER = """#!/bin/sh
echo "$@" >>"$LEDGER"
case "$*" in
  *patient*) trap 'echo stopped >>"$LEDGER"; exit 143' TERM; echo up; while :; do sleep 0.05; done;;
  *failing*) exit 125;;
esac
read -r line
printf '%s\\n' "$line" >"$LEDGER.stdin"
echo '{"xy":1,"cpu":{"current":12},"files":[{"id":"f1","filename":"a.txt","path":"files/a.txt","size":1}]}'
echo 'inside'
"""


async def http_job(peer: Peer, **params: Any) -> str:
    return await peer.launch(
        command="[http-plugin]",
        plugin="httpplug",
        kill="parent",
        sec=params.pop("sec", {}),
        details=params.pop("details", {}),
        params={"method": "GET", "url": f"http://127.0.0.1:{peer.port}/page", **params},
    )


async def greet(request: web.BaseRequest) -> web.Response:
    body = (await request.read()).decode()
    given = {"method": request.method, "body": body, "token": request.headers.get("X-Token", "")}
    return web.json_response(given, headers={"X-Kind": "greeting"})


async def test_an_http_request_reports_its_answer(both: Peer) -> None:
    both.routes["/page"] = greet
    job_id = await http_job(
        both,
        method="POST",
        headers="X-Token: [secrets.API_KEY]\n\nContent-Type: text/plain\n",
        data="id=[input.data.id] [nothing.here]",
        sec={"API_KEY": "s3cr3t"},
        details={"input": {"data": {"id": 7}}},
    )
    job = await both.result(job_id)
    assert (job["code"], job["description"]) == (0, "Success (HTTP 200 OK)")
    assert job["data"]["statusCode"] == 200
    assert job["data"]["headers"]["x-kind"] == "greeting"
    assert job["data"]["json"] == {"method": "POST", "body": "id=7 [nothing.here]", "token": "s3cr3t"}
    assert job["perf"]["scale"] == 1000
    assert job["perf"]["perf"]["total"] >= job["perf"]["perf"]["wait"] > 0
    report = job["markdown"]
    assert report["title"] == "HTTP Request Details"
    assert "X-Token: (REDACTED)" in report["content"]
    assert "s3cr3t" not in report["content"]
    assert b"s3cr3t" not in both.logs[job_id]


@pytest.mark.parametrize(
    ("params", "code", "description"),
    [
        ({"url": "http://127.0.0.1:{port}/missing"}, 404, "HTTP 404 Not Found"),
        ({"url": "nonsense"}, 1, "Malformed URL: nonsense"),
        ({"url": "http://[bad/"}, 1, "Malformed URL: http://[bad/"),
        ({"error_match": "GET"}, 1, "Response contains error match: GET"),
        ({"success_match": "no.such"}, 1, "Response missing success match: no.such"),
        ({"success_match": "("}, 1, "Malformed regular expression in success_match"),
        ({"headers": "no colon"}, 1, "Malformed header: no colon"),
        ({"url": "http://127.0.0.1:{closed}/"}, "ECONNREFUSED", "Cannot connect"),
        ({"url": "http://does-not-exist.invalid/"}, "dns", "Cannot connect"),
        ({"url": "http://127.0.0.1:{port}/silent", "timeout": 0.2, "connect_timeout": 0.1}, "timeout", ""),
        ({"url": "http://127.0.0.1:{port}/round", "follow": True}, 1, "Too many redirects"),
        ({"url": "http://127.0.0.1:{port}/round"}, 0, "Success (HTTP 302 Found)"),
    ],
)
async def test_results_of_http_requests(
    joined: Peer, params: dict[str, Any], code: object, description: str
) -> None:
    async def missing(request: web.BaseRequest) -> web.Response:
        return web.Response(status=404)

    async def silent(request: web.BaseRequest) -> web.Response:
        await request.content.read()
        response = web.StreamResponse()
        assert request.transport is not None
        while not request.transport.is_closing():
            await joined_sleep()
        return response  # type: ignore[return-value]

    async def around(request: web.BaseRequest) -> web.Response:
        return web.Response(status=302, headers={"Location": "/round"})

    joined.routes |= {"/page": greet, "/missing": missing, "/silent": silent, "/round": around}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        closed = taken.getsockname()[1]
    if "url" in params:
        params = params | {"url": params["url"].format(port=joined.port, closed=closed)}
    job = await joined.result(await http_job(joined, **params))
    assert job["code"] == code
    assert description in job["description"]


async def joined_sleep() -> None:
    import asyncio

    await asyncio.sleep(0.02)


async def test_a_download_becomes_an_output_file(joined: Peer) -> None:
    content = os.urandom(300_000)
    stored: list[bytes] = []

    async def give(request: web.BaseRequest) -> web.Response:
        return web.Response(
            body=content, headers={"Content-Disposition": 'attachment; filename="../a b.dat"'}
        )

    async def take(request: web.BaseRequest) -> web.Response:
        stored.append(await request.read())
        return web.json_response({"code": 0, "key": "files/jobs/x/R/a_b.dat", "size": len(content)})

    joined.routes |= {"/file": give, "/api/app/upload_job_file": take}
    url = f"http://127.0.0.1:{joined.port}/file"
    job = await joined.result(await http_job(joined, url=url, download=True, success_match="never"))
    assert job["code"] == 0
    assert [file["filename"] for file in job["files"]] == ["a b.dat"]
    assert content in stored[0]


async def test_an_air_gap_holds_for_addresses_and_names(joined: Peer) -> None:
    """Contract satellite_agent.md §7: the HTTP plugin obeys the lists, wherever a name leads."""
    joined.routes["/page"] = greet
    await joined.send("updateConfig", {"airgap": {"enabled": True, "blacklist": ["127.0.0.0/8", "::1"]}})
    try:
        for host in ("127.0.0.1", "localhost"):
            job = await joined.result(await http_job(joined, url=f"http://{host}:{joined.port}/page"))
            assert job["code"] == "airgap"
            assert "blacklist" in job["description"]
    finally:
        await joined.send("updateConfig", {"airgap": {"enabled": False}})


async def test_a_web_hook_is_fired_by_the_conductor(both: Peer) -> None:
    asked: list[dict[str, Any]] = []

    async def fire(request: web.BaseRequest) -> web.Response:
        asked.append(await request.json())
        return web.json_response({"type": "web_hook", "code": 0, "description": "Sent", "details": "**ok**"})

    both.routes["/api/app/fire_job_web_hook/v1"] = fire
    job_id = await both.launch(
        command="[hook-plugin]", kill="parent", params={"web_hook": "w1", "text": "hello"}
    )
    job = await both.result(job_id)
    assert (job["code"], job["description"]) == (0, "Sent")
    assert job["markdown"]["content"] == "**ok**"
    assert asked == [{"job": job_id, "server": "s1", "web_hook": "w1", "text": "hello"}]


def docker(tmp_path: Path) -> dict[str, str]:
    """An environment whose `docker` writes down what it was asked."""
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    (folder / "docker").write_text(FAKE_DOCKER)
    (folder / "docker").chmod(0o755)
    return {"PATH": f"{folder}:/usr/bin:/bin", "LEDGER": str(tmp_path / "ledger")}


def container(**params: Any) -> dict[str, Any]:
    return {
        "command": "[docker-plugin]", "kill": "all", "runner": True,
        "params": {
            "image_name": "img", "image_ver": "1", "cont_name": "c1", "cont_cpus": 2, "cont_mem": "1 GB",
            "cont_net": "", "cont_extras": "-e 'A=b c'", "cont_cmd": "xyrun", "cont_rm": True, "cont_init": True,
            **params,
        },
    }  # fmt: skip


async def test_a_container_runs_with_the_job_on_its_input(both: Peer, tmp_path: Path) -> None:
    job_id = await both.launch(**container(), env=docker(tmp_path))
    job = await both.result(job_id)
    assert (job["code"], job["description"]) == (0, "")
    assert job["files"] == [{"id": "f1", "filename": "a.txt", "path": "files/a.txt", "size": 1}]
    assert both.logs[job_id] == b"inside\n"
    assert (tmp_path / "ledger").read_text().split("\n")[0] == (
        "run -i --rm --init --cpus 2 --memory 1GB --name c1 -e A=b c img:1 xyrun"
    )
    given = json.loads((tmp_path / "ledger.stdin").read_text())
    assert (given["xy"], given["id"]) == (1, job_id)
    assert given["auth_token"] == runner_token(job_id, TOKEN)


async def test_results_of_containers(joined: Peer, tmp_path: Path) -> None:
    environment = docker(tmp_path)
    script = container(run_mode="Send Script Source", script="#!/bin/sh\r\necho x", cont_mem="0", cont_cpus=0)
    await joined.result(await joined.launch(**script, env=environment))
    assert (tmp_path / "ledger.stdin").read_text() == "#!/bin/sh\n"
    assert "--memory" not in (tmp_path / "ledger").read_text()
    job = await joined.result(await joined.launch(**container(cont_cmd="failing"), env=environment))
    assert (job["code"], job["description"]) == (125, "Docker exited with code: 125")
    job = await joined.result(await joined.launch(**container(cont_extras="'"), env=environment))
    assert job["code"] == 1
    job = await joined.result(await joined.launch(**container(), params_path=1, env={"PATH": "/nowhere"}))
    assert job["description"].startswith("Unable to locate docker CLI on ")


async def test_an_abort_asks_docker_to_stop_the_container(joined: Peer, tmp_path: Path) -> None:
    job_id = await joined.launch(**container(cont_cmd="patient"), env=docker(tmp_path))
    await joined.until(lambda: joined.logs.get(job_id) == b"up\n")
    await joined.send("abort_job", {"id": job_id, "attempt": 1, "reason": "enough"})
    assert (await joined.result(job_id))["code"] == "abort"
    assert (tmp_path / "ledger").read_text().endswith("stopped\n")


async def test_the_test_plugin_shows_everything(both: Peer) -> None:
    params = {"duration": 1, "custom": "c", "network": True, "burn": False}
    job = await both.result(await both.launch(command="[test-plugin]", params=params, kill="parent"))
    assert (job["code"], job["description"]) == (0, "Success!")
    assert job["perf"]["counters"] == {"lines": 52, "db_rows": 81, "db_conns": 8, "errors": 12}
    assert (len(job["table"]["header"]), len(job["table"]["rows"])) == (5, 6)
    assert job["html"]["title"] == "Sample Job Report"
    assert job["data"]["obj"] == {"foo": 1, "bar": None, "bool": True}


async def test_a_shell_script_may_pass_its_input_on(both: Peer) -> None:
    given = {"input": {"data": {"a": 1}}}
    script = '#!/bin/sh\necho \'{"xy":1,"data":{"b":2}}\'\n'
    job = await both.result(await both.launch(params={"script": script, "pass": 1}, details=given))
    assert job["data"] == {"a": 1, "b": 2}


@pytest.mark.parametrize("example", ["word_count.py", "disk_check.sh"])
async def test_the_examples_work_without_any_sdk(both: Peer, example: str) -> None:
    """docs/examples: what docs/plugins.md teaches."""
    program = EXAMPLES / example
    await both.send("update", {"plugins": [{"id": "pex", "script": program.read_text()}]})
    interpreter = "/bin/sh" if example.endswith(".sh") else "python3"
    params = {"text": "to be or not", "path": "/", "limit": 101}
    job_id = await both.launch(command=interpreter, script="(File)", plugin="pex", params=params)
    job = await both.result(job_id)
    assert job["code"] == 0, job
    assert job["data"] if example.endswith(".py") else job["perf"]
    await both.send("update", {"plugins": []})


@pytest.mark.skipif(shutil.which("npx") is None, reason="npx is not installed")
async def test_a_package_runs_by_npx(joined: Peer, tmp_path: Path) -> None:
    """Contract plugins.md §7.3: an ordinary command line; the package comes from a folder here."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "package.json").write_text(
        json.dumps({"name": "xyplug-local", "version": "1.0.0", "bin": {"xyplug-local": "main.js"}})
    )
    (package / "main.js").write_text(
        "#!/usr/bin/env node\n"
        "const job = JSON.parse(require('fs').readFileSync(0, 'utf8'));\n"
        "console.log(JSON.stringify({xy: 1, code: 0, description: 'Hello ' + job.params.name}));\n"
    )
    (package / "main.js").chmod(0o755)
    environment = {"HOME": str(tmp_path), "npm_config_offline": "true", "npm_config_update_notifier": "false"}
    job_id = await joined.launch(
        command=f"npx -y --offline {package}", params={"name": "npx"}, env=environment
    )
    job = await joined.result(job_id)
    assert (job["code"], job["description"]) == (0, "Hello npx"), joined.logs.get(job_id)


async def test_a_package_tool_is_found_in_the_users_own_folder(joined: Peer, tmp_path: Path) -> None:
    """What `uvx` and `npx` commands need: the tool is looked up in the job's PATH, not in the satellite's."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "uvx").write_text('#!/bin/sh\necho "{\\"xy\\":1,\\"code\\":0,\\"description\\":\\"$1\\"}"\n')
    (tools / "uvx").chmod(0o755)
    command = "uvx git+https://example.test/org/repo@v1.0.0"
    missing = await joined.result(await joined.launch(command=command, env={"PATH": "/nowhere"}))
    assert missing["description"] == "Child spawn error: uvx: No such file or directory"
    job = await joined.result(await joined.launch(command=command, env={"PATH": f"{tools}:/bin:/usr/bin"}))
    assert (job["code"], job["description"]) == (0, "git+https://example.test/org/repo@v1.0.0")


async def test_messages_that_are_ignored_are_told(joined: Peer) -> None:
    """plugins.md "Where to be better" 5: nothing vanishes silently; its own input printed back may."""
    job_id = await joined.launch(
        "#!/bin/sh\ncat\n"
        'echo \'{"xy":1,"type":"x","code":5}\'; echo \'{"xy":1,"cwd":"/etc"}\'; echo \'{"xy":1,"tags":["a"]}\'\n'
    )
    job = await joined.result(job_id)
    assert job["code"] == 0
    warnings = [text for text in joined.meta(job_id) if text.startswith("WARNING")]
    assert len(warnings) == 3, warnings
    assert "type" in warnings[0]
    assert "cwd" in warnings[1]
