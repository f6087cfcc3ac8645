"""Results of a simulated fleet of the base protocol, over connections that do not last."""

import asyncio

from conductor.cli.fleet.delivery import Delivery
from tests.processes import eventually, free_port

_ANSWER = b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{"code":0}'


class Impatient:
    """Closes each connection that asks nothing at once, and answers only every second request of the others."""

    def __init__(self) -> None:
        self.answered: list[bytes] = []
        self._asked = 0

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(0.1):
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(1)
            self._asked += 1
            if self._asked % 2 == 0:
                self.answered.append(body)
                writer.write(_ANSWER if b"/api/app/finish_job" in head else b"")
                await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def test_a_result_waits_for_a_connection_and_is_sent_again() -> None:
    """Connections that the conductor had closed took every later result of the fleet with them."""
    server, port = Impatient(), free_port()
    delivery = Delivery(f"http://127.0.0.1:{port}")
    listening = await asyncio.start_server(server.take, "127.0.0.1", port)
    await delivery.open()
    await asyncio.sleep(0.3)  # longer than the server's patience
    listening.close()
    await listening.wait_closed()
    for number in range(3):
        delivery.post("/api/app/finish_job", b"%d" % number)
    await asyncio.sleep(0.1)
    assert server.answered == []
    async with await asyncio.start_server(server.take, "127.0.0.1", port):

        async def all_of_them() -> bool:
            return {b"0", b"1", b"2"} <= set(server.answered)

        await eventually(all_of_them, "every result was taken", 10)
        delivery.close()
    assert delivery.refused == 0
