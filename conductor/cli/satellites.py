"""`opsorbit satellite …`: the fleet's credentials, and packages to install satellites from."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from conductor.cli.client import ApiError, Client

_URL = typer.Option("--url", envvar="OPSORBIT_URL", help="A conductor.")
_KEY = typer.Option("--api-key", envvar="OPSORBIT_API_KEY", help="Of an administrator.")


def commands() -> typer.Typer:
    app = typer.Typer(no_args_is_help=True, help="Satellites: who they are, their keys, their packages.")

    @app.command("list")
    def list_satellites(
        url: Annotated[str, _URL] = "http://localhost:5522", api_key: Annotated[str, _KEY] = ""
    ) -> None:
        """Every known satellite, how it joined, and its key."""
        _run(url, api_key, _listed)

    @app.command()
    def rotate(
        server: Annotated[str, typer.Argument(help="The server's ID.")],
        url: Annotated[str, _URL] = "http://localhost:5522",
        api_key: Annotated[str, _KEY] = "",
    ) -> None:
        """Give a satellite its next key, now or when it comes back."""
        _run(url, api_key, lambda client: _changed(client, "rotate_satellite_key", server, "has a new key"))

    @app.command()
    def revoke(
        server: Annotated[str, typer.Argument(help="The server's ID.")],
        url: Annotated[str, _URL] = "http://localhost:5522",
        api_key: Annotated[str, _KEY] = "",
    ) -> None:
        """Close a satellite's connection and take its key. It has to be enrolled anew to come back."""
        _run(url, api_key, lambda client: _changed(client, "revoke_satellite", server, "is revoked"))

    @app.command()
    def upgrade(
        server: Annotated[str, typer.Argument(help="The server's ID.")],
        url: Annotated[str, _URL] = "http://localhost:5522",
        api_key: Annotated[str, _KEY] = "",
    ) -> None:
        """Have a satellite install the conductor's release; its jobs go on."""
        _run(url, api_key, lambda client: _upgraded(client, server))

    @app.command()
    def package(
        folder: Annotated[Path, typer.Argument(help="Where to write it.")] = Path(),
    ) -> None:
        """Make the package that satellites on hosts like this one are installed from."""
        from conductor.cli.commands import version
        from conductor.packages import bundle

        target = folder / bundle.file_name(*bundle.host_platform())
        bundle.build(target, version())
        typer.echo(f"{target} ({target.stat().st_size / 1024**2:.1f} MB)")

    return app


def _run(url: str, api_key: str, work: Callable[[Client], Awaitable[None]]) -> None:
    async def connected() -> None:
        async with Client(url, api_key) as client:
            await work(client)

    import aiohttp

    try:
        asyncio.run(connected())
    except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
        typer.echo(f"opsorbit: {error}", err=True)
        raise typer.Exit(1) from None


async def _changed(client: Client, call: str, server: str, what: str) -> None:
    row = (await client.call(call, id=server))["satellite"]
    typer.echo(f"{row['id']} ({row['hostname']}) {what}, generation {row['generation']}")


async def _upgraded(client: Client, server: str) -> None:
    await client.call("upgrade_satellite", id=server)
    typer.echo(f"{server} upgrades itself; the activity log tells how it ends")


async def _listed(client: Client) -> None:
    rows = (await client.call("get_satellites"))["rows"]
    columns = ("ID", "HOST", "VERSION", "ONLINE", "JOINED BY", "KEY")
    table = [columns, *(_cells(row) for row in sorted(rows, key=lambda row: str(row["hostname"])))]
    widths = [max(len(row[at]) for row in table) for at in range(len(columns))]
    for cells in table:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip())


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    joined = ("proof" if row["proven"] else "token") if row["online"] else ""
    if row["revoked"]:
        key = f"revoked {_day(row['revoked'])}"
    elif row["rotated"]:
        waits = row["previous_until"] > time.time()
        key = f"{row['generation']}, rotated {_day(row['rotated'])}{', not used yet' if waits else ''}"
    else:
        key = str(row["generation"])
    online = "draining" if row.get("draining") else "yes" if row["online"] else "no"
    return (str(row["id"]), str(row["hostname"]), str(row["version"]), online, joined, key)


def _day(epoch: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(epoch))
