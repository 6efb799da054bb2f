"""The command line. `seodang --help` lists the commands; each is a module of this package.

Exit codes: 0 done; 1 (check) rows were rejected; 2 the input or the set-up cannot be used; 3 not promoted (run, gate,
registry promote, release), rolled back (release, canary) or not equal (export); 4 inconclusive (gate) or undecided
(release, canary); 5 the budget is used up (generate); 70 an error of seodang itself (EX_SOFTWARE of sysexits.h); 73 the
disk is full (EX_CANTCREAT); 74 done, but the output could not be written (EX_IOERR); 75 try again: a source or service
on the network did not answer, or a process of several that train was killed (EX_TEMPFAIL); 129 hung up; 130
interrupted; 141 the reader of the output is gone; 143 terminated.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Annotated, Final

import typer

from seodang.cli import (
    canary,
    chat,
    check,
    compare,
    config,
    constrain,
    doctor,
    export,
    gate,
    generate,
    init,
    judge,
    plan,
    profile,
    registry,
    release,
    report,
    run,
    serve,
    study,
)
from seodang.cli.signals import EndedBySignal, unwind_on_signals
from seodang.cli.streams import (
    discard_output,
    get_output_error,
    is_output_closed,
    prepare_streams,
    restart_in_utf8_mode,
)
from seodang.cli.terminal import WIDTH
from seodang.cli.usage import translate_help, translate_usage_error
from seodang.errors import DiskFull, SeodangError
from seodang.i18n import _
from seodang.io.os_errors import describe_os_error, is_disk_full_error

_GROUPS: Final[tuple[list[str], ...]] = (
    [],
    ["registry"],
    ["canary"],
    ["profile"],
    ["config"],
    ["export"],
)  # without a command they print their help
_USAGE_ERROR: Final = 2
_INTERNAL_ERROR: Final = 70
_OUTPUT_LOST: Final = 74
_INTERRUPTED: Final = 130
_PIPE_CLOSED: Final = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    if arguments is None:
        restart_in_utf8_mode()
    prepare_streams()
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    _configure_logging()
    try:
        with unwind_on_signals() as received:
            code = _report_lost_output(_run_app(words))
        # Typer turns Ctrl-C into this code.
        return _report_interruption() if code == _INTERRUPTED and received else code
    except typer.Exit as error:
        return error.exit_code
    except typer.TyperException as error:
        return _print_usage_error(error)
    except SeodangError as error:
        if debug:
            traceback.print_exc()
        print(f"seodang: {error}", file=sys.stderr)
        return DiskFull.exit_code if is_disk_full_error(error) else error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return _report_interruption()
    except EndedBySignal as error:
        text = _(
            "ended by {signal}; no half-written file is left and finished stages are kept: run the same command again",
            signal=error.signal.name,
        )
        print(f"seodang: {text}", file=sys.stderr)
        return error.code
    except Exception as error:
        if isinstance(error, BrokenPipeError) and is_output_closed():  # the reader is gone, as with `| head`
            discard_output()
            return _PIPE_CLOSED
        if debug:
            raise
        if (reason := describe_os_error(error)) is not None:
            print(f"seodang: {reason}", file=sys.stderr)
            return DiskFull.exit_code if is_disk_full_error(error) else SeodangError.exit_code
        text = _(
            "unexpected {kind}: {error}\nThis is an error of seodang itself; run with --debug to see where it happens.",
            kind=type(error).__name__,
            error=error,
        )
        print(f"seodang: {text}", file=sys.stderr)
        return _INTERNAL_ERROR


def _report_interruption() -> int:
    text = _("interrupted; no half-written file is left and finished stages are kept: run the same command again")
    print(f"seodang: {text}", file=sys.stderr)
    return _INTERRUPTED


def _report_lost_output(code: int) -> int:
    """Return the exit code of a command, or 74 if it is 0 but the output was lost."""
    if (error := get_output_error()) is None:
        return code
    text = _(
        "the command is done, but its output could not be written ({reason}); send it to another file or disk",
        reason=error.strerror,
    )
    print(f"seodang: {text}", file=sys.stderr)
    return code or _OUTPUT_LOST


def _run_app(words: list[str]) -> int:
    """Run the command; a help text is captured, so that its headings can be translated."""
    app = create_app()
    if words in _GROUPS:
        words = [*words, "--help"]
    if "--help" not in words:
        return _call(app, words)
    output = io.StringIO()
    try:
        with redirect_stdout(output):
            return _call(app, words)
    finally:
        print(translate_help(output.getvalue()), end="")


def _call(app: typer.Typer, words: list[str]) -> int:
    """Run the command; Typer turns a broken pipe into an exit with 1, which says that rows were rejected."""
    streams = sys.stdout, sys.stderr
    try:
        return int(app(words, standalone_mode=False, prog_name="seodang") or 0)
    except SystemExit as error:
        sys.stdout, sys.stderr = streams
        if isinstance(error.__context__, BrokenPipeError):
            raise error.__context__ from None
        raise


def _print_usage_error(error: typer.TyperException) -> int:
    context: typer.Context | None = getattr(error, "ctx", None)
    print(f"seodang: {translate_usage_error(error.format_message())}", file=sys.stderr)
    command = context.command_path if context is not None else "seodang"
    print(_("Options: {command} --help", command=command), file=sys.stderr)
    return _USAGE_ERROR


def create_app() -> typer.Typer:
    """Return the commands with their help in the terminal's language."""
    app = typer.Typer(
        help=_(
            "Fine-tune a model on your instruction data, prove that it beats prompting the base model, and serve it."
        ),
        epilog=_(
            "Exit codes: 0 done, 1 rows quarantined (check), 2 input or set-up cannot be used, 3 not promoted "
            "(run, gate, registry, release), rolled back (release, canary) or not equal (export), 4 inconclusive "
            "(gate) or undecided (release, canary), 5 budget used up (generate), 70 an error of seodang itself, "
            "73 the disk is full, 74 output lost, 75 try again."
        ),
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"terminal_width": WIDTH, "max_content_width": WIDTH},
    )
    app.callback()(_set_options)
    app.command(
        "run",
        help=_("Run every stage that is out of date, and print the verdict (exit code 0 or 3)."),
    )(run.run)
    app.command("stage", help=_("Run one stage, as dvc.yaml does; DVC is not involved."))(run.stage)
    app.command("plan", help=_("Estimate memory and time of training before it runs (exit code 0 or 2)."))(plan.plan)
    app.command("check", help=_("Check data files before they enter the pipeline (exit code 0, 1 or 2)."))(check.check)
    app.command(
        "constrain", help=_("Write instruction records with constraints that rules verify (exit code 0 or 2).")
    )(constrain.constrain)
    app.command(
        "generate", help=_("Make instruction data with a teacher, by a recipe file (exit code 0, 2, 5 or 75).")
    )(generate.generate)
    app.command("doctor", help=_("Check what a run needs, and print a command for each problem (exit code 0 or 2)."))(
        doctor.doctor
    )
    app.command("compare", help=_("Show experiments side by side, by the metrics of the gate's rules."))(
        compare.compare
    )
    app.command("init", help=_("Look at data files, freeze a test set, and write params.yaml (exit code 0 or 2)."))(
        init.init
    )
    app.command("gate", help=_("Give a verdict on two score files (exit code 0, 2, 3 or 4)."))(gate.gate)
    app.add_typer(judge.create_app(), name="judge")
    app.command("study", help=_("Compare prompting with tuning on one task and on many, as a table and a page."))(
        study.study
    )
    app.add_typer(registry.create_app(), name="registry")
    app.command("release", help=_("Put the packaged model into service, step by step (exit code 0, 2, 3 or 4)."))(
        release.release
    )
    app.command("rollback", help=_("Go back to an earlier version, in registry and service (exit code 0, 2 or 3)."))(
        release.rollback
    )
    app.add_typer(canary.create_app(), name="canary")
    app.add_typer(profile.create_app(), name="profile")
    app.add_typer(config.create_app(), name="config")
    app.add_typer(export.create_app(), name="export")
    app.command("report", help=_("Print times, scores and verdict of the last run again."))(report.report)
    app.command("serve", help=_("Serve the champion, or the model that was packaged last."))(serve.serve)
    app.command("chat", help=_("Ask the packaged model, or a service, in the terminal or through a pipe."))(chat.chat)
    return app


def _set_options(
    debug: Annotated[bool, typer.Option("--debug", help=_("Show tracebacks."))] = False,
) -> None:
    """Accept the options that all commands share; `main` reads them."""


def _configure_logging() -> None:
    """Log our own progress to stderr, one line each; libraries only when they warn."""
    from seodang.io.library_warnings import filter_library_warnings

    log_format = os.environ.get("SEODANG_LOG_FORMAT", "%(message)s")  # flows set one with levels
    logging.basicConfig(level=logging.WARNING, format=log_format, stream=sys.stderr)
    filter_library_warnings()
    logging.getLogger("seodang").setLevel(os.environ.get("SEODANG_LOG_LEVEL", "INFO"))


if __name__ == "__main__":
    sys.exit(main())
