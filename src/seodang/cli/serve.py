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
from seodang.io.file_digests import share_digests
from seodang.paths import Paths

_HOST = "127.0.0.1"


def serve(
    port: Annotated[int, typer.Option(min=1, max=65535, help=_("Port of the service."))] = 3000,
    host: Annotated[
        str,
        typer.Option(help=_("Address that the service listens on; other than loopback only with SEODANG_API_KEYS.")),
    ] = _HOST,
    packaged: Annotated[
        bool, typer.Option("--packaged", help=_("Serve the model that was packaged last, champion or not."))
    ] = False,
    adapter: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FOLDER",
            help=_("Serve a LoRA adapter, too, and its base; FOLDER is artifacts/train of a project. Repeatable."),
        ),
    ] = None,
    base: Annotated[
        bool, typer.Option("--base", help=_("Serve the base without tuning, too, under the name base."))
    ] = False,
) -> int:
    """Serve the champion's bento until interrupted; without a champion, the bento that was packaged last.

    Raises:
        SeodangError: If the port cannot be used, the host needs keys, or a model is not on this machine.
    """
    _check_host(host)
    check_address(host, port)
    paths = Paths(Path.cwd())
    _name_models(paths, adapter or [], base=base)
    tag = _find_bento(paths, packaged=packaged)
    command = [f"{Path(sys.executable).parent}/bentoml", "serve", tag, "--host", host, "--port", str(port)]
    shown = f"[{host}]" if ":" in host else host
    local = _HOST if host in ("0.0.0.0", "::") else shown
    print_lines(
        [
            _("serving {tag} on http://{host}:{port} (Ctrl-C to stop)", tag=tag, host=shown, port=port),
            _("try it in a browser: http://{host}:{port}/ui, or in the terminal: seodang chat", host=local, port=port),
        ]
    )
    sys.stdout.flush()
    share_digests()
    os.execv(command[0], command)


def _check_host(host: str) -> None:
    """Raise an error if anyone on the network could use the service without a key."""
    from seodang.service.http.api_keys import VARIABLE, ApiKeys, is_loopback

    if not ApiKeys().load() and not is_loopback(host):
        raise SeodangError(
            _(
                "without keys the service may listen on loopback only: set {variable}, or leave out --host {host}",
                variable=VARIABLE,
                host=host,
            )
        )


def check_address(host: str, port: int) -> None:
    """Raise an error if the service could not listen; BentoML would show a traceback after it has loaded."""
    try:
        family, kind, protocol, _name, address = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise SeodangError(
            _(
                "--host {host} is no address: the name cannot be resolved; leave it out for {local}",
                host=host,
                local=_HOST,
            )
        ) from error
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as BentoML does
        try:
            probe.bind(address)
        except OSError as error:
            raise _build_address_error(host, port, error) from error


def _build_address_error(host: str, port: int, error: OSError) -> SeodangError:
    if error.errno == errno.EADDRNOTAVAIL:
        return SeodangError(
            _(
                "--host {host} is no address of this machine; use 0.0.0.0 for all of its addresses, or leave it out for"
                " {local}",
                host=host,
                local=_HOST,
            )
        )
    reasons = {
        errno.EADDRINUSE: _("another program uses it"),
        errno.EACCES: _("this user may not use ports below 1024"),
    }
    return SeodangError(
        _(
            "port {port} cannot be used ({reason}); choose another one: seodang serve --port {other}",
            port=port,
            reason=reasons.get(error.errno or 0, str(error.strerror)),
            other=_find_free_port(),
        )
    )


def _name_models(paths: Paths, adapters: list[str], *, base: bool) -> None:
    """Write the models beside the packaged one into the environment, which the workers of BentoML read."""
    from seodang.service.model.model_sources import ADAPTERS, BASE_MODEL, parse_adapters, raise_problems

    if not (adapters or base):
        return
    problems: list[str] = []
    folders = parse_adapters(adapters, problems)
    problems += [
        _("{name}: a folder must not have a comma", name=name) for name in folders if "," in str(folders[name])
    ]
    raise_problems(problems)
    os.environ.setdefault(BASE_MODEL, str(paths.base.resolve()))
    if folders:
        os.environ[ADAPTERS] = ",".join(f"{name}={folder.resolve()}" for name, folder in folders.items())


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
