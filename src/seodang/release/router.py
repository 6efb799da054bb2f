"""Split requests between two servers of a service by weight, with HAProxy; only a canary needs it.

HAProxy changes addresses and weights over its socket while requests run, counts responses by server, and sends a
request to the other server if a connection fails. A request that a server has received is never sent again, except a
rating (POST /feedback) of an answer of the other server.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from seodang.errors import ReleaseError
from seodang.i18n import _
from seodang.io.atomic import write_atomically

Role = Literal["reference", "candidate"]
ROLES: Final[tuple[Role, Role]] = ("reference", "candidate")
_PROGRAM: Final = "haproxy"
_CONFIG: Final = "haproxy.cfg"
_SOCKET: Final = "haproxy.sock"
_BACKEND: Final = "models"
_RATINGS: Final = "ratings"
_FULL_WEIGHT: Final = 256  # the largest one that HAProxy knows
_REPLY_SECONDS: Final = 5.0

# `random(1)` draws a server for each request anew, with nothing but the weights: the random assignment that the
# comparison of the servers relies on. Timeouts are those of the service, for long answers. A dead process is found by
# its refused connection; a busy one may take seconds for its check, and still answers. A rating belongs to the server
# that gave the answer: the other one does not know its id (404), and changes nothing.
_TEMPLATE: Final = """\
global
  stats socket unix@{socket} mode 600 level admin
  hard-stop-after 10m
defaults
  mode http
  timeout connect 5s
  timeout check 10s
  timeout client 600s
  timeout server 600s
  retries 3
  retry-on conn-failure
  option redispatch 1
frontend service
  bind {address}:{port}
  use_backend {ratings} if {{ path /feedback }}
  default_backend {backend}
backend {backend}
  balance random(1)
  option httpchk GET /readyz
  default-server check inter 1s fall 2 rise 1
  server reference 127.0.0.1:{reference} weight 256
  server candidate 127.0.0.1:{candidate} weight 0
backend {ratings}
  balance roundrobin
  option http-buffer-request
  retries 1
  retry-on conn-failure 404
  option redispatch 1
  server reference 127.0.0.1:{reference} track {backend}/reference
  server candidate 127.0.0.1:{candidate} track {backend}/candidate
"""


@dataclass(frozen=True, slots=True)
class ResponseCounts:
    """Responses of a server since the router started."""

    answered: int
    """Statuses from 200 to 399."""
    failed: int
    """Statuses from 500 on, connections that failed, and responses that broke off. Errors of clients do not count."""


@dataclass(frozen=True, slots=True)
class Router:
    """A running HAProxy, by the folder of its configuration and socket."""

    folder: Path

    def set_share(self, share: float) -> None:
        """Send a share of new requests to the candidate, and the others to the reference; running ones go on.

        Args:
            share: 0 to 1.

        Raises:
            ReleaseError: If the router does not answer.
        """
        weight = round(share * _FULL_WEIGHT)
        # the larger weight first, so that some server has one at any time
        changes = sorted([(_FULL_WEIGHT - weight, "reference"), (weight, "candidate")], reverse=True)
        for value, role in changes:
            self._send(f"set server {_BACKEND}/{role} weight {value}")

    def count_responses(self) -> dict[Role, ResponseCounts]:
        """Return the responses of both servers.

        Raises:
            ReleaseError: If the router does not answer.
        """
        rows = {row["svname"]: row for row in self._read_statistics()}
        return {role: _count_responses(rows[role]) for role in ROLES}

    def is_up(self, role: Role) -> bool:
        """Return whether the health checks of a server succeed.

        Raises:
            ReleaseError: If the router does not answer.
        """
        return any(row["svname"] == role and row["status"].startswith("UP") for row in self._read_statistics())

    def read_ports(self) -> dict[Role, int]:
        """Return the port of each server.

        Raises:
            ReleaseError: If the router does not answer.
        """
        rows = {row["svname"]: row for row in self._read_statistics()}
        return {role: int(rows[role]["addr"].rpartition(":")[2]) for role in ROLES}

    def read_public_port(self) -> int | None:
        """Return the port that clients connect to, from the configuration; None without one."""
        try:
            found = re.search(r"^  bind .*:(\d+)$", (self.folder / _CONFIG).read_text("utf-8"), re.MULTILINE)
        except OSError:
            return None
        return int(found[1]) if found else None

    def read_share(self) -> float:
        """Return the share of new requests that the candidate gets.

        Raises:
            ReleaseError: If the router does not answer.
        """
        return next(
            int(row["weight"]) / _FULL_WEIGHT for row in self._read_statistics() if row["svname"] == "candidate"
        )

    def set_port(self, role: Role, port: int) -> None:
        """Send new requests of a server to another port; running ones go on.

        Raises:
            ReleaseError: If the router does not answer.
        """
        for backend in (_BACKEND, _RATINGS):
            self._send(f"set server {backend}/{role} addr 127.0.0.1 port {port}", has_reply=True)

    def is_running(self) -> bool:
        """Return whether the router answers."""
        try:
            self.read_share()
        except ReleaseError:
            return False
        return True

    def _read_statistics(self) -> list[dict[str, str]]:
        text = self._send(f"show stat {_BACKEND} 4 -1").removeprefix("# ")
        return list(csv.DictReader(text.splitlines()))

    def _send(self, command: str, *, has_reply: bool = False) -> str:
        """Send a command over the socket and return the reply."""
        try:
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                    connection.settimeout(_REPLY_SECONDS)
                    # addresses of sockets are at most 107 bytes long; a folder's path may be longer
                    connection.connect(f"/proc/self/fd/{descriptor}/{_SOCKET}")
                    connection.sendall(f"{command}\n".encode())
                    reply = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
            finally:
                os.close(descriptor)
        except OSError as error:
            raise ReleaseError(
                _("the router of {folder} does not answer ({error}); is it running?", folder=self.folder, error=error)
            ) from error
        if not command.startswith("show") and not has_reply and reply.strip():
            raise ReleaseError(_("the router refuses {command!r}: {reply}", command=command, reply=reply.strip()))
        return reply


def write_config(folder: Path, *, address: str, port: int, reference: int, candidate: int) -> Path:
    """Write the configuration of a router that sends everything to the reference.

    Args:
        folder: For configuration and socket.
        address: That clients connect to.
        port: That clients connect to.
        reference: Port of its server on this machine.
        candidate: Port of its server on this machine; nothing needs to listen there yet.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / _CONFIG
    text = _TEMPLATE.format(
        socket=_SOCKET,
        address=address,
        port=port,
        reference=reference,
        candidate=candidate,
        backend=_BACKEND,
        ratings=_RATINGS,
    )
    write_atomically(file, [text])
    return file


def find_program() -> str:
    """Return the path of HAProxy.

    Raises:
        ReleaseError: If it is not installed.
    """
    program = shutil.which(_PROGRAM)
    if program is None:
        raise ReleaseError(_("a canary needs HAProxy: apt-get install haproxy"))
    return program


def _count_responses(row: dict[str, str]) -> ResponseCounts:
    def add(*names: str) -> int:
        return sum(int(row[name] or 0) for name in names)

    return ResponseCounts(answered=add("hrsp_2xx", "hrsp_3xx"), failed=add("hrsp_5xx", "econ", "eresp"))
