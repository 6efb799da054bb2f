"""`seodang export gguf`: the packaged model in the formats of other programs."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seodang.cli.terminal import print_lines
from seodang.i18n import _, ngettext
from seodang.paths import Paths

if TYPE_CHECKING:
    from seodang.export.gguf_export import GgufComparison


class GgufType(StrEnum):
    """Numbers of the weights."""

    F32 = "f32"
    F16 = "f16"
    BF16 = "bf16"
    Q8_0 = "q8_0"


def create_app() -> typer.Typer:
    """Return the group of commands."""
    app = typer.Typer(help=_("Write the packaged model in the format of another program."))
    app.command("gguf", help=_("Write a GGUF file for llama.cpp and compare its answers (exit code 0, 2 or 3)."))(
        export_gguf
    )
    return app


def export_gguf(
    type: Annotated[
        GgufType | None, typer.Option(help=_("Numbers of the weights; instead of export.gguf.type."))
    ] = None,
) -> int:
    """Convert artifacts/package/model with llama.cpp's converter, read the file back, and compare greedy answers.

    Raises:
        SeodangError: If the tools, the package or the test split are missing, or llama.cpp cannot convert the model;
            exit code 2.
        ExportRejected: If too few answers are equal; exit code 3.
    """
    from seodang.config.load import load_params
    from seodang.export.gguf_tools import find_tools
    from seodang.io.jsonl import read_records

    paths = Paths(Path.cwd())
    params = load_params(paths.params).export.gguf
    if type is not None:
        params = params.model_copy(update={"type": type.value})
    tools = find_tools(paths.gguf_tools)
    records = list(read_records(paths.get_split_path("test")))
    file = paths.export / f"model-{params.type}.gguf"
    from seodang.export import gguf_export

    started = time.monotonic()
    comparison = gguf_export.export_gguf(tools, paths.merged_model, file, params, records)
    _write_report(file, comparison, params.type, round(time.monotonic() - started, 1))
    print_lines(_describe(file.relative_to(paths.root), comparison))
    return 0


def _write_report(file: Path, comparison: GgufComparison, type: str, seconds: float) -> None:
    from seodang.io.atomic import compute_sha256
    from seodang.io.jsonl import write_json

    report: dict[str, Any] = {
        "file": file.name,
        "sha256": compute_sha256(file),
        "type": type,
        "prompts": comparison.prompts,
        "equal": comparison.equal,
        "first_difference": comparison.first_difference,
        "seconds": seconds,
    }
    write_json(file.with_suffix(".json"), report)


def _describe(file: Path, comparison: GgufComparison) -> list[str]:
    lines = [
        ngettext(
            "exported {file}: {equal} of {count} greedy answer of llama.cpp is that of the service ({share:.0%})",
            "exported {file}: {equal} of {count} greedy answers of llama.cpp are those of the service ({share:.0%})",
            comparison.prompts,
            file=file,
            equal=comparison.equal,
            share=comparison.share,
        )
    ]
    if comparison.first_difference is not None:
        lines.append(
            _("first difference (prompt: service, file): {difference}", difference=comparison.first_difference)
        )
    return lines
