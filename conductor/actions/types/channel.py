"""Notify Channel (contract actions.md §6, platform.md §13): all parts of a channel at once."""

import asyncio
import re
from dataclasses import replace
from typing import Any

from conductor.actions.display import number
from conductor.actions.occasion import Means, Occasion
from conductor.actions.recipients import listed
from conductor.actions.result import Action, Result, failed
from conductor.actions.types import email, run_event, web_hook
from conductor.errors import Refusal
from shared.clock import monotonic

_TEXTS = ("text", "content", "message")
_URL = re.compile(r"\S*https?://\S+")


async def run(occasion: Occasion, means: Means) -> Result:
    channel_id = occasion.action.get("channel_id")
    channel = means.around.find("channels", channel_id)
    if channel is None:
        return failed("channel", f"Channel not found: {channel_id}")
    title = str(channel.get("title") or channel_id)
    if not channel.get("enabled", True):
        return failed("channel", f"Channel is disabled: {title}")
    a_minute = number(channel.get("max_per_minute"))
    held = means.throttle.take(str(channel_id), a_minute, monotonic())
    if held is None:
        return failed("channel", f"Channel has reached its limit: {title} ({a_minute:g}/minute)")
    if refused := _counted(str(channel_id), title, channel, means):
        return refused
    if held:
        occasion = _telling_of_others(occasion, held)
    parts = {}
    if listed(channel.get("users")) or listed(channel.get("email")):
        parts["Email"] = email.send(
            occasion, means, {"users": channel.get("users"), "email": channel.get("email")}
        )
    if channel.get("web_hook"):
        part = occasion.part("web_hook", occasion.action)
        parts["Web Hook"] = web_hook.fire(part, means, channel["web_hook"])
    if channel.get("run_event"):
        part = occasion.part("run_event", {**occasion.action, "params": None, "start_delay": 0})
        parts["Run Event"] = run_event.launch(part, means, channel["run_event"])
    _notify(occasion, means, channel)
    outcomes = await asyncio.gather(*parts.values(), return_exceptions=True)
    return _summed(title, dict(zip(parts, map(_result, outcomes), strict=True)))


def _telling_of_others(occasion: Occasion, held: int) -> Occasion:
    """The same, whose texts say how many were held back before it."""
    note = f"({held} more notification{'s' * (held > 1)} held back)"

    def noted(action: Action) -> dict[str, Any]:
        data = occasion.make_data(action)
        return data | {key: f"{data[key]} {note}" for key in _TEXTS if isinstance(data.get(key), str)}

    return replace(occasion, make_data=noted)


def _counted(channel_id: str, title: str, channel: Any, means: Means) -> Result | None:
    """Count this notification, unless the day's are used up. Nothing is awaited in between."""
    counts, most = means.ports.counts, number(channel.get("max_per_day"))
    if counts is None:
        return None
    place: Any = counts.current_day()
    for step in ("channels", channel_id, "invocations"):
        place = place.get(step) if isinstance(place, dict) else None
    if most > 0 and number(place) >= most:
        return failed("channel", f"Channel has reached maximum daily limit: {title} ({most:g}/day)")
    counts.bump("channels", channel_id, "invocations")
    return None


def _notify(occasion: Occasion, means: Means, channel: Any) -> None:
    users = listed(channel.get("users"))
    if means.ports.browsers is None or not users:
        return
    text = str(occasion.data["text"]).removeprefix(means.around.product)
    loc = f"#Job?id={occasion.job.id}" if occasion.job else ""
    if occasion.alert:
        loc = f"#Alerts?id={occasion.alert.invocation.get('id', '')}"
    means.ports.browsers.notify(
        users,
        {
            "type": "channel",
            "channel": channel.get("id"),
            "message": " ".join(_URL.sub("", text).split()).strip(" :"),
            "sound": channel.get("sound") or None,
            "loc": loc,
        },
    )


def _result(outcome: Result | BaseException) -> Result:
    if isinstance(outcome, Result):
        return outcome
    if isinstance(outcome, Refusal):
        return failed("channel", outcome.description)
    if isinstance(outcome, Exception):
        return failed("channel", f"Failed: {type(outcome).__name__}")
    raise outcome


def _summed(title: str, parts: dict[str, Result]) -> Result:
    """The first failure is the channel's; every part has its heading in the details."""
    details = "\n\n".join(
        f"### {name}\n\n{part.description}" + (f"\n\n{part.details}" if part.details else "")
        for name, part in parts.items()
    )
    for name, part in parts.items():
        if part.code:
            return Result("channel", f"{name}: {part.description}", details, part.loc)
    loc = next((part.loc for part in parts.values() if part.loc), "")
    return Result(0, f"Successfully notified channel: {title}", details, loc)
