"""Small programs that the process tests start."""

import os
import signal
import sys
import time


def says_what_it_got() -> int:
    print(
        " ".join(sys.argv[1:]), os.environ.get("OPSORBIT_TTL", "none"), os.environ.get("OPSORBIT_TZ", "none")
    )
    return 7


def leaves_when_asked() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    _run()


def does_not_listen() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _run()


def _run() -> None:
    print("up", flush=True)
    while True:
        time.sleep(60)
