"""`opsorbit workflow …`: a workflow's graph, drawn."""

import asyncio
import sys
from typing import Annotated, Any

import typer

from conductor.cli.client import ApiError, Client
from conductor.workflows.mermaid import flowchart

Url = Annotated[str, typer.Option(envvar="OPSORBIT_URL", help="The conductor.")]
ApiKey = Annotated[str, typer.Option(envvar="OPSORBIT_API_KEY", help="Who asks.")]


def commands() -> typer.Typer:
    app = typer.Typer(help="Workflows.", no_args_is_help=True)

    @app.command()
    def graph(
        id: Annotated[str, typer.Argument(help="An event of type workflow, or a workflow job.")],
        url: Url = "http://localhost:5522",
        api_key: ApiKey = "",
    ) -> None:
        """Print the graph as a Mermaid flowchart; of a job with what has become of each node."""
        try:
            typer.echo(asyncio.run(_chart(id, url, api_key)), nl=False)
        except (ApiError, OSError, LookupError) as error:
            typer.echo(f"opsorbit: {error}", err=True)
            sys.exit(1)

    @app.callback()
    def _group() -> None:
        """Workflows."""

    return app


async def _chart(id: str, url: str, api_key: str) -> str:
    async with Client(url, api_key) as client:
        titles = {
            str(one["id"]): str(one["title"])
            for kind in ("events", "plugins")
            for one in (await client.call(f"get_{kind}"))["rows"]
        }
        workflow = await _workflow(client, id)
    return flowchart(workflow, titles=titles, state=workflow.get("state"))


async def _workflow(client: Client, id: str) -> dict[str, Any]:
    """The graph of the event or job with this ID. Raises LookupError when it has none, ApiError."""
    try:
        found = (await client.call("get_event", id=id))["event"]
    except ApiError as error:
        if error.code != "notfound":
            raise
        found = (await client.call("get_job", id=id))["job"]
    workflow: dict[str, Any] = found.get("workflow") or {}
    if "nodes" not in workflow:
        raise LookupError(f"{id} is no workflow")
    return workflow
