"""Which programs plugins ask for are on this host (contract plugins.md §7.3, "Where to be better" 10).

Told at each join as `info.tools`, so that a job can be kept to hosts that have one: the target expression
`info.tools.docker` is true on them.
"""

import os
import shutil

from satellite.jobs.environment import own_environment

NAMES = (
    "bash", "curl", "docker", "git", "go", "node", "npx", "perl", "podman", "psql", "python3", "rsync", "ruby",
    "ssh", "uvx",
)  # fmt: skip


def available() -> dict[str, bool]:
    """Each name, and whether a job without a PATH of its own finds it."""
    path = own_environment(os.environ)["PATH"]
    return {name: shutil.which(name, path=path) is not None for name in NAMES}
