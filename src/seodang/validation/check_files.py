"""Check files before they enter the pipeline: the same readers, rules and judge as `ingest` and `validate`."""

from __future__ import annotations

import errno
import logging
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Self

from pydantic import PositiveInt

from seodang.config import ExpectationsParams, Format, TableTemplate
from seodang.config.section import Section
from seodang.errors import SeodangError, SourceError
from seodang.ingest.fetch.files import LocalFile
from seodang.ingest.readers.text import repair_text
from seodang.ingest.rows import Row
from seodang.ingest.sources import iter_file_rows
from seodang.io.jsonl import Writer, read_rows, write_json
from seodang.io.progress import track_progress
from seodang.validation.dataset_checks import compute_metrics, get_dataset_action
from seodang.validation.repeats import find_repeats
from seodang.validation.report import Summary, build_accepted_line, build_quarantine_line, format_dataset_violations
from seodang.validation.token_counts import TokenCounter
from seodang.validation.validator import ValidationContext, validate_rows

logger = logging.getLogger(__name__)

_PIPELINE_RULES = {"accepted-count", "drift", "language-ratio"}  # what a single file need not be


class CheckParams(Section):
    """The parameters of a check: those of `ingest` and `expectations` that it needs."""

    max_field_characters: PositiveInt
    expectations: ExpectationsParams

    @classmethod
    def load_default(cls) -> Self:
        """Return the parameters for a folder without a params.yaml: those of profile tiny."""
        from seodang.config.load import read_yaml

        with resources.as_file(resources.files("seodang.validation") / "check.yaml") as file:
            return cls.model_validate(read_yaml(file))


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """What is to be checked, and how it is to be read."""

    files: Sequence[LocalFile]
    errors: Sequence[str]  # what is wrong with those that were named and can't be read
    format: Format
    columns: dict[str, str] | None
    table: TableTemplate | None
    counter: TokenCounter | None  # None: tokens are not counted
    report: Path | None  # folder; None: nothing is written


@dataclass(slots=True)
class CheckResult:
    """What a check came to."""

    summary: Summary
    formats: dict[str, list[str]] = field(default_factory=dict)  # file -> record formats met in it
    dataset: list[dict[str, Any]] = field(default_factory=list)  # figures of the whole that are out of bounds

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as one object; `rules` counts the report lines that name a rule, whatever its severity."""
        report = self.summary.build_report()
        texts = {"texts": report.pop("rules")}
        return {
            **self.summary.build_counts(),
            "rules": dict(self.summary.rule_counts.most_common()),
            **report,
            "formats": self.formats,
            "dataset": self.dataset,
            **texts,
        }


def check(request: CheckRequest, params: CheckParams) -> CheckResult:
    """Read and judge the files, and write the report where one is wanted.

    Raises:
        SourceError: Naming every file that cannot be used, and why; nothing is written then.
        SeodangError: If the report cannot be written.

    """
    is_new = request.report is not None and not request.report.exists()
    try:
        if request.report:
            _prepare_report(request.report)
        return _check(request, params)
    except OSError as error:  # of the files' own, SourceError tells
        raise SeodangError(
            f"{request.report or tempfile.gettempdir()} cannot be written to ({error.strerror or error}); name a folder that you may write to, with room on its disk / 쓸 수 없는 폴더입니다"
        ) from error
    finally:
        if is_new and request.report and request.report.is_dir() and not any(request.report.iterdir()):
            request.report.rmdir()


def _prepare_report(report: Path) -> None:
    """Make the folder, and see that it may be written to before hours of reading; raise OSError or SeodangError if not."""
    data_docs = report / "data_docs"
    if data_docs.exists() and not (data_docs / "index.html").is_file():
        raise SeodangError(
            f"{data_docs} is not of a report, and would be replaced; name another folder / 보고서가 아닌 폴더가 있습니다"
        )
    report.mkdir(parents=True, exist_ok=True)
    for name in ("accepted.jsonl", "quarantine.jsonl", "summary.json"):
        if (report / name).is_dir():
            raise IsADirectoryError(errno.EISDIR, f"{name} is a folder")
    with tempfile.TemporaryFile(dir=report):
        pass


def _check(request: CheckRequest, params: CheckParams) -> CheckResult:
    from seodang.validation.expectations import format_dataset_rule, open_validator

    with tempfile.TemporaryDirectory(prefix="seodang-check-") as scratch:
        spool = Path(scratch) / "rows.jsonl"
        result = CheckResult(Summary())
        with Writer(spool, allow_nan=True) as writer:
            for row in _iter_rows(request, params, result):
                writer.write(row)
        limits = params.expectations.limits
        context = ValidationContext(
            params.expectations,
            find_repeats(_read_spool(spool, "repeats"), limits.max_label_characters),
            request.counter,
        )
        data_docs = request.report / "data_docs" if request.report else None
        with open_validator(context.rules, params.expectations, name="check", data_docs=data_docs) as validator:
            _write_results(
                validate_rows(_read_spool(spool, "check"), context, validator), result.summary, request.report
            )
            metrics = [
                metric
                for metric in compute_metrics(result.summary.tally, params.expectations.dataset, None)
                if metric.rule.id not in _PIPELINE_RULES
            ]
            violations = validator.check_dataset(metrics)
        result.dataset = format_dataset_violations(
            [
                (measure, format_dataset_rule(measure), get_dataset_action(measure.rule, params.expectations.dataset))
                for measure in violations
            ]
        )
    if request.report:
        write_json(request.report / "summary.json", result.to_dict())
    return result


def _iter_rows(request: CheckRequest, params: CheckParams, result: CheckResult) -> Iterator[Row]:
    """Yield the rows of all files; a file's fault is told only after the others have been read, so that one run tells all."""
    errors = list(request.errors)
    for local in request.files:
        path, location, is_empty = local.path, repair_text(local.location), True
        try:
            rows = iter_file_rows(
                path,
                location,
                format=request.format,
                columns=request.columns,
                table=request.table,
                name=location,
                max_field_characters=params.max_field_characters,
            )
            for row in track_progress(rows, location):
                is_empty = False
                if row["format"] not in (formats := result.formats.setdefault(location, [])):
                    formats.append(row["format"])
                yield row
            if is_empty:
                errors.append(f"{location} is empty: there is no record in it / 비어 있습니다: 레코드가 없습니다")
        except SourceError as error:
            errors += str(error).splitlines()
    if errors:
        raise SourceError(
            "\n  ".join([f"{len(errors)} faults / 쓸 수 없는 파일:", *errors]) if len(errors) > 1 else errors[0]
        )


def _read_spool(spool: Path, description: str) -> Iterator[Row]:
    return track_progress(read_rows(spool), description, file=spool)


def _write_results(rows: Iterable[Any], summary: Summary, report: Path | None) -> None:
    """Count the judged rows, and write each to its file where a report is wanted."""
    if report is None:
        for result in rows:
            summary.add(result)
        return
    with Writer(report / "accepted.jsonl") as accepted, Writer(report / "quarantine.jsonl") as quarantine:
        for result in rows:
            summary.add(result)
            if result.accepted:
                accepted.write(build_accepted_line(result))
            else:
                quarantine.write(build_quarantine_line(result))
