"""A packaged model under uvicorn, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_START_SECONDS = 180


def serve(folder: str, port: str) -> None:
    """Serve a packaged model on loopback until the process ends."""
    import uvicorn

    from seodang.service.model.loading import load_context
    from seodang.service.web_app import create_app

    context = load_context(Path(folder), f"{Path(folder).name}:served")
    uvicorn.run(create_app(context), host="127.0.0.1", port=int(port), log_level="warning")


@contextmanager
def run_server(folder: Path, port: int) -> Iterator[str]:
    """Serve a packaged model; the URL is that of the server."""
    url = f"http://127.0.0.1:{port}"
    code = "import sys, served_process; served_process.serve(*sys.argv[1:])"
    here = Path(__file__).resolve().parent
    environment = {name: value for name, value in os.environ.items() if name != "SEODANG_API_KEYS"}
    environment["PYTHONPATH"] = os.pathsep.join([str(here), str(here.parent / "src")])
    process = subprocess.Popen([sys.executable, "-c", code, str(folder), str(port)], env=environment)
    try:
        _wait_until_ready(f"{url}/readyz", process)
        yield url
    finally:
        process.terminate()
        process.wait()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise SystemExit("the server does not start")
