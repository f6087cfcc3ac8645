"""Documents that other servers publish, fetched within the air gap's rules."""

from conductor.errors import Refusal
from conductor.outbound.http import HttpClient, HttpFailed


class Publications:
    """Fills `conductor.administration.ports.Web`."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def get(self, url: str, /, *, most: int, timeout: float) -> bytes:
        """The body of a 2xx answer of at most `most` bytes. Raises Refusal (`internal`) for anything else."""
        try:
            answer = await self._client.request("GET", url, timeout=timeout, follow=True, limit=most)
        except HttpFailed as failure:
            raise Refusal("internal", str(failure)) from None
        if not answer.ok:
            raise Refusal("internal", f"HTTP {answer.status} {answer.reason}".rstrip())
        if answer.truncated:
            raise Refusal("internal", f"The answer is longer than {most} bytes")
        return answer.body
