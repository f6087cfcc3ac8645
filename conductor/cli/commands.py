"""The command line of `opsorbit`: options in, exit status out."""

import asyncio
from importlib import metadata
from typing import Annotated

import typer


def version() -> str:
    """The installed version, or `unknown` in a source tree that is not installed."""
    try:
        return metadata.version("opsorbit")
    except metadata.PackageNotFoundError:
        return "unknown"


def commands() -> typer.Typer:
    app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

    @app.callback(invoke_without_command=True)
    def opsorbit(
        show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    ) -> None:
        """Schedules jobs, runs workflows and watches servers."""
        if show_version:
            typer.echo(f"opsorbit {version()}")
            raise typer.Exit

    @app.command()
    def demo(
        leave: Annotated[
            bool, typer.Option("--exit", help="Stop after the job; the exit status is the job's.")
        ] = False,
    ) -> None:
        """Start a conductor and a satellite here, run a job and show its log; stay up until Ctrl-C."""
        from conductor.cli.demo import run_demo

        raise typer.Exit(asyncio.run(run_demo(leave=leave)))

    from conductor.cli import workflow

    app.add_typer(workflow.commands(), name="workflow")
    return app
