"""Limits of uploads as the settings give them (`client`, contract platform.md §1.4). Pure.

The browser app is told them; here they are enforced.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from conductor.filing.uploads import UploadRules
from conductor.settings import SettingsError

S = TypeVar("S")


class Uploads(msgspec.Struct, kw_only=True):
    max_file_size: int = 1024**3
    """Bytes of one file."""
    accepted_file_types: str = ""
    """Comma-separated endings (`.csv`) and media types (`text/csv`, `image/*`); empty: all."""


class BucketUploads(Uploads, kw_only=True):
    max_files_per_bucket: int = 100
    max_data_size: int = 16 * 1024**2
    """Bytes of one bucket's data, encoded."""

    @property
    def rules(self) -> UploadRules:
        return UploadRules("bucket", self.max_file_size, self.max_files_per_bucket, self.accepted_file_types)


class TicketUploads(Uploads, kw_only=True):
    max_files_per_ticket: int = 100

    @property
    def rules(self) -> UploadRules:
        return UploadRules("ticket", self.max_file_size, self.max_files_per_ticket, self.accepted_file_types)


class JobUploads(Uploads, kw_only=True):
    max_files_per_job: int = 100
    """Inputs of one call, and outputs of one job."""
    user_file_expiration: str | int = "30 days"
    """How long inputs are kept that people or magic links brought: `30 days`, or seconds."""
    plugin_file_expiration: str | int = "30 days"

    @property
    def rules(self) -> UploadRules:
        return UploadRules("job", self.max_file_size, self.max_files_per_job, self.accepted_file_types)


def bucket_uploads(client: Mapping[str, Any]) -> BucketUploads:
    """Each of these raises SettingsError, naming the key."""
    return _read(client, "bucket_upload_settings", BucketUploads)


def ticket_uploads(client: Mapping[str, Any]) -> TicketUploads:
    return _read(client, "ticket_upload_settings", TicketUploads)


def job_uploads(client: Mapping[str, Any]) -> JobUploads:
    return _read(client, "job_upload_settings", JobUploads)


def _read(client: Mapping[str, Any], key: str, kind: type[S]) -> S:
    try:
        return msgspec.convert(client.get(key) or {}, kind, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"Settings: client.{key}: {error}") from None
