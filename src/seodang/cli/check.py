"""`seodang check FILE...`: options, the summary for people or programs, and the exit code."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from seodang.config.ingest import Format
from seodang.errors import ParamsError, SourceError

if TYPE_CHECKING:
    from seodang.config import Params, TableTemplate
    from seodang.ingest.fetch.files import LocalFile
    from seodang.validation.check_files import CheckParams, CheckResult
    from seodang.validation.token_counts import TokenCounter

CLEAN, REJECTED = 0, 1
_MAX_RULES = 12  # rules told on the terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "files", nargs="+", metavar="FILE", help="data files, folders, globs or URLs / 데이터 파일, 폴더, 글롭, 주소"
    )
    parser.add_argument(
        "--format", default="auto", choices=get_args(Format), metavar="F", help=f"{', '.join(get_args(Format))} (auto)"
    )
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="FIELD=KEY",
        help="where a field stands, as instruction=raw.instruction; format columns / 필드의 위치",
    )
    parser.add_argument(
        "--table",
        type=Path,
        metavar="YAML",
        help="template that turns a labelled table into instructions; format table / 표 템플릿",
    )
    parser.add_argument(
        "--sha256", type=_parse_sha256, metavar="HEX", help="of the file at an http(s) address / 파일의 sha256"
    )
    parser.add_argument(
        "--tokenizer",
        type=Path,
        metavar="PATH",
        help="checkpoint or tokenizer.json: counts tokens against limits.max_tokens / 토큰 수 확인",
    )
    parser.add_argument(
        "--params",
        type=Path,
        metavar="YAML",
        help="params.yaml with rules and bounds (./params.yaml, else the shipped ones) / 규칙과 기준",
    )
    parser.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="write accepted.jsonl, quarantine.jsonl, data_docs/ and summary.json / 보고서 폴더",
    )
    parser.add_argument("--json", action="store_true", help="print the summary as one JSON object / 요약을 JSON으로")


def _parse_sha256(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError("expected 64 hexadecimal digits, as sha256sum prints them")
    return text.lower()


def run(options: argparse.Namespace) -> int:
    """Check the files and print the summary; 0 when no row is rejected, 1 when some are.

    Raises:
        SeodangError: If a file, or what says how to check it, cannot be used; exit code 2.

    """
    from seodang.validation.check_files import CheckRequest, check

    params, project = _load_check_params(options.params)
    files, errors = _find_all_files(options, Path.cwd())
    request = CheckRequest(
        files=files,
        errors=errors,
        format="columns"
        if options.column and options.format == "auto"
        else "table"
        if options.table and options.format == "auto"
        else options.format,
        columns=_parse_columns(options.column),
        table=_load_table(options.table),
        counter=_load_counter(options.tokenizer, project),
        report=options.report,
    )
    result = check(request, params)
    if options.json:
        print(json.dumps(result.to_dict(), ensure_ascii=False))
    else:
        print("\n".join(_format_summary(result, options.report)))
    return REJECTED if result.summary.build_counts()["quarantined"] else CLEAN


def _load_check_params(file: Path | None) -> tuple[CheckParams, Params | None]:
    from seodang.config.load import load_params
    from seodang.validation.check_files import CheckParams

    path = file or Path("params.yaml")
    if file is None and not path.is_file():
        return CheckParams.load_default(), None
    params = load_params(path)
    return CheckParams(
        max_field_characters=params.ingest.max_field_characters, expectations=params.expectations
    ), params


def _find_all_files(options: argparse.Namespace, root: Path) -> tuple[list[LocalFile], list[str]]:
    """Return the files that the arguments name, each once, and what is wrong with those that name none.

    The report's own folder is left out: what it rejected must not come back as data.
    """
    files: dict[str, LocalFile] = {}
    errors = []
    for argument in options.files:
        try:
            if not argument.strip():
                raise SourceError(
                    'a file name is empty: ""; is a variable of the shell not set? / 파일 이름이 비었습니다'
                )
            matches = _find_files(argument, options, root)
        except SourceError as error:
            errors.append(str(error))
            continue
        inside = [
            file for file in matches if options.report and options.report.resolve() in file.path.resolve().parents
        ]
        files |= {str(file.path.resolve()): file for file in matches if file not in inside}
    if not files and not errors:
        errors.append(f"no data file in {' '.join(options.files)} / 데이터 파일이 없습니다")
    return list(files.values()), errors


def _find_files(argument: str, options: argparse.Namespace, root: Path) -> list[LocalFile]:
    from seodang.config import SourceParams
    from seodang.ingest.fetch.files import redact_url
    from seodang.ingest.fetch.locate import locate_files
    from seodang.paths import Paths

    if argument.startswith(("http://", "https://")) and options.sha256 is None:
        raise ParamsError(f"{redact_url(argument)} needs --sha256: what is at an address may change")
    source = SourceParams(
        name="check",
        kind="file",
        path=argument,
        sha256=options.sha256,
        format="auto",
        columns=None,
        table=None,
        language=None,
        task=None,
        cluster=None,
        limit=None,
        role="any",
        weight=1.0,
        cap=None,
        replay=False,
        licence="",
    )
    return locate_files(source, root, Paths(root).downloads)


def _parse_columns(pairs: list[str]) -> dict[str, str] | None:
    columns = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    if len(columns) != len(pairs):
        raise ParamsError(
            f"--column {' '.join(pairs)}: each is FIELD=KEY, such as instruction=raw.instruction, and names a field once"
        )
    return columns or None


def _load_table(file: Path | None) -> TableTemplate | None:
    from pydantic import ValidationError

    from seodang.config import TableTemplate
    from seodang.config.load import read_yaml

    try:
        return TableTemplate.model_validate(read_yaml(file)) if file else None
    except ValidationError as error:
        raise ParamsError(f"--table {file} cannot be used: {error}") from error


def _load_counter(tokenizer: Path | None, params: Params | None) -> TokenCounter | None:
    from seodang.validation.token_counts import load_counter

    return load_counter(tokenizer, params.prompt.format if params else "alpaca") if tokenizer else None


def _format_summary(result: CheckResult, report: Path | None) -> list[str]:
    """Return the summary for a terminal."""
    counts, content = result.summary.build_counts(), result.to_dict()
    lines = [f"{file}: {', '.join(formats)}" for file, formats in result.formats.items()]
    lines.append(
        f"행 / rows {counts['rows']:,} = 통과 / accepted {counts['accepted']:,} (고침 / repaired {counts['repaired']:,}, 경고 / warned {counts['warned']:,})"
        f" + 격리 / quarantined {counts['quarantined']:,}"
    )
    for heading, rules in (
        ("격리 / quarantined", content["by_rule"]),
        ("경고 / warnings", content["warnings"]),
        ("고침 / repairs", content["repairs"]),
    ):
        lines += [f"{heading}:"] if rules else []
        for id, count in list(rules.items())[:_MAX_RULES]:
            rule = content["texts"].get(id)
            lines.append(f"  {count:>7,}  {id}" + (f": {rule['reason_ko']} / {rule['reason_en']}" if rule else ""))
    lines += [
        f"전체 / whole set ({measure['severity']}): {measure['reason_ko']} / {measure['reason_en']} ({measure['of']}: {measure['value']:.3g})"
        for measure in content["dataset"]
    ]
    lines += [f"보고서 / report: {report} (accepted.jsonl, quarantine.jsonl, data_docs/index.html)"] if report else []
    return lines
