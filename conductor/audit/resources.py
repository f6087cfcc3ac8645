"""What the causal event log calls things: resource types of seed 004, IDs as UUIDs. Pure.

A resource's UUID is UUIDv5 of its type and our ID; a job's has its time in front (UUIDv8), as most events are of
jobs. An event's is made of what makes it one of a kind, so that the same happening told twice, by two primaries
perhaps, is one event, and a cause is known without looking.
"""

import hashlib
import re
import uuid
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

RESOURCE_TYPES: Final = frozenset(
    {
        "action_run", "agent_spec", "artifact", "automation", "automation_run", "chat_thread", "connection",
        "decision", "flashboard", "inbound_message", "template",
    }
)  # fmt: skip
"""All that the seed allows."""

OF_KIND: Final[Mapping[str, str]] = {
    "events": "automation",
    "plugins": "agent_spec",
    "web_hooks": "connection",
    "groups": "connection",
    "buckets": "artifact",
    "tickets": "chat_thread",
    "channels": "connection",
}
"""Resource types of definitions; those the vocabulary has no word for are templates of how the house is run."""

_REMEMBERED: Final = 4096
"""UUIDs of the last names: a job's events name the same few again and again."""
_SPACE: Final = uuid.UUID("8f0f1f3e-0c5b-5a36-9b5e-6f70736f7262")
_PREFIX: Final = _SPACE.bytes
_sha1 = hashlib.sha1
_JOB: Final = "automation_run"
_JOB_ID: Final = re.compile(r"[a-z][0-9a-z]{15}")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@lru_cache(_REMEMBERED)
def _uuid(name: str) -> str:
    """UUIDv5 in our space, as text: what `uuid.uuid5` answers, for a fifth of its time."""
    digest = bytearray(_sha1(_PREFIX + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def kind_type(kind: str) -> str:
    """The resource type of a definition of `kind`."""
    return OF_KIND.get(kind, "template")


def resource_id(resource_type: str, our_id: str) -> str:
    """The UUID of a resource."""
    return job_uuid(our_id) if resource_type == _JOB else _uuid(f"{resource_type}:{our_id}")


@lru_cache(_REMEMBERED)
def job_uuid(job_id: str) -> str:
    """The UUID of a job as a resource."""
    parts = _job_parts(job_id)
    return _uuid(f"{_JOB}:{job_id}") if parts is None else f"{parts[0]}-8fff-{parts[1]}"


def event_id(event_type: str, *which: object) -> str:
    """The UUID of the one event of this type about `which`."""
    return _uuid(f"{event_type}:{':'.join(map(str, which))}" if which else event_type)


class Of:
    """What can happen to a job once, as part of an event's UUID; the job's own has 0xFFF there."""

    ACCEPTED: Final = 0
    ENDED: Final = 1
    RETRIED: Final = 2
    DELETED: Final = 3
    STARTED: Final = 0x100
    """Its first attempt is one more."""


_MOST: Final = 0xF00


@lru_cache(_REMEMBERED)
def job_event_id(job_id: str, what: int) -> str:
    """The UUID (version 8) of what happened to a job: its time, what it was, and the rest of the job's ID.

    Those of new jobs lie together at the end of the index, so that a commit touches one page of it, not one for
    each event. A job whose ID is none of ours gets hashes.
    """
    parts = _job_parts(job_id)
    if parts is None or what > _MOST:
        return event_id("job", job_id, what)
    return f"{parts[0]}-8{what:03x}-{parts[1]}"


@lru_cache(_REMEMBERED)
def _job_parts(job_id: str) -> tuple[str, str] | None:
    """All of our job IDs (shared/ids.py): letter, milliseconds, and what tells those of one moment apart."""
    if _JOB_ID.fullmatch(job_id) is None:
        return None
    moment = f"{int(job_id[1:9], 36):012x}"
    rest = f"{1 << 63 | ord(job_id[0]) << 40 | int(job_id[9:], 36):016x}"
    return f"{moment[:8]}-{moment[8:]}", f"{rest[:4]}-{rest[4:]}"


def is_uuid(text: str) -> bool:
    """Whether it is a UUID in its usual form, in either case."""
    return _UUID.fullmatch(text.lower()) is not None


@lru_cache(_REMEMBERED)
def correlation(text: str) -> str:
    """A correlation ID as a UUID: as it is, or the UUIDv5 of whatever words a caller chose."""
    if _UUID.fullmatch(text):
        return text
    return text.lower() if is_uuid(text) else _uuid(f"correlation:{text}")
