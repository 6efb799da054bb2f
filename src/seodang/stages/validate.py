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
from seodang.io.jsonl import Writer, read_rows, record_row, write_json
from seodang.io.progress import progress
from seodang.paths import Paths
from seodang.stages import Report
from seodang.validation.dataset_checks import Measure, Profile, action_of, measures
from seodang.validation.repeats import find_repeats
from seodang.validation.report import Summary, quarantine_line, told_measures, top_reasons
from seodang.validation.token_counts import load_counter
from seodang.validation.validator import Screen, screen

if TYPE_CHECKING:
    from seodang.validation.checks.rule import Rule

logger = logging.getLogger(__name__)


def run(*, prompt: PromptParams, expectations: ExpectationsParams, paths: Paths) -> Report:
    """Judge the rows, and write records, quarantine, Data Docs and counts.

    Raises:
        DataRejected: If the set as a whole is not fit; then no records are written, but all else is, to look at.

    """
    from seodang.validation.expectations import judging, told_of  # Great Expectations takes seconds to import

    last = _last_profile(paths)
    paths.accepted.unlink(missing_ok=True)
    sha256 = sha256_of(paths.records) if paths.records.is_file() else ""
    counter = load_counter(paths.base, prompt.format) if expectations.limits.max_tokens is not None else None
    with_ = Screen(
        expectations, find_repeats(_rows(paths, "repeats"), expectations.limits.max_label_characters), counter
    )
    summary = Summary()
    with (
        judging(with_.rules, expectations, name=f"records-{sha256[:12]}", data_docs=paths.data_docs) as judge,
        Writer(paths.accepted) as accepted,
    ):
        with Writer(paths.quarantine) as quarantine:
            for judged in screen(_rows(paths, "validate"), with_, judge):
                summary.add(judged)
                if judged.accepted:
                    accepted.write(record_row(judged.record()))
                else:
                    quarantine.write(quarantine_line(judged))
        out = judge.whole(measures(summary.tally, expectations.data_set, last))
        broken = [(measure, told_of(measure), action_of(measure.rule, expectations.data_set)) for measure in out]
        report = {"input_sha256": sha256, **summary.report(), "data_set": told_measures(broken)}
        report["data_set_faults"] = [rule.id for _, rule, severity in broken if severity == "reject"]
        write_json(paths.validate_report, report)
        if report["data_set_faults"]:
            accepted.discard()
    if report["data_set_faults"]:
        raise DataRejected(_rejection(broken, summary, paths))
    write_json(paths.data_profile, {"profile": summary.tally.profile()})
    _log(broken, summary)
    return report


def _rows(paths: Paths, doing: str) -> Iterator[Row]:
    """Yield the ingested rows, read anew each time: they need not fit into memory."""
    number = -1
    for number, row in enumerate(progress(read_rows(paths.records), doing, file=paths.records)):
        if tuple(row) != FIELDS:
            raise ArtefactError(
                f"{paths.records}, line {number + 1} has the fields {list(row)}, expected {list(FIELDS)}; run: dvc repro --force ingest"
            )
        yield row
    if number < 0:
        raise ArtefactError(f"{paths.records} is empty; run: dvc repro --force ingest")


def _last_profile(paths: Paths) -> Profile | None:
    """Return the shares of the last run that was accepted; None before the first, or when the file is of no use."""
    try:
        profile: Profile = json.loads(paths.data_profile.read_text("utf-8"))["profile"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return profile


def _log(broken: list[tuple[Measure, Rule, str]], summary: Summary) -> None:
    counts = summary.counts()
    logger.info(
        "validated: %s rows, %s accepted (%s repaired, %s with warnings), %s quarantined",
        *(f"{counts[name]:,}" for name in ("rows", "accepted", "repaired", "warned", "quarantined")),
    )
    for measure, rule, _ in broken:
        logger.warning(
            "validated, but %s (%s: %.3g) / %s; %s",
            rule.reason_en,
            measure.of,
            measure.value,
            rule.reason_ko,
            rule.fix_en,
        )


def _rejection(broken: list[tuple[Measure, Rule, str]], summary: Summary, paths: Paths) -> str:
    """Return the message that stops the run: which bounds, the commonest reasons, and where to look."""
    counts: dict[str, Any] = summary.counts()
    share = counts["quarantined"] / counts["rows"]
    reasons = top_reasons(summary)
    return "\n".join(
        [
            f"the data as a whole is not fit to train on: of {counts['rows']:,} rows {counts['accepted']:,} are accepted, {counts['quarantined']:,} ({share:.1%}) quarantined",
            *(
                f"  {rule.reason_en} ({measure.of}: {measure.value:.4g}); {rule.fix_en}\n  {rule.reason_ko}. {rule.fix_ko}"
                for measure, rule, severity in broken
                if severity == "reject"
            ),
            *(["commonest reasons / 주된 이유:"] if reasons else []),
            *(f"  {reason}" for reason in reasons),
            f"rows and fixes / 행과 고칠 점: {paths.quarantine}",
            f"open in a browser / 브라우저로 열기: {paths.data_docs / 'index.html'}",
        ]
    )
