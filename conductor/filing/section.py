"""`buckets/ID/data` and `buckets/ID/files` in exports and imports (contract structures/bucket.yaml).

An import brings the contents of buckets whose definitions may not be there yet; the blobs are others' keys.
"""

import re
import time
from collections.abc import AsyncIterator
from typing import Any

from conductor.errors import Refusal
from conductor.filing.bucket_contents import BucketContents, Filed
from conductor.filing.names import url_name
from conductor.filing.places import storage_key
from conductor.filing.uploads import is_file

Json = dict[str, Any]

_KEY = re.compile(r"buckets/([A-Za-z0-9_]{1,64})/(data|files)")


class BucketSection:
    prefix = "buckets/"

    def __init__(self, contents: BucketContents) -> None:
        self._contents = contents

    async def all(self) -> AsyncIterator[tuple[str, Any]]:
        for bucket in await self._contents.buckets():
            yield f"buckets/{bucket}/data", await self._contents.data(bucket)
            files = await self._contents.files(bucket)
            yield f"buckets/{bucket}/files", [filed.file for filed in files.values()]

    async def put(self, key: str, value: Any) -> None:
        """In place of what the bucket had. Raises Refusal `bucket`."""
        match = _KEY.fullmatch(key)
        if match is None:
            raise Refusal("bucket", f"No part of a bucket has the key {key[:80]}")
        bucket, part = match[1], match[2]
        if part == "data":
            if not isinstance(value, dict):
                raise Refusal("bucket", f"The data of bucket {bucket} is no object")
            await self._contents.write(bucket, value, replace=True)
        else:
            await self._contents.replace_files(bucket, listed(bucket, value))

    async def value(self, key: str) -> Any:
        match = _KEY.fullmatch(key)
        if match is None or match[1] not in await self._contents.buckets():
            return None
        if match[2] == "data":
            return await self._contents.data(match[1])
        return [filed.file for filed in (await self._contents.files(match[1])).values()]

    async def forget(self, key: str) -> None:
        match = _KEY.fullmatch(key)
        if match is not None:
            await self.put(key, {} if match[2] == "data" else [])

    async def clear(self, but: str = "") -> int:
        """Data and lists; the blobs are `files/bucket/`."""
        buckets = await self._contents.buckets()
        for bucket in buckets:
            await self._contents.drop(bucket)
        return len(buckets)


def listed(bucket: str, files: Any) -> dict[str, Filed]:
    """Files by normalised name. Raises Refusal `bucket`.

    Only Files below the bucket's own folder are taken: a list must not make others' files its own.
    """
    if not isinstance(files, list):
        raise Refusal("bucket", f"The files of bucket {bucket} are no array")
    made: dict[str, Filed] = {}
    for number, file in enumerate(files):
        path = storage_key(str(file.get("path"))) if is_file(file) else None
        if path is None or not path.startswith(f"files/bucket/{bucket}/"):
            raise Refusal("bucket", f"File #{number + 1} does not lie in bucket {bucket}")
        name = str(file.get("filename") or path.rpartition("/")[2])
        made[url_name(name)] = Filed(time.time_ns() + number, {**file, "filename": name})
    return made
