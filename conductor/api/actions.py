"""Failed actions and actions that cannot work. Not in the original: there they show in their jobs alone."""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from conductor.access.account import Account
from conductor.actions.failures import FailedActions
from conductor.actions.references import dangling
from conductor.api.call import Call
from conductor.api.endpoint import Endpoint, NoParams
from conductor.definitions.repository import Definitions


class FailedQuery(msgspec.Struct, kw_only=True):
    """`type`, `job`, `alert` and `event` keep those that match."""

    offset: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0
    limit: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 50
    type: str = ""
    job: str = ""
    alert: str = ""
    event: str = ""


class Rows(msgspec.Struct, kw_only=True):
    rows: list[dict[str, Any]]
    list: dict[str, int]


def endpoints(failures: FailedActions, definitions: Definitions) -> tuple[Endpoint[Any], ...]:
    async def get_failed_actions(call: Call, params: FailedQuery) -> Mapping[str, Any]:
        found = await failures.newest(lambda one: _matches(one, params) and _sees(call.account, one))
        page = found[params.offset : params.offset + params.limit]
        return {"rows": page, "list": {"length": len(found)}}

    async def get_dangling_actions(call: Call, params: NoParams) -> Mapping[str, Any]:
        account = call.account
        rows = dangling(
            definitions,
            {
                "events": account.sees_event,
                "categories": lambda item: account.sees_category(item.get("id")),
                "groups": lambda item: account.sees_groups((item.get("id"),)),
                "alerts": lambda item: (
                    account.sees_groups(item.get("groups") or ()) or not item.get("groups")
                ),
            },
        )
        return {"rows": rows, "list": {"length": len(rows)}}

    return (
        Endpoint(
            name="get_failed_actions",
            handler=get_failed_actions,
            params=FailedQuery,
            result=Rows,
            summary="Actions of jobs and alerts that failed lately, newest first.",
        ),
        Endpoint(
            name="get_dangling_actions",
            handler=get_dangling_actions,
            params=NoParams,
            result=Rows,
            summary="Actions that name a web hook, channel, bucket, plugin or event that does not exist.",
        ),
    )


def _matches(failure: Mapping[str, Any], wanted: FailedQuery) -> bool:
    subject = failure.get("subject") or {}
    return all(
        not value or value == found
        for value, found in (
            (wanted.type, failure.get("type")),
            (wanted.job, failure.get("job")),
            (wanted.alert, failure.get("alert")),
            (wanted.event, subject.get("event")),
        )
    )


def _sees(account: Account, failure: Mapping[str, Any]) -> bool:
    """As the job, or as the alert, that the action belongs to."""
    subject = failure.get("subject") or {}
    if failure.get("job"):
        return account.sees_job(subject)
    return account.sees_groups(subject.get("groups") or ())
