"""Let a listening socket take no new connections, while those that wait in it can still be accepted.

A packet filter of the kernel (Linux, socket(7), SO_ATTACH_FILTER) drops the packet with which a connection begins. The
client sends it again after a second, and is refused then, if the socket has been closed meanwhile.
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
import struct
import sys
from typing import Final

_SO_ATTACH_FILTER: Final = 26
# Of the TCP header (RFC 9293, 3.1), the byte with the flags, and SYN without ACK, which begins a connection.
_FLAGS: Final = 13
_SYN_AND_ACK: Final = 0x12
_SYN: Final = 0x02
_WHOLE: Final = 0xFFFFFFFF
_PROGRAM: Final = (  # code, jump if true, jump if false, value: linux/filter.h and linux/bpf_common.h
    (0x30, 0, 0, _FLAGS),  # load the byte at this place
    (0x54, 0, 0, _SYN_AND_ACK),  # and
    (0x15, 0, 1, _SYN),  # if equal, go on with the next line, else with the one after it
    (0x06, 0, 0, 0),  # drop the packet
    (0x06, 0, 0, _WHOLE),  # take the packet
)


def drop_new_connections(listener: socket.socket) -> None:
    """Drop what begins a connection to a listening TCP socket; elsewhere than on Linux do nothing."""
    if sys.platform != "linux" or listener.family not in (socket.AF_INET, socket.AF_INET6):
        return
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in _PROGRAM))
    program = struct.pack("@HP", len(_PROGRAM), ctypes.addressof(code))
    with contextlib.suppress(OSError):  # a sandbox without packet filters: a client may get a reset, as without this
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
