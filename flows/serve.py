"""`make flows`: a local Prefect server, unless one answers already, and the deployment instruction-tuning/local.

One mechanism: `flow.serve`. It needs neither a work pool nor a worker, and ends with Ctrl-C; prefect.yaml
is the way to work pools, for when runs should happen elsewhere. The server's state lies in the project
(.seodang/prefect), apart from a Prefect of the user's own. Prefect reads its settings when it is imported,
so nothing here imports it before they are set.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from flows.process_guard import guard_process
from seodang.errors import SeodangError

_DEFAULT_PORT = 4200
_START_SECONDS = 300  # a first start creates its database: 10 s, or minutes on a busy machine
_LOOPBACK = ("127.0.0.1", "localhost")


class ServerUnavailable(SeodangError):
    """There is no Prefect server to work with, and none can be started."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the deployment until Ctrl-C and return the exit code."""
    options = _build_parser().parse_args(arguments)
    project = options.project.resolve()
    url = _resolve_api_url(options.port)
    try:
        if not (project / "dvc.yaml").is_file():
            raise SeodangError(f"{project} has no dvc.yaml; name the project's folder: --project FOLDER")
        home = project / ".seodang" / "prefect"
        _configure(url, home)
        with _ensure_server(url, home):
            _serve_deployment(url, project)
    except SeodangError as error:
        print(f"seodang: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        pass
    print("\n멈췄습니다 · Stopped.", flush=True)
    return 0


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m flows.serve", description="Serve instruction-tuning/local. / 배포를 제공합니다."
    )
    parser.add_argument(
        "--port", type=int, help="of a local server, instead of the one in PREFECT_API_URL / 로컬 서버의 포트"
    )
    parser.add_argument(
        "--project", type=Path, default=Path(__file__).parent.parent, help="folder with dvc.yaml / dvc.yaml이 있는 폴더"
    )
    return parser


def _resolve_api_url(port: int | None) -> str:
    """Return the address of the API: the port's, else the environment's, else Prefect's usual one."""
    if port is None and os.environ.get("PREFECT_API_URL"):
        return os.environ["PREFECT_API_URL"].rstrip("/")
    return f"http://127.0.0.1:{port or _DEFAULT_PORT}/api"


def _configure(url: str, home: Path) -> None:
    """Point this process and its children at the server; nothing is reported to Prefect's makers."""
    home.mkdir(parents=True, exist_ok=True)
    os.environ.update(
        PREFECT_API_URL=url,
        PREFECT_HOME=str(home),
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
        PREFECT_SERVER_LOGS_STREAM_PUBLISHING_ENABLED="true",  # so that --watch shows the stages' lines
        PREFECT_SERVER_LOGS_STREAM_OUT_ENABLED="true",
        DO_NOT_TRACK="1",
    )
    os.environ.setdefault("PREFECT_RUNNER_POLL_FREQUENCY", "2")  # seconds; a run starts soon after it is asked for
    os.environ.pop("PREFECT_PROFILE", None)  # it names a profile of the user's home, which this home lacks


def probe(url: str) -> Literal["prefect", "nothing", "something else"]:
    """Return what answers at the address of an API."""
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
def _ensure_server(url: str, home: Path) -> Iterator[None]:
    """Have a Prefect server answer at `url`: the one that runs there, else one for the time of the block.

    Raises ServerUnavailable if something else answers there, or the server doesn't start.
    """
    server_kind = probe(url)
    if server_kind == "prefect":
        print(f"실행 중인 Prefect 서버를 씁니다 · Using the Prefect server at {url}", flush=True)
        yield
        return
    if not _is_local(url):
        raise ServerUnavailable(
            f"no Prefect server answers at {url} (PREFECT_API_URL); start it, or unset PREFECT_API_URL for a local one"
        )
    if server_kind == "something else":
        raise ServerUnavailable(
            f"{_get_origin(url)} is taken by something that is not a Prefect server; choose another port: python -m flows.serve --port 4201"
        )
    log = home / "server.log"
    command = [
        sys.executable,
        "-m",
        "prefect",
        "server",
        "start",
        "--host",
        "127.0.0.1",
        "--port",
        str(urlsplit(url).port or 80),
    ]
    with (
        log.open("w", encoding="utf-8") as output,
        guard_process(command, cwd=home, env=os.environ, output=output) as process,
    ):
        print(f"Prefect 서버를 시작합니다 · Starting a Prefect server (log: {log}) ...", flush=True)
        deadline = time.monotonic() + _START_SECONDS
        while probe(url) != "prefect":
            if process.poll() is not None or time.monotonic() > deadline:
                raise ServerUnavailable(f"the Prefect server did not start; {log} ends with:\n{_read_tail(log)}")
            time.sleep(0.5)
        yield


def _read_tail(log: Path) -> str:
    return "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-10:])


def _serve_deployment(url: str, project: Path) -> None:
    """Serve the deployment until this process is told to stop."""
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy

    from flows.instruction_tuning import instruction_tuning

    print(_format_instructions(url), flush=True)
    instruction_tuning.serve(
        name="local",
        parameters={"project": str(project)},
        tags=["seodang"],
        # Two runs in one working tree would race for its files: the second waits.
        global_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE),
        print_starting_message=False,
    )


def _format_instructions(url: str) -> str:
    """Return what to open and what to type; the other terminal needs the address and this environment."""
    prefect = Path(sys.executable).parent / "prefect"
    command = (
        f"PREFECT_API_URL={url} {shlex.quote(_shorten_path(prefect))} deployment run 'instruction-tuning/local' --watch"
    )
    return f"""
화면 · UI:  {_get_origin(url)}

다른 터미널에서 실행하세요 · Run in another terminal:

    {command}

Ctrl-C로 멈춥니다 · Ctrl-C stops it.
"""


def _shorten_path(path: Path) -> str:
    """Return the path from here, if it lies below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _get_origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


if __name__ == "__main__":
    sys.exit(main())
