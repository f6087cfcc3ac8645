"""`opsorbit events verify`: whether the causal event log is what was written."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from conductor.audit.event_log import EventLog
from conductor.errors import Refusal
from conductor.records.store import Records, SchemaError
from conductor.settings import SettingsError
from conductor.settings_reading import load


def commands() -> typer.Typer:
    app = typer.Typer(help="The causal event log.", no_args_is_help=True)

    @app.command()
    def verify(
        data_dir: Annotated[
            Path, typer.Option(help="The conductor's data directory; it may be running.")
        ] = Path("opsorbit-data"),
        config: Annotated[Path | None, typer.Option(help="Its settings, TOML or JSON.")] = None,
    ) -> None:
        """Check the chain of hashes; name the first event that is not what was written, and exit with 1."""
        try:
            intact, text = asyncio.run(verdict(data_dir.resolve(), config))
        except (SettingsError, SchemaError, Refusal, OSError) as error:
            typer.echo(f"opsorbit: {error}", err=True)
            raise typer.Exit(2) from None
        typer.echo(text, err=not intact)
        raise typer.Exit(0 if intact else 1)

    @app.callback()
    def _group() -> None:
        """The causal event log."""

    return app


async def verdict(data_dir: Path, config: Path | None) -> tuple[bool, str]:
    """Whether the chain is intact, and what to tell the operator."""
    settings = load(config)
    path = data_dir / "opsorbit.db"
    if not settings.database_url and not path.exists():
        raise OSError(f"There is no database in {data_dir}")
    records = await Records.open(settings.database_url or f"sqlite:///{path}", readers=1)
    try:
        log = EventLog(records)
        count, first = await log.verify()
        if first is None:
            return True, f"{count} events are as they were written."
        event = await log.numbered(first.seq)
        which = f" ({event.event_type}, {event.id}, {event.occurred_at})" if event else ""
        return (
            False,
            f"Broken at event {first.seq}{which}: {first.reason}. {count} events before it are intact.",
        )
    finally:
        await records.close()
