"""`seodang judge export`: the free answers of a model in the last evaluation, for the judge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seodang.cli.terminal import print_lines
from seodang.i18n import _, ngettext


def export(
    variant: Annotated[
        str, typer.Argument(metavar="VARIANT", help=_("tuned, aligned, champion, or a prompt of the base."))
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help=_("File of the answers."))],
) -> int:
    """Write the answers, print their number and the next command.

    Raises:
        SeodangError: If there is no evaluation, or no free answer of the variant (exit code 2).
    """
    from seodang.evaluation.judge.evaluated_answers import export_answers
    from seodang.paths import Paths

    count = export_answers(Paths(Path.cwd()), variant, out)
    command = f"seodang judge --candidate {out} --champion OTHER.jsonl --out DIR ..."
    print_lines(
        [ngettext("{count} answer", "{count} answers", count, count=count), _("next: {command}", command=command)]
    )
    return 0
