"""`make flows`: serve a deployment `local` of each flow, and start a Prefect server if none runs.

`flow.serve` needs neither a work pool nor a worker, and Ctrl-C ends it. To run on other machines, use the work pools of
prefect.yaml. The server keeps its state in .seodang/prefect of the project, separate from the user's Prefect profile.
Prefect reads its settings when it is imported, so another process imports it: flows/serving.py.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from flows.process_guard import guard_process
from flows.settings import RUN, SERVER
from seodang.cli.streams import prepare_streams
from seodang.errors import SeodangError
from seodang.i18n import _
from seodang.io.os_errors import describe_os_error

_DEFAULT_PORT = 4200
_LAST_PORT = 65535
_START_SECONDS = 300  # the first start creates a database: 10 s, or minutes on a busy machine
_LOOPBACK = ("127.0.0.1", "localhost")


class ServerUnavailable(SeodangError):
    """No Prefect server is available, and none can be started."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the deployment until Ctrl-C and return the exit code."""
    prepare_streams()
    options = _build_parser().parse_args(arguments)
    project = options.project.resolve()
    try:
        url = resolve_api_url(options.port)
        if not (project / "dvc.yaml").is_file():
            raise SeodangError(
                _("{project} has no dvc.yaml; pass the folder of the project: --project FOLDER", project=project)
            )
        home = project / ".seodang" / "prefect"
        _configure(url, home)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with _ensure_server(url, home) as server:
            _serve_deployments(url, project, server)
    except SeodangError as error:
        print(f"seodang: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if (reason := describe_os_error(error)) is None:
            raise
        print(f"seodang: {reason}", file=sys.stderr)
        return SeodangError.exit_code
    except KeyboardInterrupt:
        pass
    print("\n" + _("Stopped."), flush=True)
    return 0


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m flows.serve", description=_("Serve a deployment of each flow."))
    parser.add_argument("--port", type=int, help=_("Port of a local server; it takes precedence over PREFECT_API_URL."))
    parser.add_argument("--project", type=Path, default=Path(__file__).parent.parent, help=_("Folder with dvc.yaml."))
    return parser


def resolve_api_url(port: int | None) -> str:
    """Return the URL of the API: at the given port, else PREFECT_API_URL, else Prefect's default.

    Raises:
        ServerUnavailable: If there is no such port.
    """
    if port is not None and not 1 <= port <= _LAST_PORT:
        raise ServerUnavailable(
            _("port {port} does not exist; choose one from 1 to 65535: python -m flows.serve --port 4201", port=port)
        )
    if port is None and os.environ.get("PREFECT_API_URL"):
        return os.environ["PREFECT_API_URL"].rstrip("/")
    return f"http://127.0.0.1:{port or _DEFAULT_PORT}/api"


def _configure(url: str, home: Path) -> None:
    """Set the server for this process and its children, and turn telemetry off."""
    home.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        PREFECT_API_URL=url,
        PREFECT_HOME=str(home),
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
        PREFECT_SERVER_LOGS_STREAM_PUBLISHING_ENABLED="true",  # so that --watch shows the output of stages
        PREFECT_SERVER_LOGS_STREAM_OUT_ENABLED="true",
        DO_NOT_TRACK="1",
    )
    for name, value in {**SERVER, **RUN}.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault("PREFECT_RUNNER_POLL_FREQUENCY", "2")  # seconds between looks for new runs
    os.environ.pop("PREFECT_PROFILE", None)  # that profile exists in the user's home, not in this one


def probe(url: str) -> Literal["prefect", "nothing", "something else"]:
    """Return what kind of server answers at the URL of an API."""
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}) if _is_local(url) else urllib.request.ProxyHandler()
    )
    try:
        with opener.open(f"{url}/health", timeout=5) as response:
            return "prefect" if json.load(response) is True else "something else"
    except urllib.error.HTTPError:
        return "something else"
    except urllib.error.URLError as error:
        return "nothing" if isinstance(error.reason, ConnectionRefusedError) else "something else"
    except (OSError, ValueError):
        return "something else"


def _is_local(url: str) -> bool:
    return urlsplit(url).hostname in _LOOPBACK


@contextlib.contextmanager
def _ensure_server(url: str, home: Path) -> Iterator[subprocess.Popen[str] | None]:
    """Use the Prefect server at `url`; if none runs there, start one for the duration of the block and yield it.

    Raises:
        ServerUnavailable: If another program uses the port, or the server does not start.
    """
    server_kind = probe(url)
    if server_kind == "prefect":
        print(_("Using the Prefect server at {url}", url=url), flush=True)
        yield None
        return
    if not _is_local(url):
        raise ServerUnavailable(
            _(
                "no Prefect server answers at {url} (PREFECT_API_URL); start it, or unset PREFECT_API_URL to use a local one",
                url=url,
            )
        )
    if server_kind == "something else":
        raise ServerUnavailable(
            _(
                "another program uses {origin}; choose another port: python -m flows.serve --port 4201",
                origin=_get_origin(url),
            )
        )
    with _start_server(url, home) as server:
        yield server


@contextlib.contextmanager
def _start_server(url: str, home: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a Prefect server for the duration of the block and yield it; the block starts when the server answers."""
    log = home / "server.log"
    port = urlsplit(url).port or 80
    arguments = f"-m prefect server start --host 127.0.0.1 --port {port}"
    with (
        log.open("w", encoding="utf-8") as output,
        guard_process([sys.executable, *arguments.split()], cwd=home, env=os.environ, output=output) as process,
    ):
        print(_("Starting a Prefect server (log: {log}) ...", log=log), flush=True)
        deadline = time.monotonic() + _START_SECONDS
        while probe(url) != "prefect":
            if process.poll() is not None or time.monotonic() > deadline:
                raise ServerUnavailable(
                    _("the Prefect server did not start; {log} ends with:\n{tail}", log=log, tail=_read_tail(log))
                )
            time.sleep(0.5)
        yield process


def _read_tail(log: Path) -> str:
    return "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-10:])


def _serve_deployments(url: str, project: Path, server: subprocess.Popen[str] | None) -> None:
    """Serve a deployment of each flow until this process receives a signal.

    The process that serves is another one: with a run at work, or without its server, it would not end at a signal.

    Raises:
        ServerUnavailable: If the server or the process that serves has ended.
    """
    print(_format_instructions(url), flush=True)
    command = [sys.executable, "-m", "flows.serving", str(project), *(["new-server"] if server else [])]
    with guard_process(command, cwd=Path.cwd(), env=os.environ, output=sys.stdout) as serving:
        while serving.poll() is None:
            if server is not None and server.poll() is not None:
                raise ServerUnavailable(_("the Prefect server has ended; start again: make flows"))
            time.sleep(0.5)
    raise ServerUnavailable(_("serving has ended with code {code}; start again: make flows", code=serving.returncode))


def _format_instructions(url: str) -> str:
    """Return the URL of the UI and the command that starts a run from another terminal."""
    prefect = Path(sys.executable).parent / "prefect"
    command = (
        f"PREFECT_API_URL={url} {shlex.quote(_shorten_path(prefect))} deployment run 'instruction-tuning/local' --watch"
    )
    return _(
        "\nUI:  {origin}\n\nRun in another terminal:\n\n    {command}\n\nCtrl-C stops the server.\n",
        origin=_get_origin(url),
        command=command,
    )


def _shorten_path(path: Path) -> str:
    """Return the path relative to the working folder, if it is inside."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _get_origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


if __name__ == "__main__":
    sys.exit(main())
