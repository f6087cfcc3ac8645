"""What killed the satellite, kept for the next join (contract satellite_agent.md §4)."""

import contextlib
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CRASH_LOG = "crash.log"


@contextmanager
def note_crash(data: Path) -> Iterator[None]:
    """Write an exception that ends the satellite to `logs/crash.log`, and let it go on."""
    try:
        yield
    except Exception:
        folder = data / "logs"
        with contextlib.suppress(OSError):  # a full disk may be what ended it
            folder.mkdir(exist_ok=True)
            (folder / CRASH_LOG).write_text(traceback.format_exc())
        raise
