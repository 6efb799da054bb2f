"""`seodang serve`: serve the champion, or the model that was packaged last."""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from seodang.cli.terminal import print_lines
from seodang.errors import SeodangError
from seodang.i18n import _
from seodang.paths import Paths

_HOST = "127.0.0.1"


def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help=_("Port on 127.0.0.1."))] = 3000,
    packaged: Annotated[
        bool, typer.Option("--packaged", help=_("Serve the model that was packaged last, champion or not."))
    ] = False,
) -> int:
    """Serve the champion's bento until interrupted; without a champion, the bento that was packaged last.

    Raises:
        SeodangError: If the port cannot be used, or the model is not on this machine.
    """
    _check_port(port)
    tag = _find_bento(Paths(Path.cwd()), packaged=packaged)
    command = [f"{Path(sys.executable).parent}/bentoml", "serve", tag, "--host", _HOST, "--port", str(port)]
    print_lines([_("serving {tag} on http://127.0.0.1:{port} (Ctrl-C to stop)", tag=tag, port=port)])
    sys.stdout.flush()
    os.execv(command[0], command)


def _check_port(port: int) -> None:
    """Raise an error if the service could not listen; BentoML would show a traceback after it has loaded."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as BentoML does
        try:
            probe.bind((_HOST, port))
        except OSError as error:
            reason = _("another program uses it") if error.errno == errno.EADDRINUSE else str(error.strerror)
            raise SeodangError(
                _(
                    "port {port} cannot be used ({reason}); choose another one: seodang serve --port {other}",
                    port=port,
                    reason=reason,
                    other=_find_free_port(),
                )
            ) from error


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return int(probe.getsockname()[1])


def _find_bento(paths: Paths, *, packaged: bool) -> str:
    from seodang.registry.champion import read_champion
    from seodang.registry.restore import make_packaged_servable, make_servable

    champion = None if packaged or not paths.champion.exists() else read_champion(paths.champion)
    if champion is None:
        return make_packaged_servable(paths)
    print_lines(
        [
            _(
                "champion: {version} ({date}); the model that was packaged last: seodang serve --packaged",
                version=champion.version,
                date=champion.created_at[:10],
            )
        ]
    )
    return make_servable(champion, paths)
