"""Checks of the Prefect API, of ports and of BentoML's store."""

from __future__ import annotations

import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from seodang.doctor.findings import Finding
from seodang.errors import ArtifactError
from seodang.i18n import _
from seodang.io.jsonl import read_json
from seodang.packaging.bento import get_store_folder
from seodang.paths import Paths
from seodang.release.fall import build_credentials

_PREFECT_URL: Final = "http://127.0.0.1:4200/api"  # of `make flows`
_FLOWS_PORT: Final = 4201  # from there on, where 4200 is taken
_SERVICE_PORT: Final = 3000  # of `seodang serve`
_NEAR_PORTS: Final = 20
_SECONDS: Final = 3.0  # for an answer


def check_prefect() -> Iterator[Finding]:
    """Check that the Prefect API answers: that of PREFECT_API_URL, else a local one."""
    url = os.environ.get("PREFECT_API_URL", "").rstrip("/")
    address = _remove_secrets(url or _PREFECT_URL)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(_build_request(f"{address}/health", has_key=bool(url)), timeout=_SECONDS) as response:
            is_prefect = response.read(16).strip() == b"true"
    except urllib.error.HTTPError as error:
        text = _("status {code} from {url}; check the URL and PREFECT_API_KEY", url=address, code=error.code)
        is_refused = error.code in (401, 403)
        command = "export PREFECT_API_KEY=KEY" if is_refused else _start_flows_elsewhere()
        yield Finding(_("Prefect API"), "error" if url else "warning", text, command)
    except (OSError, ValueError):
        if url:
            text = _("{url} does not answer, and PREFECT_API_URL names it", url=address)
            yield Finding(_("Prefect API"), "error", text, "unset PREFECT_API_URL && make flows")
        else:
            yield Finding(_("Prefect API"), "ok", _("no server runs here; `make flows` starts one"))
    else:
        if is_prefect:
            yield Finding(_("Prefect API"), "ok", address)
        else:
            text = _("another program answers at {url}", url=address)
            yield Finding(_("Prefect API"), "warning", text, _start_flows_elsewhere())


def _build_request(address: str, *, has_key: bool) -> urllib.request.Request:
    """Return a request; the key is for the server that PREFECT_API_URL names, and no other one gets it."""
    request = urllib.request.Request(address)
    for name, value in (build_credentials() if has_key else {}).items():
        request.add_unredirected_header(name, value)
    return request


def _start_flows_elsewhere() -> str:
    """Return the command that starts a server at a free port and lets this terminal use it."""
    port = _find_free_port(_FLOWS_PORT)
    return f"export PREFECT_API_URL=http://127.0.0.1:{port}/api && python -m flows.serve"


def _remove_secrets(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def check_ports() -> Iterator[Finding]:
    """Check that the port of the service is free, or that the service answers there or at one of the next ports."""
    if not _is_taken(_SERVICE_PORT):
        yield Finding(_("ports"), "ok", _("{port} is free for `seodang serve`", port=_SERVICE_PORT))
        return
    near = range(_SERVICE_PORT, _SERVICE_PORT + _NEAR_PORTS)
    if port := next((port for port in near if _is_taken(port) and _is_bentoml(port)), None):
        yield Finding(_("ports"), "ok", _("a BentoML service answers at {port}", port=port))
        return
    text = _("another program uses {port}", port=_SERVICE_PORT)
    yield Finding(_("ports"), "warning", text, f"seodang serve --port {_find_free_port(_SERVICE_PORT + 1)}")


def _find_free_port(first: int) -> int:
    """Return the first free port from there on, or the first one if all near it are taken."""
    return next((port for port in range(first, first + _NEAR_PORTS) if not _is_taken(port)), first)


def _is_taken(port: int) -> bool:
    with socket.socket() as connection:
        connection.settimeout(_SECONDS)
        return connection.connect_ex(("127.0.0.1", port)) == 0


def _is_bentoml(port: int) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/livez", timeout=_SECONDS):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 503  # it starts, or its engine has ended
    except (OSError, ValueError):
        return False


def check_store(paths: Paths) -> Iterator[Finding]:
    """Check that the model that was packaged last is in BentoML's store."""
    try:
        store = get_store_folder()
    except RuntimeError:  # no home folder: `check_workspace` reports it
        return
    try:
        tag = str(read_json(paths.package_report)["bento_tag"])
    except (ArtifactError, KeyError):
        yield Finding(_("BentoML store"), "ok", _("{folder}; no model is packaged yet", folder=store))
        return
    if _has_tag(store / "bentos", tag):
        yield Finding(_("BentoML store"), "ok", _("{tag} in {folder}", tag=tag, folder=store))
    else:
        text = _("{folder} lacks {tag}, which this project packaged", tag=tag, folder=store)
        yield Finding(_("BentoML store"), "warning", text, "dvc repro --force --single-item package")


def _has_tag(bentos: Path, tag: str) -> bool:
    name, _colon, version = tag.partition(":")
    return (bentos / name / version).is_dir()
