"""`[hook-plugin]`: fires a saved web hook as a job; the conductor sends it (contract plugins.md §3.5)."""

import asyncio

import aiohttp

from satellite.plugins.wire import Json, end, params_of, read_job

_TIMEOUT = aiohttp.ClientTimeout(total=300, sock_connect=10)


def main() -> int:
    job = read_job()
    params = params_of(job)
    hook = str(params.get("web_hook") or "")
    if not hook:
        end(1, "No web hook was chosen")
        return 0
    try:
        answer = asyncio.run(_fired(job, hook, str(params.get("text") or "")))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
        end("webhook", f"The conductor could not be asked: {error or type(error).__name__}")
        return 0
    code = answer.get("code", 0)
    more: Json = {"data": answer}
    if answer.get("details"):
        more["markdown"] = {"title": "Web Hook Details", "content": str(answer["details"]), "caption": ""}
    end(code if isinstance(code, int | str) else 1, str(answer.get("description") or ""), **more)
    return 0


async def _fired(job: Json, hook: str, text: str) -> Json:
    """The conductor's answer. Raises ValueError for what is none."""
    given = job.get("socket_opts")
    options = given if isinstance(given, dict) else {}
    body = {"job": job.get("id"), "server": job.get("server"), "web_hook": hook, "text": text}
    async with (
        aiohttp.ClientSession(timeout=_TIMEOUT) as session,
        session.post(
            f"{job.get('base_url')}/api/app/fire_job_web_hook/v1",
            json=body,
            ssl=bool(options.get("rejectUnauthorized", True)),
        ) as response,
    ):
        answer = await response.json(content_type=None)
    if not isinstance(answer, dict):
        raise ValueError("its answer cannot be read")  # noqa: TRY004 - the caller's one kind of trouble
    return answer
