"""Check files before they enter the pipeline, with the readers and rules of `ingest` and `validate`."""

from __future__ import annotations

import errno
import logging
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

from pydantic import PositiveInt

from seodang.config import ExpectationsParams, Format, TableTemplate
from seodang.config.section import Section
from seodang.errors import SeodangError, SourceError
from seodang.i18n import _
from seodang.ingest.fetch.files import LocalFile
from seodang.ingest.file_rows import iter_file_rows
from seodang.ingest.ignored_keys import IgnoredKeys
from seodang.ingest.readers.file_details import FileDetails
from seodang.ingest.readers.text import repair_text
from seodang.ingest.rows import Row
from seodang.ingest.tally import Tally
from seodang.io.jsonl import Writer, read_rows, write_json
from seodang.io.progress import track_progress
from seodang.validation.dataset_checks import build_dataset_violations, compute_metrics
from seodang.validation.ignored_texts import format_ignored_values
from seodang.validation.repeats import find_repeats
from seodang.validation.report import Summary, build_accepted_line, build_quarantine_line, format_dataset_violations
from seodang.validation.token_counts import TokenCounter
from seodang.validation.validated_row import ValidatedRow
from seodang.validation.validator import ValidationContext, validate_rows

logger = logging.getLogger(__name__)

_PIPELINE_RULES = {"accepted-count", "drift", "language-ratio"}  # they do not apply to a single file


class CheckParams(Section):
    """The parameters of `ingest` and `expectations` that a check needs."""

    max_field_characters: PositiveInt
    expectations: ExpectationsParams

    @classmethod
    def load_default(cls) -> Self:
        """Return the defaults, for a folder without a params.yaml."""
        from seodang.config.load import resolve_params

        defaults = resolve_params({})
        expectations = ExpectationsParams.model_validate(defaults["expectations"])
        return cls(
            max_field_characters=defaults["ingest"]["max_field_characters"],
            expectations=expectations.bound_tokens(defaults["train"]["max_length"]),
        )


class RowReport(Protocol):
    """Figures about the accepted rows."""

    def add(self, row: Row) -> None:
        """Take an accepted row into account."""

    def report(self) -> list[dict[str, Any]]:
        """Return the figures as JSON objects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """Files to check, and how to read them."""

    files: Sequence[LocalFile]
    errors: Sequence[str]  # messages about files that cannot be found
    format: Format
    columns: dict[str, str] | None
    table: TableTemplate | None
    counter: TokenCounter | None  # None: tokens are not counted
    report: Path | None  # folder; None: no report
    korean: RowReport | None = None  # measures the Korean of the answers


@dataclass(slots=True)
class CheckResult:
    """The result of a check."""

    summary: Summary
    formats: dict[str, list[str]] = field(default_factory=dict)  # file -> record formats found in it
    details: dict[str, FileDetails] = field(default_factory=dict)  # file -> its encoding and sheets
    held_out: list[str] = field(default_factory=list)  # files of a test or validation split
    ignored_keys: IgnoredKeys = field(default_factory=IgnoredKeys)  # keys that no field of a record holds
    korean: list[dict[str, Any]] = field(default_factory=list)  # the Korean of the answers, by file
    dataset: list[dict[str, Any]] = field(default_factory=list)  # metrics of the data set that are out of bounds

    def to_dict(self) -> dict[str, Any]:
        """Return the summary for JSON; `rules` counts the report lines that name a rule, of any severity."""
        report = self.summary.build_report()
        texts = {"texts": report.pop("rules")}
        return {
            **self.summary.build_counts(),
            "rules": dict(self.summary.rule_counts.most_common()),
            **report,
            "formats": self.formats,
            "files": {file: details.to_dict() for file, details in self.details.items()},
            "held_out": self.held_out,
            "ignored_keys": format_ignored_values(self.ignored_keys),
            "korean": self.korean,
            "dataset": self.dataset,
            **texts,
        }


def check(request: CheckRequest, params: CheckParams) -> CheckResult:
    """Read and check the files, and write the report if one is requested.

    Raises:
        SourceError: If files cannot be used; the message names each with the reason, and nothing is written.
        SeodangError: If the report cannot be written.

    """
    is_new = request.report is not None and not request.report.exists()
    try:
        if request.report:
            _prepare_report(request.report)
        return _check(request, params)
    except OSError as error:  # of the report or the temporary folder; data files raise SourceError
        raise SeodangError(
            _(
                "{folder} cannot be written to ({reason}); choose a folder with write permission and free disk space",
                folder=request.report or tempfile.gettempdir(),
                reason=error.strerror or error,
            )
        ) from error
    finally:
        if is_new and request.report and request.report.is_dir() and not any(request.report.iterdir()):
            request.report.rmdir()


def _prepare_report(report: Path) -> None:
    """Create the folder and test writing to it before long reading; raise OSError or SeodangError if it fails."""
    data_docs = report / "data_docs"
    if data_docs.exists() and not (data_docs / "index.html").is_file():
        raise SeodangError(
            _(
                "{folder} is not part of a report, and the report would replace it; name another folder with --report",
                folder=data_docs,
            )
        )
    report.mkdir(parents=True, exist_ok=True)
    for name in ("accepted.jsonl", "quarantine.jsonl", "summary.json"):
        if (report / name).is_dir():
            raise IsADirectoryError(errno.EISDIR, f"{name} is a folder")
    with tempfile.TemporaryFile(dir=report):
        pass


def _check(request: CheckRequest, params: CheckParams) -> CheckResult:
    result = CheckResult(Summary())
    with tempfile.TemporaryDirectory(prefix="seodang-check-") as scratch:
        spool = Path(scratch) / "rows.jsonl"
        with Writer(spool, allow_nan=True) as writer:
            for row in _iter_rows(request, params, result):
                writer.write(row)
        _validate_spool(spool, request, params.expectations, result)
    if request.report:
        write_json(request.report / "summary.json", result.to_dict())
    return result


def _validate_spool(spool: Path, request: CheckRequest, expectations: ExpectationsParams, result: CheckResult) -> None:
    """Validate the rows of the spool file, write the report, and complete the result."""
    from seodang.validation.expectations import open_validator

    repeats = find_repeats(_read_spool(spool, _("finding repeats")), expectations.limits.max_label_characters)
    context = ValidationContext(expectations, repeats, request.counter, "rows")
    data_docs = request.report / "data_docs" if request.report else None
    with open_validator(context.rules, expectations, name="check", data_docs=data_docs) as validator:
        rows = validate_rows(_read_spool(spool, _("checking rows")), context, validator)
        _write_results(_watch(rows, request.korean), result.summary, request.report)
        metrics = compute_metrics(result.summary.tally, expectations.dataset, None)
        failed = validator.check_dataset([metric for metric in metrics if metric.rule.id not in _PIPELINE_RULES])
    result.korean = request.korean.report() if request.korean else []
    result.dataset = format_dataset_violations(build_dataset_violations(failed, expectations.dataset))


def _iter_rows(request: CheckRequest, params: CheckParams, result: CheckResult) -> Iterator[Row]:
    """Yield the rows of all files; raise SourceError at the end, so that its message lists all unusable files."""
    errors = list(request.errors)
    tally = Tally(ignored_keys=result.ignored_keys, details=result.details)
    for local in request.files:
        location, is_empty = repair_text(local.location), True
        if local.is_held_out:
            result.held_out.append(location)
        try:
            rows = iter_file_rows(
                local.path,
                location,
                format=request.format,
                columns=request.columns,
                table=request.table,
                name=location,
                max_field_characters=params.max_field_characters,
                is_held_out=local.is_held_out,
                tally=tally,
            )
            for row in track_progress(rows, location):
                is_empty = False
                if row["format"] not in (formats := result.formats.setdefault(location, [])):
                    formats.append(row["format"])
                yield row
            if is_empty:
                errors.append(_("{file} is empty: it contains no record", file=location))
        except SourceError as error:
            errors += str(error).splitlines()
    if len(errors) > 1:
        heading = _("problems with the data files ({count}):", count=len(errors))
        raise SourceError("\n  ".join([heading, *errors]))
    if errors:
        raise SourceError(errors[0])


def _read_spool(spool: Path, description: str) -> Iterator[Row]:
    return track_progress(read_rows(spool), description, file=spool)


def _watch(rows: Iterable[ValidatedRow], report: RowReport | None) -> Iterator[ValidatedRow]:
    """Yield the rows, and show the accepted ones to the report."""
    for result in rows:
        if report and result.is_accepted:
            report.add(result.repaired_row)
        yield result


def _write_results(rows: Iterable[ValidatedRow], summary: Summary, report: Path | None) -> None:
    """Count the validated rows, and write each to its file if a report is requested."""
    if report is None:
        for result in rows:
            summary.add(result)
        return
    with Writer(report / "accepted.jsonl") as accepted, Writer(report / "quarantine.jsonl") as quarantine:
        for result in rows:
            summary.add(result)
            if result.is_accepted:
                accepted.write(build_accepted_line(result))
            else:
                quarantine.write(build_quarantine_line(result))
