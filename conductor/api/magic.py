"""`magic` and `form`: launch an event by a link, and the page behind the link.

Contract api/events.yaml, scheduler.md §14. The key in the URL is all the credentials there are.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import hdrs, web

from conductor.api.body import parse_embedded
from conductor.api.call import Call
from conductor.api.endpoint import Auth, Endpoint, NoParams
from conductor.api.input_files import InputFiles, stored_inputs
from conductor.api.job_tokens import JobTokens
from conductor.api.magic_links import Link, MagicLinks, check_uploads, params_of
from conductor.api.magic_page import page
from conductor.api.office import Office
from conductor.api.params import check_writing
from conductor.api.run_event import start_of
from conductor.definitions.repository import Definitions
from conductor.errors import BadParameter
from conductor.filing.inputs import checked_inputs
from conductor.jobs.compose import Order
from conductor.settings import Settings
from conductor.signals import Actor


class Launched(msgspec.Struct, kw_only=True):
    id: str
    """ID of the new job."""
    stream: str
    """Token of stream_job."""
    description: str


def endpoints(
    office: Office, definitions: Definitions, settings: Settings, files: InputFiles | None = None
) -> tuple[Endpoint[Any], ...]:
    links, links_to_jobs = MagicLinks(definitions), JobTokens(settings)

    async def magic(call: Call, params: NoParams) -> Mapping[str, Any]:
        link, wait = links.find(call.path_rest)
        event = _merged(definitions, link, call)
        links.use(link)
        if call.files:
            check_uploads(event, [file.size for file in call.files])
            event["input"] = await stored_inputs(
                files, call.files, event.get("input"), "", folder="magic", magic=True
            )
        actor = Actor(kind="trigger", id=str(link.event["id"]), ips=call.ips, useragent=call.useragent)
        order = Order(
            event=event,
            source="magic",
            correlation_id=call.correlation_id,
            start=start_of({}, link.trigger),
        )
        if wait:
            return {"job": await office.engine.launch_and_wait(order, actor)}
        job_id = await office.engine.launch(order, actor)
        return {
            "id": job_id,
            "stream": links_to_jobs.stream(job_id),
            "description": f"Job started: {link.event.get('title', '')}",
        }

    async def form(call: Call, params: NoParams) -> web.Response:
        link, _ = links.find(call.path_rest)
        body, policy = page(link)
        return web.Response(
            body=body,
            headers={
                hdrs.CONTENT_TYPE: "text/html; charset=utf-8",
                hdrs.CACHE_CONTROL: f"private, max-age={settings.ttl}",
                "Content-Security-Policy": policy,
                "X-Frame-Options": "DENY",
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
            },
        )

    return (
        Endpoint(
            name="magic",
            handler=magic,
            params=NoParams,
            result=Launched,
            auth=Auth.TOKEN,
            summary="Launch an event by its magic link, /api/app/magic/v1/KEY[/wait]; parameters are the job's.",
        ),
        Endpoint(
            name="form",
            handler=form,
            params=NoParams,
            auth=Auth.TOKEN,
            methods=("GET",),
            summary="The page of a magic link, /api/app/form/v1/KEY.",
        ),
    )


def _merged(definitions: Definitions, link: Link, call: Call) -> dict[str, Any]:
    """The event with the stranger's parameters and input."""
    given = dict(call.params)
    text = given.pop("json", None)
    if isinstance(text, str) and text:
        given.update(parse_embedded(text))
    elif isinstance(text, dict):
        given.update(text)
    check_writing({key: value for key, value in given.items() if key not in ("id", "title", "icon")})
    found = given.pop("input", None)
    event = dict(link.event)
    if found is not None:
        event["input"] = _input(found)
    plugin = definitions.get("plugins", str(event.get("plugin")))
    event["params"] = params_of(link, given, plugin)
    return event


def _input(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        raise BadParameter("Malformed parameter: input (must be object)")
    data, files = given.get("data", {}), given.get("files", [])
    if not isinstance(data, dict) or not isinstance(files, list):
        raise BadParameter("Malformed parameter: input (data must be object, files must be array)")
    return {"data": data, "files": checked_inputs(files)}
