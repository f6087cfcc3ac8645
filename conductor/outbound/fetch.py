"""Documents that others publish, fetched through the guarded client: the catalogue of plugins, releases."""

from conductor.errors import Refusal
from conductor.outbound.http import HttpClient, HttpFailed


class Fetch:
    """The port `administration.ports.Web`."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def get(self, url: str, /, *, most: int, timeout: float) -> bytes:
        """The body of a 2xx answer of at most `most` bytes, after redirects. Raises Refusal `internal`."""
        try:
            answer = await self._client.request("GET", url, timeout=timeout, follow=True, limit=most)
        except HttpFailed as error:
            raise Refusal("internal", str(error)) from None
        if not answer.ok:
            raise Refusal("internal", f"HTTP {answer.status} {answer.reason}".strip())
        if answer.truncated:
            raise Refusal("internal", f"the answer is larger than {most} bytes")
        return answer.body
