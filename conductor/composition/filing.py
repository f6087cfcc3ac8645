"""Files: what users upload, what jobs leave behind, what buckets hold."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from conductor.composition.ground import Ground
from conductor.filing.bucket_contents import BucketContents
from conductor.filing.buckets import Buckets
from conductor.filing.expiry import FileExpiry
from conductor.filing.job_files import JobFiles
from conductor.filing.limits import bucket_uploads, job_uploads
from conductor.filing.user_files import UserFiles
from conductor.jobs.deletion import Deletion
from conductor.signals import DefinitionChanged


class Filing:
    """The room of files and buckets, with the deletion of jobs and all their files."""

    def __init__(self, ground: Ground) -> None:
        definitions = ground.definitions
        of_jobs, of_buckets = job_uploads(ground.settings.client), bucket_uploads(ground.settings.client)
        self._definitions = definitions
        self.expiry = FileExpiry(ground.records, ground.files)
        self.job_files = JobFiles(
            ground.files, ground.archive, self.expiry, of_jobs.rules, active=ground.office.job
        )
        self.user_files = UserFiles(
            ground.files, self.expiry, replace(of_jobs.rules, code="file", accepted="")
        )
        self.bucket_data = BucketContents(ground.records)
        self.buckets = Buckets(
            self.bucket_data,
            ground.files,
            self.expiry,
            of_buckets.rules,
            known=lambda bucket_id: self.bucket(bucket_id) is not None,
            max_data_size=of_buckets.max_data_size,
        )
        ground.signals.subscribe("buckets", self.buckets.observe, DefinitionChanged)
        self.deletion = Deletion(
            ground.archive,
            ground.files,
            ground.signals,
            definitions.state,
            ground.settings.tz,
            self.job_files,
        )

    def bucket(self, bucket_id: str) -> Mapping[str, Any] | None:
        """The definition of a bucket; None if there is none."""
        return self._definitions.get("buckets", bucket_id)

    async def menu_of_bucket(self, bucket_id: str) -> Mapping[str, Any]:
        """What a bucket holds as data, for menus filled from it; empty for an unknown bucket."""
        return await self.bucket_data.data(bucket_id) if self.bucket(bucket_id) is not None else {}
