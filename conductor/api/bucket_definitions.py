"""Buckets: their definitions, with what is in them handed through a port. Contract api/buckets.yaml."""

from collections.abc import Mapping
from typing import Any, Protocol

from conductor.api.call import Call, Json
from conductor.api.definitions import ById, DefinitionCalls, Delete, New, Particulars
from conductor.api.endpoint import Endpoint
from conductor.definitions.kinds import KINDS
from conductor.definitions.repository import Definitions
from conductor.errors import BadParameter, Refusal


class BucketContent(Protocol):
    """What is in buckets. Every call raises Refusal `bucket` when it cannot be done."""

    async def data(self, bucket_id: str) -> Json:
        """Empty where nothing was ever written."""

    async def files(self, bucket_id: str) -> list[Json]: ...

    async def write_data(self, bucket_id: str, data: Mapping[str, Any], *, replace: bool = False) -> Json: ...

    async def drop(self, bucket_id: str) -> None:
        """Remove data, files and blobs; what is already missing is no failure."""


class NoContent:
    """Every bucket is empty, and nothing can be put into one."""

    async def data(self, bucket_id: str) -> Json:
        return {}

    async def files(self, bucket_id: str) -> list[Json]:
        return []

    async def write_data(self, bucket_id: str, data: Mapping[str, Any], *, replace: bool = False) -> Json:
        raise Refusal("bucket", f"The content of buckets is not available: {bucket_id}")

    async def drop(self, bucket_id: str) -> None: ...


class BucketCalls(DefinitionCalls):
    """The calls of the kind `buckets`."""

    def __init__(self, definitions: Definitions, content: BucketContent) -> None:
        super().__init__(KINDS["buckets"], definitions, Particulars())
        self._content = content

    async def get(self, call: Call, params: ById) -> Json:
        answer = await super().get(call, params)
        data, files = await self._content.data(params.id), await self._content.files(params.id)
        return {**answer, "data": data, "files": files}

    async def create(self, call: Call, params: New) -> Json:
        """A bucket whose data cannot be stored does not come into being."""
        data = _checked(call.params)
        answer = await super().create(call, params)
        if data:
            id = answer["bucket"]["id"]
            try:
                await self._content.write_data(id, data, replace=True)
            except Refusal:
                await self._definitions.delete("buckets", id, actor=call.actor, by=call.account)
                raise
        return answer

    async def update(self, call: Call, params: ById) -> Json:
        """`data` replaces all data. It is written first: the new revision says that everything is done."""
        data = _checked(call.params)
        if data is not None:
            self._definitions.check_update("buckets", params.id, call.params, by=call.account)
            await self._content.write_data(params.id, data, replace=True)
        return await super().update(call, params)

    async def delete(self, call: Call, params: Delete) -> Json:
        """The definition goes last: what was broken off can be deleted again."""
        if self._definitions.get("buckets", params.id) is None:
            raise Refusal("bucket", f"Bucket not found: {params.id}")
        self.refuse_if_used(params)
        await self._content.drop(params.id)
        return await super().delete(call, params)


def _checked(params: Mapping[str, Any]) -> Json | None:
    """The data that was sent. Files come by upload: a list of them is checked and left alone."""
    data, files = params.get("data"), params.get("files")
    if data is not None and not isinstance(data, dict):
        raise BadParameter("Parameter is not type object: data")
    if files is not None:
        _check_files(files)
    return data


def _check_files(files: Any) -> None:
    if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
        raise BadParameter("Parameter is not an array: files")


def endpoints(definitions: Definitions, content: BucketContent | None = None) -> tuple[Endpoint[Any], ...]:
    return BucketCalls(definitions, content or NoContent()).endpoints()
