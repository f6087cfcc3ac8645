"""Many lists in one call. Contract api/misc.yaml, get_multiple.

A limited caller gets what it may see of each list, as from the single calls.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from conductor.access.account import Account
from conductor.api import visibility
from conductor.api.call import Call, Json
from conductor.api.endpoint import Endpoint
from conductor.api.office import Office
from conductor.definitions.repository import Definitions
from conductor.definitions.state import GlobalState
from conductor.errors import BadParameter, Refusal
from conductor.fleet.roster import Roster
from shared.clock import now
from shared.schema.api_keys import without_keys

Extra = Callable[[Account], Mapping[str, Any]]
"""Properties that a flag adds to the answer, as far as the caller may see them."""

LISTS = (
    "api_keys",
    "groups",
    "plugins",
    "categories",
    "events",
    "channels",
    "web_hooks",
    "buckets",
    "secrets",
    "monitors",
    "alerts",
    "maintenance_windows",
    "tags",
    "roles",
)
_UNSHOWN_OF_JOBS = frozenset(("input", "data", "files"))
_EMPTY: Mapping[str, Mapping[str, Any]] = {
    "jobs": {"activeJobs": {}, "internalJobs": {}},
    "alerts": {"activeAlerts": {}},
    "state": {"state": {}},
    "stats": {"stats": {}},
    "servers": {"servers": {}},
    "serverCache": {"serverCache": {}},
}


class Wanted(msgspec.Struct, kw_only=True):
    lists: Any = None
    """Names of lists: an array, comma-separated, or `all`."""
    jobs: bool = False
    alerts: bool = False
    state: bool = False
    stats: bool = False
    servers: bool = False
    server_cache: bool = msgspec.field(default=False, name="serverCache")


def endpoints(definitions: Definitions, extras: Mapping[str, Extra]) -> tuple[Endpoint[Any], ...]:
    """`extras` by flag; a flag without one adds its properties empty."""

    async def get_multiple(call: Call, params: Wanted) -> Json:
        answer: Json = {"epoch": now()}
        for name in _names(params.lists):
            answer[name] = _listed(definitions, name, call.account)
        asked = msgspec.to_builtins(params)
        for flag, empty in _EMPTY.items():
            if asked[flag]:
                extra = extras.get(flag)
                answer |= {**empty, **(extra(call.account) if extra else {})}
        return answer

    return (
        Endpoint("get_multiple", get_multiple, Wanted, "Several lists of definitions, and what is active"),
    )


def of_house(office: Office, roster: Roster, state: GlobalState) -> dict[str, Extra]:
    """Jobs, servers and state, as this conductor knows them."""

    def jobs(account: Account) -> Mapping[str, Any]:
        active = (job.job for job in office.engine.book if job.state != "queued")
        return {
            "activeJobs": {
                job["id"]: {key: value for key, value in job.items() if key not in _UNSHOWN_OF_JOBS}
                for job in active
                if account.sees_job(job)
            }
        }

    def servers(known: Mapping[str, Json], account: Account) -> Json:
        return {id: one for id, one in known.items() if account.sees_groups(one.get("groups") or ())}

    def whole_state(account: Account) -> Mapping[str, Any]:
        tree = state.tree()
        if not account.admin:
            tree.pop("api_keys", None)
        if account.limited:
            tree = {
                key: value for key, value in tree.items() if key not in ("events", "watches", "watch_owners")
            }
        return {"state": tree}

    return {
        "jobs": jobs,
        "servers": lambda account: {"servers": servers(roster.online, account)},
        "serverCache": lambda account: {"serverCache": servers(roster.recent, account)},
        "state": whole_state,
    }


def _names(lists: Any) -> list[str]:
    if lists is None or lists == "" or lists == []:
        raise BadParameter("Missing parameter: lists")
    if isinstance(lists, str):
        lists = list(LISTS) if lists.strip() == "all" else [name.strip() for name in lists.split(",")]
    if not isinstance(lists, list):
        raise Refusal("admin", "The lists parameter must be an array, or names separated by commas.")
    if lists == ["all"]:
        return list(LISTS)
    for name in lists:
        if name not in LISTS:
            raise Refusal("admin", f"Unknown list: {str(name)[:80]}")
    return list(dict.fromkeys(lists))


def _listed(definitions: Definitions, name: str, account: Account) -> list[Json]:
    rows = visibility.visible(definitions, name, account)
    if name != "api_keys":
        return list(rows)
    return [without_keys(row) for row in rows]
