"""Names of the keys in Redis. All share one hash tag, so that a cluster keeps them on one node."""

from typing import NamedTuple


class Keys(NamedTuple):
    lease: str
    """Hash {owner, host, epoch}, expires with the lease."""
    epoch: str
    """The current term's number; every write to the book must carry it."""
    jobs: str
    """Set of the IDs of active jobs."""
    job: str
    """Prefix of each active job's hash {doc, live}."""
    idempotency: str
    """Prefix of the keys that remember which job an `Idempotency-Key` made."""
    fired: str
    """Hash of firing marks: which job each launch of an unfinished minute made."""
    cursors: str
    """Hash of the last minute evaluated, by event; the field "" is the schedule's as a whole."""
    outbox: str
    """Hash by ID of what the event log has still to learn of changes to the book."""
    token: str
    """Prefix of short-lived enrolment tokens of satellites."""
    conductors: str
    """Hash: the last sign of life of each conductor, by host."""
    commands: str
    """Prefix of the lists of commands to each conductor."""


def keys(prefix: str) -> Keys:
    tag = f"{{{prefix}}}"
    return Keys(
        lease=f"{tag}:lease",
        epoch=f"{tag}:epoch",
        jobs=f"{tag}:jobs",
        job=f"{tag}:job:",
        idempotency=f"{tag}:idempotency:",
        fired=f"{tag}:fired",
        cursors=f"{tag}:cursors",
        outbox=f"{tag}:outbox",
        token=f"{tag}:token:",
        conductors=f"{tag}:conductors",
        commands=f"{tag}:commands:",
    )
