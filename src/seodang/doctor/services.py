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

_PREFECT_URL: Final = "http://127.0.0.1:4200/api"  # of `make flows`
_SERVICE_PORT: Final = 3000  # of `seodang serve`
_SECONDS: Final = 3.0  # for an answer


def check_prefect() -> Iterator[Finding]:
    """Check that the Prefect API answers: that of PREFECT_API_URL, else a local one."""
    url = os.environ.get("PREFECT_API_URL", "").rstrip("/")
    address = _remove_secrets(url or _PREFECT_URL)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{address}/health", timeout=_SECONDS) as response:
            is_prefect = response.read(16).strip() == b"true"
    except urllib.error.HTTPError as error:
        text = _("status {code} from {url}; check the URL and PREFECT_API_KEY", url=address, code=error.code)
        yield Finding(_("Prefect API"), "error" if url else "warning", text, "echo $PREFECT_API_URL")
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
            yield Finding(_("Prefect API"), "warning", text, "python -m flows.serve --port 4201")


def _remove_secrets(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


def check_ports() -> Iterator[Finding]:
    """Check that the port of the service is free, or that the service answers there."""
    if not _is_taken(_SERVICE_PORT):
        yield Finding(_("ports"), "ok", _("{port} is free for `seodang serve`", port=_SERVICE_PORT))
    elif _is_bentoml(_SERVICE_PORT):
        yield Finding(_("ports"), "ok", _("a BentoML service answers at {port}", port=_SERVICE_PORT))
    else:
        text = _("another program uses {port}", port=_SERVICE_PORT)
        yield Finding(_("ports"), "warning", text, f"seodang serve --port {_SERVICE_PORT + 1}")


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
