"""A socket that takes no new connections before it closes. Run: pytest tests/service/test_connection_filter.py"""

from __future__ import annotations

import socket
import sys

import pytest

from seodang.service.lifecycle.connection_filter import drop_new_connections

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="packet filters of sockets are Linux's")


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_connection_that_waits_is_accepted_and_a_new_one_is_refused_after_the_close(family, host):
    try:
        listener = socket.create_server((host, 0), family=family)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with listener:
        address = listener.getsockname()[:2]
        with socket.create_connection(address) as waiting:
            drop_new_connections(listener)
            listener.accept()[0].close()
            assert waiting.recv(1) == b""  # the end, and no reset
            with pytest.raises(TimeoutError):
                socket.create_connection(address, timeout=0.3)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)


def test_an_accepted_connection_still_carries_bytes_both_ways():
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        drop_new_connections(listener)
        with listener.accept()[0] as server:
            client.sendall(b"question")
            assert server.recv(8) == b"question"
            server.sendall(b"answer")
            assert client.recv(6) == b"answer"
