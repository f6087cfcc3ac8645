"""The types of actions. A new type is one file in `types` and one line here."""

from collections.abc import Mapping
from types import MappingProxyType

from conductor.actions.occasion import Run
from conductor.actions.types import (
    channel,
    delete,
    disable,
    email,
    fetch,
    label,
    plugin,
    run_event,
    snapshot,
    store,
    suspend,
    tag,
    ticket,
    web_hook,
)

TYPES: Mapping[str, Run] = MappingProxyType(
    {
        "email": email.run,
        "web_hook": web_hook.run,
        "run_event": run_event.run,
        "channel": channel.run,
        "snapshot": snapshot.run,
        "ticket": ticket.run,
        "plugin": plugin.run,
        "suspend": suspend.run,
        "disable": disable.run,
        "delete": delete.run,
        "tag": tag.run,
        "label": label.run,
        "store": store.run,
        "fetch": fetch.run,
    }
)

LOCAL = frozenset({"disable", "delete", "tag", "label"})
"""They change the job alone: nothing has to be booked before them."""
