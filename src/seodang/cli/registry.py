"""`seodang registry list | show | promote | rollback | ledger`: versions, the champion, and rollback."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seodang.cli.terminal import print_lines, print_table
from seodang.errors import RegistryError, SeodangError
from seodang.gate.verdict import VERDICT_LABELS
from seodang.i18n import _
from seodang.io.jsonl import read_json
from seodang.paths import Paths

if TYPE_CHECKING:
    from seodang.registry.champion import Champion
    from seodang.registry.history import RegistryEvent


def create_app() -> typer.Typer:
    """Return the group of commands."""
    app = typer.Typer(
        help=_("List versions, promote and roll back (exit code 0, 2 or 3)."),
    )
    app.command("list", help=_("List every version with stage, score and verdict."))(list_versions)
    app.command("show", help=_("Print a version and the commands that restore its code and data."))(show_version)
    app.command("promote", help=_("Register the packaged model and make it champion, if the verdict is promote."))(
        promote_candidate
    )
    app.command("rollback", help=_("Make an earlier version champion again, ready to be served."))(roll_back)
    app.command("ledger", help=_("List the sets of test items, how often each was judged on, and what is left."))(
        list_ledger
    )
    return app


def list_versions() -> int:
    """Print the table of versions, the newest first."""
    from seodang.cli.registry_listing import HEADINGS, describe_mismatch, list_rows

    paths = Paths(Path.cwd())
    rows = list_rows(paths)
    if rows:
        print_table([_(heading) for heading in HEADINGS], rows)
        print_lines(describe_mismatch(paths))
        return 0
    command = "seodang run && git add dvc.lock params.yaml registry && git commit && seodang registry promote"
    print_lines([_("no version is registered yet; next: {command}", command=command)])
    return 0


def show_version(
    version: Annotated[
        str | None, typer.Argument(metavar="VERSION", help=_("A version, such as v0.2.0; by default the champion."))
    ] = None,
) -> int:
    """Print what is known of a version.

    Raises:
        RegistryError: If there is no such version; exit code 2.
    """
    from seodang.cli.registry_listing import find_version, list_events, list_fields, list_restore_commands

    paths = Paths(Path.cwd())
    event = find_version(paths, version)
    print_table(("", ""), list_fields(event, paths))
    print_lines(["", _("history:"), *list_events(event.version, paths), "", _("commands that restore it:")])
    print_lines(f"  {line}" for line in list_restore_commands(event))
    return 0


def promote_candidate(
    message: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help=_("Reason, for the history; by default that the verdict is promote.")),
    ] = None,
    version: Annotated[
        str | None, typer.Option(metavar="VERSION", help=_("Version to register; by default the next minor version."))
    ] = None,
) -> int:
    """Make the packaged model champion.

    Raises:
        NotPromoted: If the verdict is not `promote`; exit code 3, and nothing has changed.
        SeodangError: If the set-up cannot be used; exit code 2, and nothing has changed.
    """
    from seodang.registry.promotion import promote
    from seodang.registry.storage import check_remote

    paths = Paths(Path.cwd())
    event = promote(paths, message, version)
    if event is None:
        print_lines([_("these weights are the champion already; nothing has changed")])
        return 0
    retired = event.previous if event.previous != event.version else None
    notes = [*_list_unjudged(paths), *check_remote(paths.root)]
    print_lines([*_describe_event(event, retired), *_list_next_steps(event.version), *notes])
    return 0


def _list_unjudged(paths: Paths) -> list[str]:
    """Return a line for each trained task that the verdict says nothing about, as gate.unjudged_tasks permits."""
    return [
        _(
            "warning: the verdict says nothing about task {task} (training records: {training}, test records: {test}), as "
            "gate.unjudged_tasks permits",
            task=task["name"],
            training=task["training_records"],
            test=task["test_records"],
        )
        for task in read_json(paths.verdict)["trained_tasks"]
        if not task["is_judged"]
    ]


def roll_back(
    message: Annotated[str, typer.Option(metavar="TEXT", help=_("Reason, for the history."))],
    to: Annotated[
        str | None, typer.Option(metavar="VERSION", help=_("Version to go back to; by default the previous champion."))
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help=_("Do not ask; for scripts."))] = False,
) -> int:
    """Make an earlier version champion again; ask first if the last run was never promoted.

    Raises:
        SeodangError: If there is no such version, its weights cannot be found, or nobody can answer; exit code 2,
            nothing has changed.
    """
    from seodang.registry.promotion import find_rollback_target, find_unpromoted_verdict, rollback

    paths = Paths(Path.cwd())
    current, target = find_rollback_target(paths, to)
    print_lines(_describe_rollback(current, target))
    verdict = find_unpromoted_verdict(paths)
    if verdict is not None and not yes and not _confirm_rollback(verdict, current.version):
        print_lines([_("nothing has changed")])
        return SeodangError.exit_code
    event, bento = rollback(paths, message, target.version)
    print_lines([*_describe_event(event, event.previous), f"bento: {bento}", *_list_next_steps(event.version)])
    return 0


def _describe_rollback(current: Champion, target: RegistryEvent) -> list[str]:
    """Return what a rollback does, before it does it."""
    return [
        _("rollback: {version} will be champion again", version=_describe_version(target)),
        _("          {version} will be retired", version=_describe_version(current)),
    ]


def _describe_version(champion: Champion) -> str:
    return f"{champion.version} ({champion.created_at[:10]}, {champion.bento_tag}: {champion.message})"


def _confirm_rollback(verdict: str, champion: str) -> bool:
    """Ask whether the champion is meant, for the last run is not what a rollback takes back.

    Raises:
        RegistryError: If there is no terminal to ask on.
    """
    text = _(
        "the last run (verdict: {verdict}) was never promoted, so it is not in service and needs no rollback; this"
        " command retires the champion {champion}",
        verdict=_(VERDICT_LABELS[verdict]),
        champion=champion,
    )
    if not sys.stdin.isatty():
        raise RegistryError(_("{text}. If that is meant, run it again with --yes; nothing has changed", text=text))
    print_lines([text])
    return typer.confirm(_("go on?"), default=False)


def list_ledger() -> int:
    """Print the sets of test items.

    Raises:
        SeodangError: If the ledger or params.yaml cannot be read; exit code 2.
    """
    from seodang.cli.ledger_listing import HEADINGS, list_ledger_rows
    from seodang.config.load import load_params
    from seodang.registry.ledger.recording import read_ledger

    paths = Paths(Path.cwd())
    rows = list_ledger_rows(read_ledger(paths.ledger), load_params(paths.params).gate)
    if rows:
        print_table([_(heading) for heading in HEADINGS], rows, right=(1, 2))
    else:
        print_lines([_("no candidate was judged yet; next: {command}", command="seodang run")])
    return 0


def _describe_event(event: RegistryEvent, retired: str | None) -> list[str]:
    return [
        f"{event.version} -> champion ({event.tag}, {event.revision[:12]})",
        *([f"{retired} -> retired"] if retired else []),
        _("author: {author}", author=event.author),
        _("reason: {message}", message=event.message),
    ]


def _list_next_steps(version: str) -> list[str]:
    note = _("{version}; restart a service that is running", version=version)
    return ["", _("next:"), f"  seodang serve   # {note}", "  git push --follow-tags && dvc push"]
