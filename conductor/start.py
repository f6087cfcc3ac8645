"""The console scripts. Where only a satellite is installed they say so, in a sentence instead of a trace."""

import sys
from importlib import import_module

_OWN = ("conductor", "satellite", "shared")


def conductor() -> None:
    """Entry point of `opsorbit-conductor`."""
    _run("opsorbit-conductor", "conductor.main")


def command() -> None:
    """Entry point of `opsorbit`."""
    _run("opsorbit", "conductor.cli.commands", call="run")


def _run(program: str, module: str, call: str = "main") -> None:
    try:
        main = getattr(import_module(module), call)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in _OWN or not missing:
            raise  # a fault of ours, not of the installation
        print(
            f"{program} needs more than a satellite does ({missing} is missing). "
            "Install it with: pip install 'opsorbit[conductor]'",
            file=sys.stderr,
        )
        sys.exit(1)
    main()
