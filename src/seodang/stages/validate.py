"""Stage `validate`: rows to records that may be trained on, and the rest to quarantine with reason and fix."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from seodang.config import ExpectationsParams, PromptParams
from seodang.errors import ArtefactError, DataRejected
from seodang.ingest.rows import FIELDS, Row
from seodang.io.atomic import sha256_of
from seodang.io.jsonl import Writer, read_rows, serialize_record, write_json
from seodang.io.progress import track_progress
from seodang.paths import Paths
from seodang.stages import Report
from seodang.validation.dataset_checks import DatasetMetric, Profile, compute_metrics, get_dataset_action
from seodang.validation.repeats import find_repeats
from seodang.validation.report import Summary, build_quarantine_line, format_dataset_violations, format_top_reasons
from seodang.validation.token_counts import load_counter
from seodang.validation.validator import ValidationContext, validate_rows

if TYPE_CHECKING:
    from seodang.validation.checks.rule import Rule

logger = logging.getLogger(__name__)


def run(*, prompt: PromptParams, expectations: ExpectationsParams, paths: Paths) -> Report:
    """Judge the rows, and write records, quarantine, Data Docs and counts.

    Raises:
        DataRejected: If the set as a whole is not fit; then no records are written, but all else is, to look at.

    """
    from seodang.validation.expectations import (  # Great Expectations takes seconds to import
        format_dataset_rule,
        open_validator,
    )

    last_profile = _read_last_profile(paths)
    paths.accepted_records.unlink(missing_ok=True)
    sha256 = sha256_of(paths.records) if paths.records.is_file() else ""
    counter = load_counter(paths.base, prompt.format) if expectations.limits.max_tokens is not None else None
    screening = ValidationContext(
        expectations, find_repeats(_iter_rows(paths, "repeats"), expectations.limits.max_label_characters), counter
    )
    summary = Summary()
    with (
        open_validator(
            screening.rules, expectations, name=f"records-{sha256[:12]}", data_docs=paths.data_docs
        ) as validator,
        Writer(paths.accepted_records) as accepted,
    ):
        with Writer(paths.quarantine) as quarantine:
            for validated_row in validate_rows(_iter_rows(paths, "validate"), screening, validator):
                summary.add(validated_row)
                if validated_row.is_accepted:
                    accepted.write(serialize_record(validated_row.to_record()))
                else:
                    quarantine.write(build_quarantine_line(validated_row))
        failed_checks = validator.check_dataset(compute_metrics(summary.tally, expectations.dataset, last_profile))
        violations = [
            (measure, format_dataset_rule(measure), get_dataset_action(measure.rule, expectations.dataset))
            for measure in failed_checks
        ]
        report = {"input_sha256": sha256, **summary.build_report(), "dataset": format_dataset_violations(violations)}
        report["dataset_errors"] = [rule.id for _, rule, severity in violations if severity == "reject"]
        write_json(paths.validate_report, report)
        if report["dataset_errors"]:
            accepted.discard()
    if report["dataset_errors"]:
        raise DataRejected(_format_rejection(violations, summary, paths))
    write_json(paths.data_profile, {"profile": summary.tally.build_profile()})
    _log_summary(violations, summary)
    return report


def _iter_rows(paths: Paths, description: str) -> Iterator[Row]:
    """Yield the ingested rows, read anew each time: they need not fit into memory."""
    number = -1
    for number, row in enumerate(track_progress(read_rows(paths.records), description, file=paths.records)):
        if tuple(row) != FIELDS:
            raise ArtefactError(
                f"{paths.records}, line {number + 1} has the fields {list(row)}, expected {list(FIELDS)}; run: dvc repro --force ingest"
            )
        yield row
    if number < 0:
        raise ArtefactError(f"{paths.records} is empty; run: dvc repro --force ingest")


def _read_last_profile(paths: Paths) -> Profile | None:
    """Return the shares of the last run that was accepted; None before the first, or when the file is of no use."""
    try:
        profile: Profile = json.loads(paths.data_profile.read_text("utf-8"))["profile"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return profile


def _log_summary(violations: list[tuple[DatasetMetric, Rule, str]], summary: Summary) -> None:
    counts = summary.build_counts()
    logger.info(
        "validated: %s rows, %s accepted (%s repaired, %s with warnings), %s quarantined",
        *(f"{counts[name]:,}" for name in ("rows", "accepted", "repaired", "warned", "quarantined")),
    )
    for metric, rule, _ in violations:
        logger.warning(
            "validated, but %s (%s: %.3g) / %s; %s",
            rule.reason_en,
            metric.scope,
            metric.value,
            rule.reason_ko,
            rule.fix_en,
        )


def _format_rejection(violations: list[tuple[DatasetMetric, Rule, str]], summary: Summary, paths: Paths) -> str:
    """Return the message that stops the run: which bounds, the commonest reasons, and where to look."""
    counts: dict[str, Any] = summary.build_counts()
    ratio = counts["quarantined"] / counts["rows"]
    reasons = format_top_reasons(summary)
    return "\n".join(
        [
            f"the data as a whole is not fit to train on: of {counts['rows']:,} rows {counts['accepted']:,} are accepted, {counts['quarantined']:,} ({ratio:.1%}) quarantined",
            *(
                f"  {rule.reason_en} ({measure.scope}: {measure.value:.4g}); {rule.fix_en}\n  {rule.reason_ko}. {rule.fix_ko}"
                for measure, rule, severity in violations
                if severity == "reject"
            ),
            *(["commonest reasons / 주된 이유:"] if reasons else []),
            *(f"  {reason}" for reason in reasons),
            f"rows and fixes / 행과 고칠 점: {paths.quarantine}",
            f"open in a browser / 브라우저로 열기: {paths.data_docs / 'index.html'}",
        ]
    )
