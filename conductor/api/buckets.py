"""What is in buckets: data and files (contract api/buckets.yaml). Their definitions are `definitions`'."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from conductor.announcer import Signals
from conductor.api.body import parse_embedded
from conductor.api.call import Call
from conductor.api.criteria import matches_criteria
from conductor.api.endpoint import DefinitionId, Endpoint, WordId
from conductor.api.told import activity
from conductor.errors import BadParameter, Refusal
from conductor.filing.bucket_access import require_bucket
from conductor.filing.buckets import Buckets
from conductor.filing.names import url_name
from conductor.signals import Activity

_QUIET_SECONDS = 60.0
"""Jobs write data many times a minute: of one bucket and caller this often is logged."""
_REMEMBERED = 1_000


class BucketData(msgspec.Struct, kw_only=True):
    id: DefinitionId
    data: dict[str, Any] | str = {}
    """Merged into the bucket's data, key by key."""
    remove: list[str] | str = ""
    """Keys to drop: a list, or comma-separated."""
    data_revision: str | None = None
    """Write only if the data still has this revision; it is part of every answer."""
    fetch: bool | int | str = False


class BucketUpload(msgspec.Struct, kw_only=True):
    id: WordId | None = None
    bucket: WordId | None = None
    """Older name of `id`."""


class BucketFile(msgspec.Struct, kw_only=True):
    """Every other parameter is a criterion on a property of the file."""

    id: DefinitionId


class EmptyBucket(msgspec.Struct, kw_only=True):
    id: DefinitionId
    files: bool | int | str = False
    data: bool | int | str = False


class WrittenData(msgspec.Struct, kw_only=True):
    data: dict[str, Any] | None
    data_revision: str


class BucketFiles(msgspec.Struct, kw_only=True):
    files: list[dict[str, Any]]


def endpoints(
    buckets: Buckets, bucket: Callable[[str], Mapping[str, Any] | None], signals: Signals
) -> tuple[Endpoint[Any], ...]:
    """`bucket` answers the definition of an ID, None for an unknown one."""
    told: dict[tuple[str, str], float] = {}

    def require(call: Call, bucket_id: str) -> None:
        definition = bucket(bucket_id)
        if definition is None:
            raise Refusal("bucket", f"Bucket not found: {bucket_id}")
        require_bucket(call.account, definition)
        if definition.get("enabled") in (False, 0):
            raise Refusal("bucket", f"Bucket is disabled: {bucket_id}")

    def activity_of(call: Call, action: str, bucket_id: str, **payload: Any) -> Activity:
        title = (bucket(bucket_id) or {}).get("title")
        return activity(
            call,
            action,
            str(title or bucket_id),
            {"bucket_id": bucket_id, **payload},
            keywords=(bucket_id,),
            resource=("bucket", bucket_id),
        )

    def tell_now_and_then(call: Call, made: Activity) -> None:
        bucket_id = made.resource[1]
        key, moment = (bucket_id, call.account.name), time.monotonic()
        if moment - told.get(key, -_QUIET_SECONDS) >= _QUIET_SECONDS:
            if len(told) >= _REMEMBERED:
                told.clear()
            told[key] = moment
            signals.publish_logged(made)

    async def write_bucket_data(call: Call, params: BucketData) -> Mapping[str, Any]:
        require(call, params.id)
        data = parse_embedded(params.data) if isinstance(params.data, str) and params.data else params.data
        made = activity_of(call, "bucket_write_data", params.id)
        revision = await buckets.merge_data(
            params.id,
            data or {},
            remove=_words(params.remove),
            expected=params.data_revision,
            events=signals.events(made),
        )
        tell_now_and_then(call, made)
        whole = await buckets.data(params.id) if _truthy(params.fetch) else None
        return {"data": whole, "data_revision": revision}

    async def upload_bucket_files(call: Call, params: BucketUpload) -> Mapping[str, Any]:
        bucket_id = params.id or params.bucket
        if not bucket_id:
            raise BadParameter("Missing parameter: id")
        require(call, bucket_id)
        if not call.files:
            raise Refusal("bucket", "No files were uploaded")
        names = [one.name for one in call.files]
        made = activity_of(call, "bucket_upload_files", bucket_id, filenames=names)
        files = await buckets.upload(
            bucket_id, call.files, username=call.account.name, events=signals.events(made)
        )
        signals.publish_logged(made)
        return {"files": files}

    async def delete_bucket_file(call: Call, params: BucketFile) -> Mapping[str, Any]:
        require(call, params.id)
        criteria = {key: value for key, value in call.params.items() if key != "id"}
        if not criteria:
            raise Refusal("bucket", "Name the file to delete: at least one of its properties is needed")

        def made(file: Mapping[str, Any]) -> Activity:
            return activity_of(call, "bucket_delete_file", params.id, filename=file.get("filename"))

        deleted = await buckets.delete_file(
            params.id, lambda file: _matches(file, criteria), lambda file: signals.events(made(file))
        )
        if deleted is None:
            shown = json.dumps(criteria, default=str)[:500]
            raise Refusal("bucket", f"No file in bucket {params.id} matches: {shown}")
        signals.publish_logged(made(deleted))
        return {}

    async def empty_bucket(call: Call, params: EmptyBucket) -> Mapping[str, Any]:
        require(call, params.id)
        files, data = _truthy(params.files), _truthy(params.data)
        if not files and not data:
            raise Refusal("bucket", "At least one of files and data must be set")
        made = activity_of(call, "bucket_empty", params.id, files=files, data=data)
        await buckets.empty(params.id, files=files, data=data, events=signals.events(made))
        signals.publish_logged(made)
        return {}

    return (
        Endpoint(
            name="write_bucket_data",
            handler=write_bucket_data,
            params=BucketData,
            result=WrittenData,
            privilege="edit_buckets",
            mutates=True,
            summary="Merge an object into a bucket's data.",
        ),
        Endpoint(
            name="upload_bucket_files",
            handler=upload_bucket_files,
            params=BucketUpload,
            result=BucketFiles,
            methods=("POST",),
            privilege="edit_buckets",
            mutates=True,
            uploads=buckets.rules,
            summary="Add files to a bucket, in place of those of the same name.",
        ),
        Endpoint(
            name="delete_bucket_file",
            handler=delete_bucket_file,
            params=BucketFile,
            privilege="edit_buckets",
            mutates=True,
            summary="Delete the first file of a bucket that has all of the given properties.",
        ),
        Endpoint(
            name="empty_bucket",
            handler=empty_bucket,
            params=EmptyBucket,
            privilege="edit_buckets",
            mutates=True,
            summary="Delete all files of a bucket, its data, or both.",
        ),
    )


def _matches(file: Mapping[str, Any], criteria: Mapping[str, Any]) -> bool:
    """By loose equality; a file name also in its normalised form."""
    rest = dict(criteria)
    name = rest.get("filename")
    if isinstance(name, str) and name and url_name(name) == url_name(str(file.get("filename"))):
        del rest["filename"]
    return matches_criteria(file, rest)


def _words(value: list[str] | str) -> list[str]:
    return value if isinstance(value, list) else [word.strip() for word in value.split(",") if word.strip()]


def _truthy(value: bool | int | str) -> bool:
    return value not in (False, 0, "", "0", "false")
