"""`python -m flows.run FLOW`: run a flow in this terminal, on a Prefect server or, when asked to, without one.

Without a server Prefect starts a temporary one for the process, whose records are in .seodang/prefect-alone.
"""

from __future__ import annotations

import argparse
import inspect
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows import FLOWS, load_flow
from flows.serve import ServerUnavailable, probe, resolve_api_url
from flows.settings import RUN
from seodang.cli.streams import prepare_streams
from seodang.errors import SeodangError
from seodang.i18n import _
from seodang.io.os_errors import describe_os_error

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.schemas.objects import State


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a flow and return the exit code: 0 for a completed run."""
    prepare_streams()
    options = _build_parser().parse_args(arguments)
    project = options.project.resolve()
    try:
        parameters = {"project": str(project), **_parse_parameters(options.params)}
        _choose_server(project, without_server=options.without_server)
        flow = load_flow(options.flow)
        _check_parameters(flow, parameters)
    except SeodangError as error:
        print(f"seodang: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if (reason := describe_os_error(error)) is None:
            raise
        print(f"seodang: {reason}", file=sys.stderr)
        return SeodangError.exit_code
    state: State[Any] = flow(**parameters, return_state=True)  # type: ignore[assignment]
    print(f"{state.name}: {state.message}" if state.message else state.name)
    return 0 if state.is_completed() else 1


def _build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m flows.run", description=_("Run a flow in this terminal."))
    names = _("Name of the flow: {names}.", names=", ".join(FLOWS))
    parser.add_argument("flow", choices=FLOWS, metavar="FLOW", help=names)
    parser.add_argument("--params", default="{}", metavar="JSON", help=_("Parameters of the flow, as for Prefect."))
    parser.add_argument("--project", type=Path, default=Path(), help=_("Folder with dvc.yaml."))
    parser.add_argument("--without-server", action="store_true", help=_("Use no Prefect server."))
    return parser


def _parse_parameters(text: str) -> dict[str, Any]:
    try:
        parameters = json.loads(text)
    except ValueError as error:
        raise SeodangError(_("--params is no JSON: {error}", error=error)) from error
    if not isinstance(parameters, dict):
        raise SeodangError(_("--params is no JSON object; an example: {example}", example='{"run": {"dry_run": true}}'))
    return parameters


def _check_parameters(flow: Flow[..., Any], parameters: dict[str, Any]) -> None:
    """Check the parameters of a flow before a server is started for it.

    Raises:
        SeodangError: With what Prefect finds wrong.
    """
    from prefect.exceptions import ParameterTypeError

    prefect_log = logging.getLogger("prefect.flows")  # it would write the same error first, in one long line
    prefect_log.disabled = True
    try:
        inspect.signature(flow.fn).bind(**parameters)
        flow.validate_parameters(parameters)
    except (TypeError, ParameterTypeError) as error:
        raise SeodangError(_("--params does not fit the flow {name}: {error}", name=flow.name, error=error)) from error
    finally:
        prefect_log.disabled = False


def _choose_server(project: Path, *, without_server: bool) -> None:
    """Set the environment in which Prefect is imported.

    Raises:
        ServerUnavailable: If there is no server, and the run is to have one.
    """
    for name, value in RUN.items():
        os.environ.setdefault(name, value)
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
    if without_server:
        home = project / ".seodang" / "prefect-alone"
        home.mkdir(parents=True, exist_ok=True)  # the temporary server does not create it, and finds no database
        os.environ.pop("PREFECT_API_URL", None)
        os.environ.pop("PREFECT_PROFILE", None)
        os.environ.update(
            PREFECT_HOME=str(home),
            PREFECT_SERVER_ALLOW_EPHEMERAL_MODE="true",
            PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS="240",  # Prefect waits for 20, which slow machines exceed
        )
        return
    url = resolve_api_url(None)
    if probe(url) != "prefect":
        raise ServerUnavailable(
            _("no Prefect server answers at {url}; start one: make flows; or add --without-server", url=url)
        )
    os.environ["PREFECT_API_URL"] = url


if __name__ == "__main__":
    sys.exit(main())
