"""`seodang check FILE...`: check data files before they enter the pipeline."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seodang.cli.check_summary import print_summary
from seodang.cli.terminal import print_lines
from seodang.config.record_formats import FORMAT_NAMES
from seodang.errors import ParamsError, SourceError
from seodang.i18n import _

if TYPE_CHECKING:
    from seodang.config import Params, TableTemplate
    from seodang.ingest.fetch.files import LocalFile
    from seodang.validation.check_files import CheckParams, CheckRequest, CheckResult
    from seodang.validation.token_counts import TokenCounter

CLEAN, REJECTED = 0, 1
_KOREAN_EXAMPLES, _SEED = 2, 1446  # places shown for each kind of mark, and the seed of the measured sample


@dataclass(frozen=True, slots=True)
class _Options:
    """How the files are to be read and checked."""

    files: list[str]
    format: str
    column: list[str]
    table: Path | None
    sha256: str | None
    report: Path | None


def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE", help=_("Data files, folders, globs or URLs."))],
    format: Annotated[str, typer.Option(metavar="FORMAT", help=_("Record format; see docs/data-formats.md."))] = "auto",
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=KEY",
            help=_("Key of a field: instruction=KEY and output=KEY, or text=KEY and label=KEY; repeatable."),
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(metavar="YAML", help=_("Template that turns a labelled table into instructions.")),
    ] = None,
    sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help=_("Expected SHA-256 of the file at an http(s) URL."))
    ] = None,
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help=_("Checkpoint or tokenizer.json; with it, tokens are counted for train.max_length.")
        ),
    ] = None,
    params: Annotated[
        Path | None,
        typer.Option(
            metavar="YAML",
            help=_("File with rules and limits; by default ./params.yaml if it exists, else the built-in values."),
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help=_("Write accepted.jsonl, quarantine.jsonl, data_docs/ and summary.json.")),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=_("Print the summary as one JSON object."))] = False,
) -> int:
    """Check the files and print the summary; 0 when no row is rejected, 1 when some are.

    Raises:
        SeodangError: If a file, or an option that says how to check it, cannot be used; exit code 2.
    """
    from seodang.validation.check_files import check as check_files

    _check_choices(format, sha256)
    options = _Options(files, format, column or [], table, sha256.lower() if sha256 else None, report)
    check_params, project = _load_check_params(params)
    request = _build_request(options, tokenizer, project)
    result = check_files(request, check_params)
    _print_result(result, request, files, as_json=as_json)
    return REJECTED if result.summary.build_counts()["quarantined"] else CLEAN


def _build_request(options: _Options, tokenizer: Path | None, project: Params | None) -> CheckRequest:
    from seodang.ingest.source_entry import build_template_from_files, select_template_columns
    from seodang.reports.data_card.korean_answers import KoreanAnswers
    from seodang.validation.check_files import CheckRequest

    files, errors = _find_all_files(options, Path.cwd())
    columns, table = _parse_columns(options.column), _load_table(options.table)
    if labelled := select_template_columns(columns or {}):
        columns, table = None, build_template_from_files(files, *labelled)
    return CheckRequest(
        files=files,
        errors=errors,
        format="table" if labelled else _select_format(options),
        columns=columns,
        table=table,
        counter=_load_counter(tokenizer, project),
        report=options.report,
        korean=KoreanAnswers(_KOREAN_EXAMPLES, _SEED),
    )


def _print_result(result: CheckResult, request: CheckRequest, files: list[str], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result.to_dict(), ensure_ascii=False))
    else:
        print_summary(result, request.report)
        _print_source(request, files)


def _print_source(request: CheckRequest, paths: list[str]) -> None:
    """Print the source for params.yaml, if options said how to read the files."""
    from seodang.ingest.source_entry import build_source_entry, render_source_entry

    if request.format == "auto":
        return
    print_lines([_("To read it in the pipeline, add this to ingest.sources in params.yaml:")])
    for path in paths:
        entry = build_source_entry(path, request.format, request.columns, request.table)
        print(render_source_entry(entry, indent=2), end="")


def _check_choices(format: str, sha256: str | None) -> None:
    if format not in FORMAT_NAMES:
        raise typer.BadParameter(_("{value!r} is not one of {choices}", value=format, choices=", ".join(FORMAT_NAMES)))
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise typer.BadParameter(_("--sha256: expected 64 hexadecimal digits, as sha256sum prints them"))


def _select_format(options: _Options) -> Any:
    if options.format != "auto":
        return options.format
    return "columns" if options.column else "table" if options.table else "auto"


def _load_check_params(file: Path | None) -> tuple[CheckParams, Params | None]:
    from seodang.config.load import load_params
    from seodang.validation.check_files import CheckParams

    path = file or Path("params.yaml")
    if file is None and not path.is_file():
        return CheckParams.load_default(), None
    params = load_params(path)
    return CheckParams(
        max_field_characters=params.ingest.max_field_characters,
        expectations=params.expectations.bound_tokens(params.train.max_length),
    ), params


def _find_all_files(options: _Options, root: Path) -> tuple[list[LocalFile], list[str]]:
    """Return the files that the arguments name, each once, and what is wrong with those that name none.

    The report's own folder is left out: what it rejected must not come back as data.
    """
    from seodang.ingest.fetch.splits import mark_held_out_files

    files: dict[str, LocalFile] = {}
    errors = []
    for argument in options.files:
        try:
            if not argument.strip():
                raise SourceError(_('a file name is empty: ""; is a variable of the shell not set?'))
            matches = _find_files(argument, options, root)
        except SourceError as error:
            errors.append(str(error))
            continue
        inside = [
            file for file in matches if options.report and options.report.resolve() in file.path.resolve().parents
        ]
        files |= {str(file.path.resolve()): file for file in matches if file not in inside}
    files = dict(zip(files, mark_held_out_files(list(files.values())), strict=True))
    if not files and not errors:
        errors.append(_("no data file in {files}", files=" ".join(options.files)))
    return list(files.values()), errors


def _find_files(argument: str, options: _Options, root: Path) -> list[LocalFile]:
    from seodang.config import SourceParams
    from seodang.config.load import read_item_defaults
    from seodang.ingest.fetch.files import redact_url
    from seodang.ingest.fetch.locate import locate_files
    from seodang.paths import Paths

    if argument.startswith(("http://", "https://")) and options.sha256 is None:
        raise ParamsError(_("{url} needs --sha256: the content of a URL may change", url=redact_url(argument)))
    source = SourceParams.model_validate(
        {
            **read_item_defaults("ingest", "sources"),
            "name": "check",
            "kind": "file",
            "path": argument,
            "sha256": options.sha256,
        }
    )
    return locate_files(source, root, Paths(root).downloads)


def _parse_columns(pairs: list[str]) -> dict[str, str] | None:
    columns = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    if len(columns) != len(pairs):
        raise ParamsError(
            _(
                "--column {pairs}: each is FIELD=KEY, such as instruction=raw.instruction, and names a field once",
                pairs=" ".join(pairs),
            )
        )
    return columns or None


def _load_table(file: Path | None) -> TableTemplate | None:
    from seodang.config import TableTemplate
    from seodang.config.load import parse_section
    from seodang.config.yaml_file import read_yaml

    return parse_section(TableTemplate, read_yaml(file), f"--table {file}") if file else None


def _load_counter(tokenizer: Path | None, params: Params | None) -> TokenCounter | None:
    from seodang.validation.token_counts import load_counter

    return load_counter(tokenizer, params.prompt.format if params else "alpaca") if tokenizer else None
