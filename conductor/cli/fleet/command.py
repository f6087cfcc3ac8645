"""The command line of `opsorbit fleet`."""

import asyncio
import contextlib
from typing import Annotated

import typer


def commands() -> typer.Typer:
    app = typer.Typer(no_args_is_help=True, help="Fleets for load tests.")

    @app.callback()
    def fleet() -> None:
        """Fleets for load tests."""

    @app.command()
    def simulate(
        size: Annotated[int, typer.Argument(min=1, max=20_000, help="How many satellites.")],
        url: Annotated[
            str, typer.Option(envvar="OPSORBIT_URL", help="A conductor.")
        ] = "http://localhost:5522",
        api_key: Annotated[
            str, typer.Option(envvar="OPSORBIT_API_KEY", help="One that may add servers.")
        ] = "",
        base: Annotated[bool, typer.Option("--base", help="Speak as agents of the original.")] = False,
        sample_seconds: Annotated[float, typer.Option(min=1, help="Between two samples of each.")] = 60.0,
        seconds: Annotated[float, typer.Option(min=0, help="End after so long; 0: at Ctrl-C.")] = 0,
    ) -> None:
        """Join that many simulated satellites, send samples, and end every job at once.

        Their servers stay in the conductor's list: use a conductor whose data may go.
        """
        from conductor.cli.client import ApiError, Client
        from conductor.cli.fleet.simulation import Simulation
        from shared.protocol.frames import SUBPROTOCOL

        async def run() -> None:
            async with Client(url, api_key) as client:
                simulation = Simulation(
                    client, size, subprotocol="" if base else SUBPROTOCOL, sample_seconds=sample_seconds
                )
                await simulation.run(typer.echo, seconds)

        import aiohttp

        try:
            with contextlib.suppress(KeyboardInterrupt):
                asyncio.run(run())
        except (ApiError, aiohttp.ClientError, OSError) as error:
            typer.echo(f"opsorbit: {error}", err=True)
            raise typer.Exit(1) from None

    return app
