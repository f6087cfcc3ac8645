"""Web hooks over HTTP: a live test, and firing from within a job (contract api/web_hooks.yaml).

Creating, changing and listing them is with the other definitions.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Protocol

import msgspec

from conductor.announcer import Signals
from conductor.api.call import Call, Json
from conductor.api.endpoint import Auth, DefinitionId, Endpoint, Takes, Text
from conductor.errors import BadParameter, Refusal
from conductor.outbound.delivery import Delivery
from conductor.outbound.web_hooks import WebHooks
from conductor.settings import Settings
from conductor.signals import Activity
from shared.clock import monotonic, now
from shared.expressions import ExpressionError, check_macros
from shared.protocol import tokens

_OWN = ("id", "username", "created", "modified", "revision", "enabled", "max_per_day")
_LONGEST_TEXT = 10_000

Hook = Callable[[str], Mapping[str, Any] | None]
"""A stored web hook by its ID."""
Secrets = Callable[[str], Mapping[str, str]]
"""The values assigned to a stored web hook, by its ID."""


class RunningJob(Protocol):
    """A job that has not ended."""

    @property
    def server(self) -> str: ...


class JobTexts(Protocol):
    """Jobs as hooks describe them."""

    async def hook_data(self, job: Any, action: Mapping[str, Any], /) -> Mapping[str, Any]:
        """The hook data of an active job (contract structures/job_hook_data.yaml), `text` included."""

    def note(self, job: Any, text: str, /) -> None:
        """Add a row to the job's meta log."""

    def appended(self, job: Any, action: Mapping[str, Any], /) -> None:
        """Tell those who look at the job."""


class TestWebHook(msgspec.Struct, kw_only=True):
    """A stored hook with these properties laid over it, or one that is not stored."""

    id: DefinitionId
    title: Text
    method: Annotated[str, msgspec.Meta(pattern=r"^\w+$(?!\n)")]
    url: Annotated[str, msgspec.Meta(pattern=r"^(?:[hH][tT][tT][pP][sS]?://|\{\{)")]
    headers: Any = None
    body: str | None = None
    timeout: float | None = None
    retries: int | None = None


class FireJobWebHook(msgspec.Struct, kw_only=True):
    """Called by a plugin inside a job; `token`, when given, must be the job's own."""

    job: DefinitionId
    server: DefinitionId
    web_hook: DefinitionId
    text: str = ""
    token: str = ""


class WebHookCalls:
    def __init__(
        self,
        hooks: WebHooks,
        hook: Hook,
        secrets: Secrets,
        signals: Signals,
        settings: Settings,
        *,
        job: Callable[[str], RunningJob | None],
        online: Callable[[str], bool],
        texts: JobTexts,
    ) -> None:
        """`job` is an active job by ID, `online` whether a server is connected."""
        self._hooks = hooks
        self._hook = hook
        self._secrets = secrets
        self._signals = signals
        self._settings = settings
        self._job = job
        self._online = online
        self._texts = texts

    async def test_web_hook(self, call: Call, params: TestWebHook) -> Json:
        """One real request; neither the switch nor the daily cap counts.

        The stored hook's secrets go along only to the stored URL, or for an administrator: whoever may edit
        hooks need not learn what they carry.
        """
        stored = self._hook(params.id)
        hook = {**(stored or {}), **{key: value for key, value in call.params.items() if key not in _OWN}}
        hook["id"] = params.id
        if hook.get("headers") is not None and not isinstance(hook["headers"], list):
            raise Refusal("web_hook", "Malformed parameter: headers (must be a list)")
        _check_macros(hook)
        trusted = stored is not None and (call.account.admin or _same_place(stored, hook))
        secrets = self._secrets(params.id) if trusted else {}
        sentence = f"This is a test of the web hook: {params.title}"
        data = {"_fallback": sentence, "text": sentence, "content": sentence, "message": sentence}
        self._signals.publish(
            Activity(
                action="web_hook_test",
                description=params.title,
                payload={"web_hook": {"id": params.id, "title": params.title, "url": params.url}},
                keywords=(params.id,),
                resource=("web_hooks", params.id),
                actor=call.actor,
                correlation_id=call.correlation_id,
            )
        )
        delivery = await self._hooks.send(hook, data, secrets=secrets)
        if delivery.ok:
            return {"result": _told(delivery)}
        return _told(delivery)

    async def fire_job_web_hook(self, call: Call, params: FireJobWebHook) -> Json:
        """The action as it was carried out; a hook that failed is code `webhook` in an answer of status 200."""
        job, hook = self._job(params.job), self._hook(params.web_hook)
        own = not params.token or tokens.matches(
            params.token, tokens.job_token(params.job, self._settings.secret_key)
        )
        if (
            job is None
            or hook is None
            or job.server != params.server
            or not self._online(params.server)
            or not own
        ):
            raise BadParameter("Invalid.")
        action: Json = {
            "enabled": True,
            "type": "web_hook",
            "condition": "continue",
            "web_hook": params.web_hook,
            "text": params.text[:_LONGEST_TEXT],
            "date": now(),
        }
        started = monotonic()
        self._texts.note(job, f"Firing web hook: {hook.get('title', params.web_hook)}")
        data = dict(await self._texts.hook_data(job, action))
        if action["text"]:
            data["text"] = f"{data.get('text', '')} {action['text']}".strip()
            data["content"] = data["message"] = data["text"]
        delivery = await self._hooks.fire(hook, data, secrets=self._secrets(params.web_hook))
        action |= {"elapsed_ms": int((monotonic() - started) * 1000), **_told(delivery)}
        self._texts.note(job, f"Web hook: {delivery.description}")
        self._texts.appended(job, action)
        return action

    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        return (
            Endpoint(
                "test_web_hook",
                self.test_web_hook,
                TestWebHook,
                "Send a web hook once, stored or not, with a test sentence",
                methods=("POST",),
                privilege="edit_web_hooks",
                takes=Takes.BODY,
                mutates=True,
            ),
            Endpoint(
                "fire_job_web_hook",
                self.fire_job_web_hook,
                FireJobWebHook,
                "Fire a web hook from within a running job",
                methods=("POST",),
                auth=Auth.TOKEN,
                takes=Takes.BODY,
                mutates=True,
            ),
        )


def endpoints(
    hooks: WebHooks,
    hook: Hook,
    secrets: Secrets,
    signals: Signals,
    settings: Settings,
    *,
    job: Callable[[str], RunningJob | None],
    online: Callable[[str], bool],
    texts: JobTexts,
) -> tuple[Endpoint[Any], ...]:
    return WebHookCalls(
        hooks, hook, secrets, signals, settings, job=job, online=online, texts=texts
    ).endpoints()


def _told(delivery: Delivery) -> Json:
    return {"code": delivery.code, "description": delivery.description, "details": delivery.details}


def _same_place(stored: Mapping[str, Any], tested: Mapping[str, Any]) -> bool:
    """Whether what is tested sends to where the stored hook does, over a connection no less trusted."""
    keys = ("url", "follow", "ssl_cert_bypass")
    return all((stored.get(key) or None) == (tested.get(key) or None) for key in keys)


def _check_macros(hook: Mapping[str, Any]) -> None:
    headers = hook.get("headers") or ()
    texts = [
        hook.get("url"),
        hook.get("body"),
        *(one.get("value") for one in headers if isinstance(one, dict)),
    ]
    for text in texts:
        if isinstance(text, str):
            try:
                check_macros(text)
            except ExpressionError as error:
                raise Refusal("web_hook", f"Invalid macro: {error}") from None
