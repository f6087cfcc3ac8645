"""The `opsorbit` command.

Its modules start and talk to a conductor from outside, by its command line and its API; nothing in the
conductor calls them. `rotation` alone works on the data directory of a conductor that is stopped.
"""


def main() -> None:
    """Entry point of the console script `opsorbit`."""
    # Imported late: the package is imported by tests and benchmarks that need neither.
    from conductor.cli.commands import run

    run()
