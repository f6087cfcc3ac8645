"""Imported before anything else by `conductor.main`, and by nothing else: what makes a start short.

structlog loads rich where it is installed, for tracebacks on a terminal: six megabytes, and a tenth of the start.

The collector looks through everything again whenever the number of objects has grown by a quarter, and importing
does nothing but that. What was imported stays as long as the process; `imported` takes it out of the collector's
sight for good, so that no later collection holds up the event loop with it either.
"""

import gc
import sys

sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
gc.disable()


def imported() -> None:
    """Everything is loaded: collect from now on, and only what comes from now on."""
    gc.freeze()
    gc.enable()
