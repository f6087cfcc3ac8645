"""The command line of `opsorbit`: options in, exit status out."""

import asyncio
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

_URL = "http://localhost:5522"
_WIDE = 4096


def version() -> str:
    """The installed version, or `unknown` in a source tree that is not installed."""
    try:
        return metadata.version("opsorbit")
    except metadata.PackageNotFoundError:
        return "unknown"


def run() -> None:
    """Run the command line of this process."""
    commands()(prog_name="opsorbit")


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

    @app.command()
    def rotate_secret_key(
        data_dir: Annotated[Path, typer.Option(help="The data directory of the stopped conductor.")],
        config: Annotated[Path | None, typer.Option(help="Its settings, TOML or JSON.")] = None,
        new_key_file: Annotated[
            Path | None, typer.Option(help="A file with the next key; without it one is generated.")
        ] = None,
    ) -> None:
        """Encrypt all secrets anew, under a new secret key. Satellites have to be enrolled again."""
        from conductor.cli.rotation import RotationError, rotate

        try:
            new_key = new_key_file.read_text().strip() if new_key_file else ""
            typer.echo(asyncio.run(rotate(data_dir.resolve(), config, new_key)))
        except (RotationError, OSError) as error:
            typer.echo(f"opsorbit: {error}", err=True)
            raise typer.Exit(1) from None

    @app.command()
    def trace(
        correlation_id: Annotated[str, typer.Argument(help="Of a request, a firing or a job.")],
        url: Annotated[
            str, typer.Option(envvar="OPSORBIT_URL", help="The conductor.")
        ] = "http://localhost:5522",
        api_key: Annotated[str, typer.Option(envvar="OPSORBIT_API_KEY", help="Who asks.")] = "",
    ) -> None:
        """Print the tree of what caused what, with durations."""
        from rich.console import Console

        from conductor.cli.client import ApiError
        from conductor.cli.trace import drawn, story

        try:
            answer = asyncio.run(story(correlation_id, url, api_key))
        except (ApiError, OSError) as error:
            typer.echo(f"opsorbit: {error}", err=True)
            raise typer.Exit(1) from None
        if not answer["total"]:
            typer.echo(f"opsorbit: no event of {correlation_id} that you may see", err=True)
            raise typer.Exit(1)
        console = Console()
        if not console.is_terminal:
            console.width = _WIDE  # whoever reads it from a file or a pipe gets whole lines
        console.print(drawn(answer))

    from conductor.cli import events, workflow

    app.add_typer(events.commands(), name="events")
    app.add_typer(workflow.commands(), name="workflow")
    plugin = typer.Typer(no_args_is_help=True, help="Plugins of a conductor.")
    app.add_typer(plugin, name="plugin")

    @plugin.callback()
    def plugins() -> None:
        """Keeps `install` a command of its own name."""

    @plugin.command()
    def install(
        file: Annotated[Path, typer.Argument(help="A portable object file: .json or .json.gz.")],
        url: Annotated[str, typer.Option(envvar="OPSORBIT_URL", help="Of the conductor.")] = _URL,
        api_key: Annotated[
            str, typer.Option(envvar="OPSORBIT_API_KEY", help="May create and edit what the file holds.")
        ] = "",
        sha256: Annotated[str, typer.Option(help="Install the file only if this is its SHA-256.")] = "",
    ) -> None:
        """Create or update the plugins, and what else a portable object file holds."""
        from conductor.cli.installing import install as install_file

        raise typer.Exit(asyncio.run(install_file(file, url, api_key, sha256)))

    @app.command()
    def make_certificate(
        folder: Annotated[Path, typer.Argument(help="Where the files are written.")],
        host: Annotated[list[str], typer.Option(help="A name or address of the conductor; may be repeated.")],
    ) -> None:
        """Make an authority and a conductor's certificate of it: ca.pem, tls.crt, tls.key."""
        from conductor.cli.certificates import make_certificate as made
        from conductor.cli.processes import ProcessError

        try:
            typer.echo(f"ca_fingerprint: {made(folder, host)}")
        except (ProcessError, OSError, ValueError) as error:
            typer.echo(f"opsorbit: {error}", err=True)
            raise typer.Exit(1) from None

    from conductor.cli import satellites
    from conductor.cli.fleet import command as fleet

    app.add_typer(satellites.commands(), name="satellite")
    app.add_typer(fleet.commands(), name="fleet")
    return app
