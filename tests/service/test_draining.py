"""Connections that come while the service closes its socket. Run: pytest tests/service/test_draining.py"""

from __future__ import annotations

import asyncio
import time

import pytest
import uvicorn

from seodang.service.context import ServiceContext
from seodang.service.http.protocol import BoundedProtocol
from seodang.service.lifecycle.draining import Drain

BEGIN, REST = b"GET / HTTP/1.1\r\nHost: a\r\n", b"Connection: close\r\n\r\n"


async def answer(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


async def start_server() -> tuple[uvicorn.Server, asyncio.Task[None]]:
    config = uvicorn.Config(answer, port=0, http=BoundedProtocol, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    return server, task


async def stop(drain: Drain, server: uvicorn.Server) -> None:
    await drain.stop_listening()
    server.should_exit = True


async def ask_at_the_close(first: bytes, *, stalls: float) -> bytes:
    """Connect, send a part of a request, let the server stop to listen, and send the rest after it has closed."""
    server, task = await start_server()
    drain = Drain(ServiceContext(None, None), server, 1)
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(first)
    stopping = asyncio.create_task(stop(drain, server))
    if stalls:
        asyncio.get_running_loop().call_soon(time.sleep, stalls)
    while server.servers[0].sockets:
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.15)
    writer.write((BEGIN + REST).removeprefix(first))
    await stopping
    read = await reader.read()
    writer.close()
    await task
    return read


@pytest.mark.parametrize("first", [b"", BEGIN], ids=["nothing yet", "half a header"])
@pytest.mark.parametrize("stalls", [0.0, 0.3], ids=["at once", "after a stall of the event loop"])
def test_a_connection_that_came_just_before_the_close_gets_its_answer(first, stalls):
    assert asyncio.run(ask_at_the_close(first, stalls=stalls)).startswith(b"HTTP/1.1 200 OK")
