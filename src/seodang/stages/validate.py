"""Stage `validate`: turn rows into records to train on, and quarantine the rest with reasons and fixes."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
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
from seodang.validation.dataset_checks import (
    DatasetViolation,
    Profile,
    build_dataset_violations,
    compute_metrics,
    compute_preference_metrics,
)
from seodang.validation.repeats import find_repeats
from seodang.validation.report import Summary, build_quarantine_line, format_dataset_violations, format_top_reasons
from seodang.validation.token_counts import load_counter
from seodang.validation.validated_row import ValidatedRow
from seodang.validation.validator import ValidationContext, Validator, validate_rows

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
    for file in (paths.accepted_records, paths.accepted_preferences):
        file.unlink(missing_ok=True)
    sha256 = compute_sha256(paths.records) if paths.records.is_file() else ""
    expectations = expectations.bound_tokens(max_length)
    context = _create_context(prompt, expectations, paths)
    summary, preferences, name = Summary(), Summary(), f"records-{sha256[:12]}"
    with (
        open_validator(context.rules, expectations, name=name, data_docs=paths.data_docs) as validator,
        Writer(paths.accepted_records) as accepted,
        Writer(paths.accepted_preferences) as accepted_preferences,
        Writer(paths.quarantine) as quarantine,
    ):
        rows = _iter_rows(paths.records, _("validating rows"))
        _write_rows(validate_rows(rows, context, validator), summary, accepted, quarantine)
        metrics = compute_metrics(summary.tally, expectations.dataset, last_profile)
        if has_preferences(paths):
            pairs = _validate_preferences(expectations, validator, paths)
            _write_rows(pairs, preferences, accepted_preferences, quarantine)
            metrics += compute_preference_metrics(preferences.tally, expectations.dataset)
        violations = build_dataset_violations(validator.check_dataset(metrics), expectations.dataset)
        report = _build_report(sha256, summary, preferences, violations)
        write_json(paths.validate_report, report)
        if report["dataset_errors"]:
            accepted.discard()
            accepted_preferences.discard()
    if report["dataset_errors"]:
        raise DataRejected(_format_rejection(violations, (summary, preferences), paths))
    write_json(paths.data_profile, {"profile": summary.tally.build_profile()})
    _log_summary(violations, summary)
    if preferences.tally.rows:
        _log_preferences(preferences)
    return report


def _create_context(prompt: PromptParams, expectations: ExpectationsParams, paths: Paths) -> ValidationContext:
    limits = expectations.limits
    counter = load_counter(paths.base, prompt.format) if expectations.actions.too_many_tokens != "off" else None
    repeats = find_repeats(_iter_rows(paths.records, _("finding repeats")), limits.max_label_characters)
    return ValidationContext(expectations, repeats, counter, "rows")


def has_preferences(paths: Paths) -> bool:
    """Return whether stage `ingest` wrote rows of preference sources."""
    return paths.preference_rows.exists() and paths.preference_rows.stat().st_size > 0


def _validate_preferences(
    expectations: ExpectationsParams, validator: Validator, paths: Paths
) -> Iterator[ValidatedRow]:
    """Yield the validated preference rows. They repeat only each other, and stage `align` counts their tokens."""
    rows = _iter_rows(paths.preference_rows, _("finding repeats"))
    repeats = find_repeats(rows, expectations.limits.max_label_characters)
    context = ValidationContext(expectations, repeats, None, "preferences")
    yield from validate_rows(_iter_rows(paths.preference_rows, _("validating preferences")), context, validator)


def _write_rows(rows: Iterable[ValidatedRow], summary: Summary, accepted: Writer, quarantine: Writer) -> None:
    for validated_row in rows:
        summary.add(validated_row)
        if validated_row.is_accepted:
            accepted.write(serialize_record(validated_row.to_record()))
        else:
            quarantine.write(build_quarantine_line(validated_row))


def _build_report(
    sha256: str, summary: Summary, preferences: Summary, violations: Sequence[DatasetViolation]
) -> dict[str, Any]:
    report = {"input_sha256": sha256, **summary.build_report(), "dataset": format_dataset_violations(violations)}
    report["dataset_errors"] = [violation.rule.id for violation in violations if violation.severity == "reject"]
    if preferences.tally.rows:
        report["preferences"] = preferences.build_report()
    return report


def _iter_rows(file: Path, description: str) -> Iterator[Row]:
    """Yield the ingested rows; each call reads the file again, because the rows need not fit into memory."""
    index = -1
    for index, row in enumerate(track_progress(read_rows(file), description, file=file)):
        if tuple(row) != FIELDS:
            raise ArtifactError(
                _(
                    "{file}, line {line} has the fields {fields}, expected {expected}; run: dvc repro --force ingest",
                    file=file,
                    line=index + 1,
                    fields=list(row),
                    expected=list(FIELDS),
                )
            )
        yield row
    if index < 0:
        raise ArtifactError(_("{file} is empty; run: dvc repro --force ingest", file=file))


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


def _log_preferences(preferences: Summary) -> None:
    counts: dict[str, Any] = preferences.build_counts()
    logger.info(
        ngettext(
            "validated {rows:,} preference row: {accepted:,} accepted, {quarantined:,} quarantined",
            "validated {rows:,} preference rows: {accepted:,} accepted, {quarantined:,} quarantined",
            counts["rows"],
            **counts,
        )
    )


def _format_rejection(violations: Sequence[DatasetViolation], summaries: tuple[Summary, Summary], paths: Paths) -> str:
    """Return the message that stops the run: violated bounds, most frequent reasons, and files to look at."""
    counts: dict[str, Any] = dict(sum((Counter(summary.build_counts()) for summary in summaries), Counter()))
    counts = {name: counts.get(name, 0) for name in summaries[0].build_counts()}
    reasons = [reason for summary in summaries for reason in format_top_reasons(summary)]
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
