"""Promise P4: any bytes at any endpoint get an envelope, never a failure of the server."""

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conductor.api.call import Call
from conductor.api.endpoint import Endpoint, NoParams
from tests.integration.api.conftest import Served

NAMES = [
    *("get_events", "get_event", "create_event", "update_event", "delete_event", "get_event_history"),
    *("get_categories", "get_category", "create_category", "update_category", "delete_category"),
    *("multi_update_category", "get_groups", "create_group", "update_group", "multi_update_group"),
    *("create_plugin", "update_plugin", "delete_plugin", "create_tag", "update_tag", "create_api_key"),
    *("update_api_key", "delete_api_key", "get_api_key", "echo", "ping", "error", "config"),
]
TYPES = (
    "application/json",
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "multipart/form-data",
    "multipart/mixed; boundary=b",
    "application/octet-stream",
    "",
)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
keys = st.sampled_from(
    [
        *("id", "title", "enabled", "category", "plugin", "targets", "algo", "tags", "triggers", "limits"),
        *("actions", "fields", "workflow", "params", "items", "icon", "notes", "hostname_match", "type"),
        *("command", "privileges", "expires", "revision", "sort_order", "update_state", "offset", "limit"),
        *("sort_by", "sort_dir", "sleep", "toString", "api_key", "session_id", "json", "alert_actions"),
        *("active", "max_per_sec"),
    ]
) | st.text(max_size=10)
documents = st.dictionaries(keys, values, max_size=8)
bodies = (
    st.binary(max_size=400)
    | documents.map(msgspec.json.encode)
    | st.binary(max_size=200).map(
        lambda content: (
            b'--b\r\nContent-Disposition: form-data; name="a"; filename="f"\r\n\r\n'
            + content
            + b"\r\n--b--\r\n"
        )
    )
)
settled = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


async def send(served: Served, name: str, method: str, kind: str, body: bytes, query: str) -> None:
    headers = {"Content-Type": kind, "X-API-Key": served.admin_key}
    url = f"{served.url}/api/app/{name}/v1?format=json&{query}"
    async with served.client.request(method, url, data=body, headers=headers) as response:
        answer = await response.json()
        assert response.status < 500, (answer, body)
        assert isinstance(answer, dict)
        assert name == "echo" or answer["code"] in (0, 1) or isinstance(answer["description"], str)


@settled
@given(
    name=st.sampled_from(NAMES),
    method=st.sampled_from(("POST", "GET", "PUT")),
    kind=st.sampled_from(TYPES),
    body=bodies,
    query=st.text("abcdeilmnost=&%+[]0123456789\u00e9", max_size=40),
)
async def test_any_body(served: Served, name: str, method: str, kind: str, body: bytes, query: str) -> None:
    await send(served, name, method, kind, body, query)


@settled
@given(name=st.sampled_from(NAMES), document=documents)
async def test_any_document(served: Served, name: str, document: dict[str, Any]) -> None:
    await send(served, name, "POST", "application/json", msgspec.json.encode(document), "")


@settled
@given(path=st.text("/api/userv1.%?#&=\\ \u00e9", max_size=30))
async def test_any_path(served: Served, path: str) -> None:
    async with served.client.get(f"{served.url}/api/{path}") as response:
        assert response.status < 500


async def test_a_bug_stays_inside(served: Served) -> None:
    """An exception of ours is `internal`, and its text does not leave."""

    async def broken(call: Call, params: NoParams) -> Any:
        raise KeyError("a secret detail")

    async def unencodable(call: Call, params: NoParams) -> Any:
        return {"value": object()}

    registry = served.kernel._registry
    extra = type(registry)(
        (Endpoint("broken", broken, NoParams, "x"), Endpoint("unencodable", unencodable, NoParams, "x"))
    )
    served.kernel._registry = extra
    for name in ("broken", "unencodable"):
        status, answer = await served.call(name)
        assert status == 500
        assert answer == {"code": "internal", "description": "Internal server error"}
        assert (await served.call(name, v=""))[0] == 500
