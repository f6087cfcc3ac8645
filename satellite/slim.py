"""Imported before anything else by `satellite.main`, and by nothing else: keeps out what a daemon never needs.

structlog loads rich where it is installed, for tracebacks on a terminal: six megabytes on each host.
"""

import sys

sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
