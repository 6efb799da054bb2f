"""`seodang doctor`: look at everything that a run needs, and print the command that fixes each problem."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.cells import cell_len

from seodang.cli.terminal import WIDTH, print_lines
from seodang.errors import SeodangError
from seodang.i18n import N_, _, ngettext
from seodang.paths import Paths

_STATES: Final = {"ok": N_("ok"), "warning": N_("warning"), "error": N_("error")}
_GAP: Final = 2  # columns


def doctor(
    repair: Annotated[
        bool,
        typer.Option("--repair", help=_("First repair DVC's locks and dvc.lock, and delete what killed runs left.")),
    ] = False,
) -> int:
    """Print what each check finds.

    Returns:
        0 if a run can start, 2 if an error would stop it; warnings do not count.
    """
    from seodang.doctor.checks import run_checks

    paths = Paths(Path.cwd())
    if repair:
        _repair(paths)
    findings = list(run_checks(paths))
    states = {state: _(text) for state, text in _STATES.items()}
    widths = (max(map(cell_len, states.values())), max(cell_len(finding.check) for finding in findings))
    for finding in findings:
        cells = [states[finding.state], finding.check]
        start = "".join(_pad(cell, width) for cell, width in zip(cells, widths, strict=True))
        indent = " " * cell_len(start)
        lines = [line for part in finding.text.splitlines() for line in _wrap(part, WIDTH - len(indent))]
        print_lines([start + lines[0], *(indent + line for line in lines[1:])])
        if finding.command:
            print_lines([f"{indent}$ {finding.command}"])  # never broken, so that it can be copied
    counts = {state: sum(finding.state == state for finding in findings) for state in ("error", "warning")}
    print_lines(["", _summarize(counts)])
    return SeodangError.exit_code if counts["error"] else 0


def _repair(paths: Paths) -> None:
    from seodang.dvc_state.leftovers import remove_leftovers
    from seodang.dvc_state.repair import repair_dvc_files

    if (paths.root / ".dvc").is_dir():
        repair_dvc_files(paths.root)
        remove_leftovers(paths.root)


def _summarize(counts: dict[str, int]) -> str:
    if not any(counts.values()):
        return _("everything is in order")
    errors = ngettext("{count} error", "{count} errors", counts["error"])
    warnings = ngettext("{count} warning", "{count} warnings", counts["warning"])
    return _("{errors}, {warnings}; the command below a problem fixes it", errors=errors, warnings=warnings)


def _pad(text: str, width: int) -> str:
    return text + " " * (width - cell_len(text) + _GAP)


def _wrap(text: str, width: int) -> list[str]:
    """Break a text at blanks, and a longer word anywhere, into lines of at most `width` columns."""
    lines = [""]
    for word in text.split(" "):
        for part in _fold(word, width):
            joined = f"{lines[-1]} {part}" if lines[-1] else part
            if cell_len(joined) <= width:
                lines[-1] = joined
            else:
                lines.append(part)
    return lines


def _fold(word: str, width: int) -> list[str]:
    parts = [""]
    for letter in word:
        if cell_len(parts[-1] + letter) > width:
            parts.append("")
        parts[-1] += letter
    return parts
