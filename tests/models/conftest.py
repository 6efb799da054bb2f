"""Fixtures of the tests of room `models`: a hub with one model, and a checkpoint in several files."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from tests.fixtures.servers import QuietHandler, Site, serve

from seodang.models.loading import load_model


class ModelHub:
    """One model of a hub at one commit, and how its next answers fail."""

    commit = "ab" * 20

    def __init__(self, folder: Path) -> None:
        self.files = {file.name: file.read_bytes() for file in folder.iterdir()}
        self.site = Site()
        self.error: tuple[int, str] | None = None
        self.cut_after: int | None = None  # bytes of the weights, then the connection ends
        self.announced: dict[str, int] = {}
        self.stall_after: int | None = None  # bytes of the weights, then nothing more comes
        self.stalled = threading.Event()

    def build_handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(QuietHandler):
            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                byte_range = self.headers.get("Range", "")
                hub.site.requests.append((self.command, self.path, byte_range))
                hub.site.authorization.append(self.headers.get("Authorization", ""))
                parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
                if hub.error:
                    self.reply(hub.error[0], b"{}", {"X-Error-Code": hub.error[1]} if hub.error[1] else {})
                elif parts[:5] == ["api", "models", "someone", "tiny", "tree"]:
                    self.reply(200, json.dumps(hub.list_files()).encode(), {"Content-Type": "application/json"})
                else:
                    self._reply_with_file(parts[-1], byte_range)

            def _reply_with_file(self, name: str, byte_range: str) -> None:
                body, is_weights = hub.files[name], self.command == "GET" and name.endswith(".safetensors")
                start = int(byte_range.removeprefix("bytes=").partition("-")[0]) if byte_range else 0
                headers = {
                    "ETag": f'"{hashlib.sha1(body).hexdigest()}"',
                    "X-Repo-Commit": hub.commit,
                    "Accept-Ranges": "bytes",
                }
                cut, hub.cut_after = (hub.cut_after, None) if is_weights else (None, hub.cut_after)
                if is_weights and hub.stall_after is not None:
                    self._stall(body[: hub.stall_after], len(body), headers)
                    return
                self.reply(
                    206 if start else 200,
                    body[start:],
                    headers | ({"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"} if start else {}),
                    sent=cut,
                )

            def _stall(self, body: bytes, length: int, headers: dict[str, str]) -> None:
                self.send_response(200)
                for name, value in {"Content-Length": str(length), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
                hub.stalled.set()
                self.connection.settimeout(60)
                self.rfile.read(1)  # until the client has gone
                self.close_connection = True

        return Handler

    def list_files(self) -> list[dict[str, Any]]:
        entries = []
        for name, body in self.files.items():
            size = self.announced.get(name, len(body))
            large = (
                {"lfs": {"oid": hashlib.sha256(body).hexdigest(), "size": size, "pointerSize": 130}}
                if name.endswith((".safetensors", ".bin"))
                else {}
            )
            entries.append({"type": "file", "path": name, "size": size, "oid": hashlib.sha1(body).hexdigest(), **large})
        return [*entries, {"type": "directory", "path": "original", "oid": "0" * 40}]

    def list_fetched(self) -> list[str]:
        return [
            path.rpartition("/")[2] for method, path, _ in self.site.requests if method == "GET" and "/resolve/" in path
        ]


@pytest.fixture
def hub(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    """A server with the tiny model and files that must not be fetched; HF_ENDPOINT has its address."""
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    model = ModelHub(tiny_model)
    model.files |= {
        "README.md": b"---\n",
        "pytorch_model.bin": b"pickle",
        "modeling_own.py": b"raise SystemExit",
        "consolidated.safetensors": b"the same again",
    }
    with serve(model.site, model.build_handler()) as site:
        monkeypatch.setenv("HF_ENDPOINT", site.url)
        yield model


@pytest.fixture(scope="session")
def split_into_shards() -> Callable[[Path], Path]:
    """Saves the model of a folder again, with several weight files, and returns the folder."""

    def split_into_shards(folder: Path) -> Path:
        model = load_model(folder, "fp32", "cpu")
        (folder / "model.safetensors").unlink()
        model.save_pretrained(folder, max_shard_size="60KB")
        assert len(list(folder.glob("model-*-of-*.safetensors"))) > 2
        return folder

    return split_into_shards
