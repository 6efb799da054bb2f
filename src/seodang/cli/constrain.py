"""`seodang constrain FILE...`: instruction-following records, whose constraints the rules of IFEval verify."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seodang.cli.terminal import print_lines, print_table
from seodang.config.record_formats import FORMAT_NAMES
from seodang.errors import ParamsError, SourceError
from seodang.i18n import _, ngettext
from seodang.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seodang.constraints.build import ConstrainedRecord


def constrain(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help=_("Data files with instructions and answers."))],
    output: Annotated[Path, typer.Option(metavar="FILE", help=_("JSON Lines file to write."))],
    records: Annotated[int, typer.Option(min=1, metavar="N", help=_("Maximum number of records."))] = 1000,
    format: Annotated[str, typer.Option(metavar="FORMAT", help=_("Record format; see docs/data-formats.md."))] = "auto",
    seed: Annotated[int, typer.Option(min=0, metavar="N", help=_("Of the selection."))] = 1446,
) -> int:
    """Write records with verifiable constraints; records that params.yaml holds out are not used.

    Raises:
        SeodangError: If a file or params.yaml cannot be used, or no record suits; exit code 2.
    """
    from seodang.config.load import load_params
    from seodang.constraints.candidates import constrain_records, read_candidates
    from seodang.io.jsonl import write_rows

    if format not in FORMAT_NAMES:
        raise ParamsError(_("unknown format; expected one of: {formats}", formats=", ".join(FORMAT_NAMES)))
    if missing := [str(file) for file in files if not file.is_file()]:
        raise SourceError(_("{files}: no such file", files=", ".join(missing)))
    candidates = read_candidates(files, format, load_params(Paths(Path.cwd()).params).prepare, seed)
    constrained = constrain_records(candidates, records, seed)
    if not constrained:
        raise SourceError(
            _(
                "{files}: no record suits; constraints need a short instruction and an answer of one to a few sentences",
                files=", ".join(map(str, files)),
            )
        )
    write_rows(output, (record.to_dict() for record in constrained))
    _print_counts(constrained, len(candidates), output)
    return 0


def _print_counts(constrained: Sequence[ConstrainedRecord], candidates: int, output: Path) -> None:
    counts = Counter(id for record in constrained for id in record.ids)
    print_table([_("constraint"), _("records")], [[id, f"{count:,}"] for id, count in counts.most_common()])
    written = ngettext(
        "{path}: {count} record with verified constraints, of {candidates} that suit",
        "{path}: {count} records with verified constraints, of {candidates} that suit",
        len(constrained),
        path=output,
        candidates=f"{candidates:,}",
    )
    print_lines([written])
