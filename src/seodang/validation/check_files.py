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
from seodang.ingest.readers.text import mended
from seodang.ingest.rows import Row
from seodang.ingest.sources import file_rows
from seodang.io.jsonl import Writer, read_rows, write_json
from seodang.io.progress import progress
from seodang.validation.dataset_checks import action_of, measures
from seodang.validation.repeats import find_repeats
from seodang.validation.report import Summary, accepted_line, quarantine_line, told_measures
from seodang.validation.token_counts import TokenCounter
from seodang.validation.validator import Screen, screen

logger = logging.getLogger(__name__)

_OF_A_PIPELINE = {"accepted-count", "drift", "language-share"}  # what a single file need not be


class CheckParams(Section):
    """The parameters of a check: those of `ingest` and `expectations` that it needs."""

    max_field_characters: PositiveInt
    expectations: ExpectationsParams

    @classmethod
    def shipped(cls) -> Self:
        """Return the parameters for a folder without a params.yaml: those of profile tiny."""
        from seodang.config.load import read_yaml

        with resources.as_file(resources.files("seodang.validation") / "check.yaml") as file:
            return cls.model_validate(read_yaml(file))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be checked, and how it is to be read."""

    files: Sequence[LocalFile]
    faults: Sequence[str]  # what is wrong with those that were named and can't be read
    format: Format
    columns: dict[str, str] | None
    table: TableTemplate | None
    counter: TokenCounter | None  # None: tokens are not counted
    report: Path | None  # folder; None: nothing is written


@dataclass(slots=True)
class Checked:
    """What a check came to."""

    summary: Summary
    formats: dict[str, list[str]] = field(default_factory=dict)  # file -> record formats met in it
    data_set: list[dict[str, Any]] = field(default_factory=list)  # figures of the whole that are out of bounds

    def content(self) -> dict[str, Any]:
        """Return the summary as one object; `rules` counts the report lines that name a rule, whatever its severity."""
        report = self.summary.report()
        texts = {"texts": report.pop("rules")}
        return {
            **self.summary.counts(),
            "rules": dict(self.summary.met.most_common()),
            **report,
            "formats": self.formats,
            "data_set": self.data_set,
            **texts,
        }


def check(wanted: Wanted, params: CheckParams) -> Checked:
    """Read and judge the files, and write the report where one is wanted.

    Raises:
        SourceError: Naming every file that cannot be used, and why; nothing is written then.
        SeodangError: If the report cannot be written.

    """
    made = wanted.report is not None and not wanted.report.exists()
    try:
        if wanted.report:
            _prepare_report(wanted.report)
        return _check(wanted, params)
    except OSError as error:  # of the files' own, SourceError tells
        raise SeodangError(
            f"{wanted.report or tempfile.gettempdir()} cannot be written to ({error.strerror or error}); name a folder that you may write to, with room on its disk / 쓸 수 없는 폴더입니다"
        ) from error
    finally:
        if made and wanted.report and wanted.report.is_dir() and not any(wanted.report.iterdir()):
            wanted.report.rmdir()


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


def _check(wanted: Wanted, params: CheckParams) -> Checked:
    from seodang.validation.expectations import judging, told_of

    with tempfile.TemporaryDirectory(prefix="seodang-check-") as scratch:
        spool = Path(scratch) / "rows.jsonl"
        checked = Checked(Summary())
        with Writer(spool, exact=True) as writer:
            for row in _all_rows(wanted, params, checked):
                writer.write(row)
        limits = params.expectations.limits
        with_ = Screen(
            params.expectations, find_repeats(_spooled(spool, "repeats"), limits.max_label_characters), wanted.counter
        )
        data_docs = wanted.report / "data_docs" if wanted.report else None
        with judging(with_.rules, params.expectations, name="check", data_docs=data_docs) as judge:
            _judge(screen(_spooled(spool, "check"), with_, judge), checked.summary, wanted.report)
            figures = [
                measure
                for measure in measures(checked.summary.tally, params.expectations.data_set, None)
                if measure.rule.id not in _OF_A_PIPELINE
            ]
            out = judge.whole(figures)
        checked.data_set = told_measures(
            [(measure, told_of(measure), action_of(measure.rule, params.expectations.data_set)) for measure in out]
        )
    if wanted.report:
        write_json(wanted.report / "summary.json", checked.content())
    return checked


def _all_rows(wanted: Wanted, params: CheckParams, checked: Checked) -> Iterator[Row]:
    """Yield the rows of all files; a file's fault is told only after the others have been read, so that one run tells all."""
    faults = list(wanted.faults)
    for local in wanted.files:
        path, place, empty = local.path, mended(local.place), True
        try:
            read = file_rows(
                path,
                place,
                format=wanted.format,
                columns=wanted.columns,
                table=wanted.table,
                name=place,
                max_field_characters=params.max_field_characters,
            )
            for row in progress(read, place):
                empty = False
                if row["format"] not in (met := checked.formats.setdefault(place, [])):
                    met.append(row["format"])
                yield row
            if empty:
                faults.append(f"{place} is empty: there is no record in it / 비어 있습니다: 레코드가 없습니다")
        except SourceError as error:
            faults += str(error).splitlines()
    if faults:
        raise SourceError(
            "\n  ".join([f"{len(faults)} faults / 쓸 수 없는 파일:", *faults]) if len(faults) > 1 else faults[0]
        )


def _spooled(spool: Path, doing: str) -> Iterator[Row]:
    return progress(read_rows(spool), doing, file=spool)


def _judge(rows: Iterable[Any], summary: Summary, report: Path | None) -> None:
    """Count the judged rows, and write each to its file where a report is wanted."""
    if report is None:
        for judged in rows:
            summary.add(judged)
        return
    with Writer(report / "accepted.jsonl") as accepted, Writer(report / "quarantine.jsonl") as quarantine:
        for judged in rows:
            summary.add(judged)
            if judged.accepted:
                accepted.write(accepted_line(judged))
            else:
                quarantine.write(quarantine_line(judged))
