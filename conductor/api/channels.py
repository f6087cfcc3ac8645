"""Trying a channel out (contract api/channels.yaml, where_to_be_better: the original has no test)."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from conductor.announcer import Signals
from conductor.api.call import Call
from conductor.api.endpoint import Endpoint, Takes
from conductor.api.office import Office
from conductor.api.told import activity
from conductor.definitions.repository import Definitions
from conductor.errors import Refusal


class ChannelId(msgspec.Struct, kw_only=True):
    id: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]+$(?!\n)", max_length=128)]


def endpoints(office: Office, definitions: Definitions, signals: Signals) -> tuple[Endpoint[Any], ...]:
    async def test_channel(call: Call, params: ChannelId) -> Mapping[str, Any]:
        """All parts of a stored channel, with sample data. As test_web_hook: a failure is told with status 200."""
        channel = definitions.get("channels", params.id)
        if channel is None:
            raise Refusal("channel", f"Channel not found: {params.id}")
        signals.publish(
            activity(
                call,
                "channel_test",
                str(channel.get("title", "")),
                {"channel": {"id": params.id, "title": channel.get("title", "")}},
                keywords=(params.id,),
                resource=("channels", params.id),
            )
        )
        executed = await office.actions.try_channel(params.id)
        told: dict[str, Any] = {
            key: executed[key] for key in ("code", "description", "details") if key in executed
        }
        return told if told["code"] else {"result": told}

    return (
        Endpoint(
            "test_channel",
            test_channel,
            ChannelId,
            "Notify a channel of a test",
            methods=("POST",),
            takes=Takes.BODY,
            privilege="edit_channels",
            mutates=True,
        ),
    )
