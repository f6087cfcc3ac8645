"""Files that people upload for themselves (contract api/files.yaml, upload_files)."""

from collections.abc import Sequence

from conductor.filing.expiry import FileExpiry
from conductor.filing.job_files import store_all
from conductor.filing.names import cased_name, distinct, random_part, user_folder
from conductor.filing.uploads import Upload, UploadRules
from conductor.records.files import Files


class UserFiles:
    def __init__(self, files: Files, expiry: FileExpiry, rules: UploadRules) -> None:
        self.rules = rules
        self._files = files
        self._expiry = expiry

    async def store(self, uploads: Sequence[Upload], username: str, expires: int) -> list[str]:
        """Store them under a new unguessable folder; returns their storage paths, in order. All or none."""
        root = f"files/{user_folder(username)}/{random_part()}"
        keys = [f"{root}/{name}" for name in distinct(cased_name(upload.name) for upload in uploads)]
        await store_all(self._files, self._expiry, dict(zip(keys, uploads, strict=True)), expires)
        return keys
