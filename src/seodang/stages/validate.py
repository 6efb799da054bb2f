"""Stage `validate`: turn rows into records to train on, and quarantine the rest with reasons and fixes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any

from seodang.config import ExpectationsParams, PromptParams
from seodang.errors import ArtifactError, DataRejected
from seodang.i18n import _, ngettext
from seodang.ingest.rows import FIELDS, Row
from seodang.io.atomic import compute_sha256
from seodang.io.jsonl import Writer, read_rows, serialize_record, write_json
from seodang.io.progress import track_progress
from seodang.paths import Paths
from seodang.stages import FromSection, Report
from seodang.validation.dataset_checks import DatasetViolation, Profile, build_dataset_violations, compute_metrics
from seodang.validation.repeats import find_repeats
from seodang.validation.report import Summary, build_quarantine_line, format_dataset_violations, format_top_reasons
from seodang.validation.token_counts import load_counter
from seodang.validation.validated_row import ValidatedRow
from seodang.validation.validator import ValidationContext, validate_rows

logger = logging.getLogger(__name__)


def run(
    *,
    prompt: PromptParams,
    expectations: ExpectationsParams,
    max_length: Annotated[int, FromSection("train")],
    paths: Paths,
) -> Report:
    """Validate the rows, and write records, quarantine, Data Docs and counts.

    Args:
        prompt: Prompt template, with which tokens are counted.
        expectations: Rules and limits.
        max_length: Tokens of a record that training reads; longer records are quarantined.
        paths: Paths of the project.

    Raises:
        DataRejected: If the data set violates a rule with action reject. No records are written then, but all other
            files are, to show why.

    """
    from seodang.validation.expectations import open_validator  # Great Expectations takes seconds to import

    last_profile = _read_last_profile(paths)
    paths.accepted_records.unlink(missing_ok=True)
    sha256 = compute_sha256(paths.records) if paths.records.is_file() else ""
    expectations = expectations.bound_tokens(max_length)
    context = _create_context(prompt, expectations, paths)
    summary, name = Summary(), f"records-{sha256[:12]}"
    with (
        open_validator(context.rules, expectations, name=name, data_docs=paths.data_docs) as validator,
        Writer(paths.accepted_records) as accepted,
    ):
        _write_rows(
            validate_rows(_iter_rows(paths, _("validating rows")), context, validator), summary, accepted, paths
        )
        metrics = compute_metrics(summary.tally, expectations.dataset, last_profile)
        violations = build_dataset_violations(validator.check_dataset(metrics), expectations.dataset)
        report = _build_report(sha256, summary, violations)
        write_json(paths.validate_report, report)
        if report["dataset_errors"]:
            accepted.discard()
    if report["dataset_errors"]:
        raise DataRejected(_format_rejection(violations, summary, paths))
    write_json(paths.data_profile, {"profile": summary.tally.build_profile()})
    _log_summary(violations, summary)
    return report


def _create_context(prompt: PromptParams, expectations: ExpectationsParams, paths: Paths) -> ValidationContext:
    limits = expectations.limits
    counter = load_counter(paths.base, prompt.format) if expectations.actions.too_many_tokens != "off" else None
    return ValidationContext(
        expectations, find_repeats(_iter_rows(paths, _("finding repeats")), limits.max_label_characters), counter
    )


def _write_rows(rows: Iterable[ValidatedRow], summary: Summary, accepted: Writer, paths: Paths) -> None:
    with Writer(paths.quarantine) as quarantine:
        for validated_row in rows:
            summary.add(validated_row)
            if validated_row.is_accepted:
                accepted.write(serialize_record(validated_row.to_record()))
            else:
                quarantine.write(build_quarantine_line(validated_row))


def _build_report(sha256: str, summary: Summary, violations: Sequence[DatasetViolation]) -> dict[str, Any]:
    report = {"input_sha256": sha256, **summary.build_report(), "dataset": format_dataset_violations(violations)}
    report["dataset_errors"] = [violation.rule.id for violation in violations if violation.severity == "reject"]
    return report


def _iter_rows(paths: Paths, description: str) -> Iterator[Row]:
    """Yield the ingested rows; each call reads the file again, because the rows need not fit into memory."""
    index = -1
    for index, row in enumerate(track_progress(read_rows(paths.records), description, file=paths.records)):
        if tuple(row) != FIELDS:
            raise ArtifactError(
                _(
                    "{file}, line {line} has the fields {fields}, expected {expected}; run: dvc repro --force ingest",
                    file=paths.records,
                    line=index + 1,
                    fields=list(row),
                    expected=list(FIELDS),
                )
            )
        yield row
    if index < 0:
        raise ArtifactError(_("{file} is empty; run: dvc repro --force ingest", file=paths.records))


def _read_last_profile(paths: Paths) -> Profile | None:
    """Return the profile of the last accepted run; None before the first run, or if the file cannot be read."""
    try:
        profile: Profile = json.loads(paths.data_profile.read_text("utf-8"))["profile"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return profile


def _log_summary(violations: Sequence[DatasetViolation], summary: Summary) -> None:
    counts: dict[str, Any] = summary.build_counts()
    logger.info(
        ngettext(
            "validated {rows:,} row: {accepted:,} accepted ({repaired:,} repaired, {warned:,} with a warning), "
            "{quarantined:,} quarantined",
            "validated {rows:,} rows: {accepted:,} accepted ({repaired:,} repaired, {warned:,} with a warning), "
            "{quarantined:,} quarantined",
            counts["rows"],
            **counts,
        )
    )
    for violation in violations:
        logger.warning(
            _(
                "the data is accepted with a warning: {reason} ({scope}: {value:.3g}); {fix}",
                reason=violation.rule.reason,
                scope=violation.metric.scope,
                value=violation.metric.value,
                fix=violation.rule.fix,
            )
        )


def _format_rejection(violations: Sequence[DatasetViolation], summary: Summary, paths: Paths) -> str:
    """Return the message that stops the run: violated bounds, most frequent reasons, and files to look at."""
    counts: dict[str, Any] = summary.build_counts()
    reasons = format_top_reasons(summary)
    lines = [
        _(
            "the data is not fit to train on; rows: {rows:,}, accepted: {accepted:,}, "
            "quarantined: {quarantined:,} ({ratio:.1%})",
            ratio=counts["quarantined"] / counts["rows"],
            **counts,
        )
    ]
    for violation in violations:
        if violation.severity == "reject":
            metric, rule = violation.metric, violation.rule
            lines.append(f"  {rule.reason} ({metric.scope}: {metric.value:.4g}); {rule.fix}")
    if reasons:
        lines += [_("most frequent reasons:"), *(f"  {reason}" for reason in reasons)]
    return "\n".join(
        [
            *lines,
            _("rows and fixes: {file}", file=paths.quarantine),
            _("open in a browser: {file}", file=paths.data_docs / "index.html"),
        ]
    )
