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
    from seodang.validation.check_files import Checked, CheckParams
    from seodang.validation.token_counts import TokenCounter

CLEAN, REJECTED = 0, 1
_TOP = 12  # rules told on the terminal


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
        "--sha256", type=_sha256, metavar="HEX", help="of the file at an http(s) address / 파일의 sha256"
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


def _sha256(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError("expected 64 hexadecimal digits, as sha256sum prints them")
    return text.lower()


def run(options: argparse.Namespace) -> int:
    """Check the files and print the summary; 0 when no row is rejected, 1 when some are.

    Raises:
        SeodangError: If a file, or what says how to check it, cannot be used; exit code 2.

    """
    from seodang.validation.check_files import Wanted, check

    params, project = _params(options.params)
    files, faults = _all_files(options, Path.cwd())
    wanted = Wanted(
        files=files,
        faults=faults,
        format="columns"
        if options.column and options.format == "auto"
        else "table"
        if options.table and options.format == "auto"
        else options.format,
        columns=_columns(options.column),
        table=_table(options.table),
        counter=_counter(options.tokenizer, project),
        report=options.report,
    )
    checked = check(wanted, params)
    if options.json:
        print(json.dumps(checked.content(), ensure_ascii=False))
    else:
        print("\n".join(_told(checked, options.report)))
    return REJECTED if checked.summary.counts()["quarantined"] else CLEAN


def _params(file: Path | None) -> tuple[CheckParams, Params | None]:
    from seodang.config.load import load_params
    from seodang.validation.check_files import CheckParams

    place = file or Path("params.yaml")
    if file is None and not place.is_file():
        return CheckParams.shipped(), None
    params = load_params(place)
    return CheckParams(
        max_field_characters=params.ingest.max_field_characters, expectations=params.expectations
    ), params


def _all_files(options: argparse.Namespace, root: Path) -> tuple[list[LocalFile], list[str]]:
    """Return the files that the arguments name, each once, and what is wrong with those that name none.

    The report's own folder is left out: what it rejected must not come back as data.
    """
    files: dict[str, LocalFile] = {}
    faults = []
    for written in options.files:
        try:
            if not written.strip():
                raise SourceError(
                    'a file name is empty: ""; is a variable of the shell not set? / 파일 이름이 비었습니다'
                )
            found = _files(written, options, root)
        except SourceError as error:
            faults.append(str(error))
            continue
        inside = [file for file in found if options.report and options.report.resolve() in file.path.resolve().parents]
        files |= {str(file.path.resolve()): file for file in found if file not in inside}
    if not files and not faults:
        faults.append(f"no data file in {' '.join(options.files)} / 데이터 파일이 없습니다")
    return list(files.values()), faults


def _files(written: str, options: argparse.Namespace, root: Path) -> list[LocalFile]:
    from seodang.config import SourceParams
    from seodang.ingest.fetch.files import shown_url
    from seodang.ingest.fetch.locate import local_files
    from seodang.paths import Paths

    if written.startswith(("http://", "https://")) and options.sha256 is None:
        raise ParamsError(f"{shown_url(written)} needs --sha256: what is at an address may change")
    source = SourceParams(
        name="check",
        kind="file",
        path=written,
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
    return local_files(source, root, Paths(root).downloads)


def _columns(pairs: list[str]) -> dict[str, str] | None:
    columns = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    if len(columns) != len(pairs):
        raise ParamsError(
            f"--column {' '.join(pairs)}: each is FIELD=KEY, such as instruction=raw.instruction, and names a field once"
        )
    return columns or None


def _table(file: Path | None) -> TableTemplate | None:
    from pydantic import ValidationError

    from seodang.config import TableTemplate
    from seodang.config.load import read_yaml

    try:
        return TableTemplate.model_validate(read_yaml(file)) if file else None
    except ValidationError as error:
        raise ParamsError(f"--table {file} cannot be used: {error}") from error


def _counter(tokenizer: Path | None, params: Params | None) -> TokenCounter | None:
    from seodang.validation.token_counts import load_counter

    return load_counter(tokenizer, params.prompt.format if params else "alpaca") if tokenizer else None


def _told(checked: Checked, report: Path | None) -> list[str]:
    """Return the summary for a terminal."""
    counts, content = checked.summary.counts(), checked.content()
    lines = [f"{file}: {', '.join(formats)}" for file, formats in checked.formats.items()]
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
        for id, count in list(rules.items())[:_TOP]:
            rule = content["texts"].get(id)
            lines.append(f"  {count:>7,}  {id}" + (f": {rule['reason_ko']} / {rule['reason_en']}" if rule else ""))
    lines += [
        f"전체 / whole set ({measure['severity']}): {measure['reason_ko']} / {measure['reason_en']} ({measure['of']}: {measure['value']:.3g})"
        for measure in content["data_set"]
    ]
    lines += [f"보고서 / report: {report} (accepted.jsonl, quarantine.jsonl, data_docs/index.html)"] if report else []
    return lines
