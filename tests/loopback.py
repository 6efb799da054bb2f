"""Small real servers on free loopback ports, for tests of what is fetched."""

from __future__ import annotations

import json
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


@dataclass
class Site:
    """Files of a server, its next failures, and the requests it received."""

    files: dict[str, bytes] = field(default_factory=dict)
    failures: list[int | str] = field(
        default_factory=list
    )  # of the next answers: a status; "cut": half of the body; "drop": no answer
    ranges: bool = True
    requests: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, Range
    authorization: list[str] = field(default_factory=list)
    url: str = ""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # a client that goes away is what some tests are about
            super().handle_error(request, client_address)


@contextmanager
def serving(
    site: Site, answering: type[BaseHTTPRequestHandler] | None = None, context: ssl.SSLContext | None = None
) -> Iterator[Site]:
    server = _Server(("127.0.0.1", 0), answering or _handler(site))
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    site.url = f"{'https' if context else 'http'}://127.0.0.1:{server.server_address[1]}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def give(self, status: int, body: bytes, headers: dict[str, str] | None = None, *, sent: int | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body[:sent])
        if sent is not None:
            self.close_connection = True


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(_Quiet):
        def do_GET(self) -> None:
            byte_range = self.headers.get("Range", "")
            site.requests.append((self.command, self.path, byte_range))
            site.authorization.append(self.headers.get("Authorization", ""))
            failure = site.failures.pop(0) if site.failures else None
            path = urlsplit(self.path).path
            if failure == "drop":
                self.close_connection = True
                return
            if isinstance(failure, int):
                self.give(failure, b"no")
                return
            body = site.files.get(path)
            if body is None:
                self.give(404, b"not here")
                return
            start = int(byte_range.removeprefix("bytes=").rstrip("-")) if byte_range and site.ranges else 0
            if byte_range and site.ranges and start >= len(body):
                self.give(416, b"", {"Content-Range": f"bytes */{len(body)}"})
                return
            rest = body[start:]
            headers = {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if start else {}
            self.give(206 if start else 200, rest, headers, sent=len(rest) // 2 if failure == "cut" else None)

    return Handler


@dataclass
class Dataset:
    """One dataset of a hub: branches, and the files of each commit."""

    name: str
    commits: dict[str, dict[str, bytes]]
    branches: dict[str, str]
    private: bool = False


@contextmanager
def hub(dataset: Dataset, token: str = "hf_loopback") -> Iterator[Site]:
    """Serve the part of the Hugging Face hub's API that fetching a dataset asks for."""
    site = Site()

    class Handler(_Quiet):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            site.requests.append((self.command, self.path, ""))
            parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
            if dataset.private and self.headers.get("Authorization") != f"Bearer {token}":
                self.give(401, b"{}", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
                return
            if parts[:2] == ["api", "datasets"] and "/".join(parts[2:4]) == dataset.name:
                self._about(parts[4], parts[5])
            elif parts[0] == "datasets" and "/".join(parts[1:3]) == dataset.name and parts[3] == "resolve":
                commit, body = parts[4], dataset.commits[parts[4]].get("/".join(parts[5:]))
                if body is None:
                    self.give(404, b"", {"X-Error-Code": "EntryNotFound"})
                else:
                    self.give(200, body, {"ETag": f'"{hash(body):x}"', "X-Repo-Commit": commit})
            else:
                self.give(404, b"{}", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})

        def _about(self, kind: str, revision: str) -> None:
            commit = dataset.branches.get(revision, revision)
            if commit not in dataset.commits:
                self.give(404, b"{}", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"})
                return
            files = dataset.commits[commit]
            tree = [
                {"type": "file", "path": path, "size": len(body), "oid": f"{hash(body):x}"}
                for path, body in files.items()
            ]
            about = {"id": dataset.name, "sha": commit, "siblings": [{"rfilename": path} for path in files]}
            self.give(200, json.dumps(tree if kind == "tree" else about).encode(), {"Content-Type": "application/json"})

    with serving(site, Handler):
        yield site
