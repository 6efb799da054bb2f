"""Stage `validate`: rows to records that may be trained on, and the rest to quarantine with reason and fix."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from seodang.data.rows import FIELDS, Row
from seodang.errors import ArtefactError, DataRejected
from seodang.jsonl import read_rows, sha256_of, write_json, write_records, write_rows
from seodang.params import ExpectationsParams
from seodang.paths import Paths
from seodang.records import Record, make_record
from seodang.stages import Report

if TYPE_CHECKING:
    from seodang.data.expectations import Failure, Outcome

logger = logging.getLogger(__name__)

_TOP_REASONS = 5


def run(*, expectations: ExpectationsParams, paths: Paths) -> Report:
    """Judge the rows, and write records, quarantine, Data Docs and counts.

    Raises:
        DataRejected: If the set as a whole is not fit; then no records are written, but all else is, to look at.

    """
    from seodang.data.expectations import judge  # Great Expectations takes seconds to import

    paths.accepted.unlink(missing_ok=True)
    sha256 = sha256_of(paths.records) if paths.records.is_file() else ""
    outcome = judge(_rows(paths), expectations, run_name=f"records-{sha256[:12]}", data_docs=paths.data_docs)
    write_rows(paths.quarantine, (_quarantined(row, outcome.failures[number]) for number, row in enumerate(_rows(paths)) if number in outcome.failures))
    report = _report(outcome, paths, sha256)
    write_json(paths.validate_report, report)
    if outcome.data_failures:
        raise DataRejected(_rejection(outcome, report, paths))
    write_records(paths.accepted, (_record(row) for number, row in enumerate(_rows(paths)) if number not in outcome.failures))
    logger.info("validated: %s rows, %s accepted, %s quarantined", *(f"{report[name]:,}" for name in ("rows", "accepted", "quarantined")))
    return report


def _rows(paths: Paths) -> Iterator[Row]:
    """Yield the ingested rows, read anew each time: they need not fit into memory."""
    number = -1
    for number, row in enumerate(read_rows(paths.records)):
        if tuple(row) != FIELDS:
            raise ArtefactError(f"{paths.records}, line {number + 1} has the fields {list(row)}, expected {list(FIELDS)}; run: dvc repro --force ingest")
        yield row
    if number < 0:
        raise ArtefactError(f"{paths.records} is empty; run: dvc repro --force ingest")


def _record(row: Row) -> Record:
    return make_record(**{name: value for name, value in row.items() if name not in {"choices", "oversized"}}, choices=tuple(row["choices"]))


def _quarantined(row: Row, failures: list[Failure]) -> dict[str, Any]:
    rules = [
        {
            "id": failure.rule.id,
            "field": failure.rule.field,
            "found": failure.found(row),
            "reason_ko": failure.rule.reason_ko,
            "reason_en": failure.rule.reason_en,
            "fix_ko": failure.rule.fix_ko,
            "fix_en": failure.rule.fix_en,
        }
        for failure in failures
    ]
    return {"source": row["source"], "file": row["file"], "source_row": row["source_row"], "row": row, "rules": rules}


def _report(outcome: Outcome, paths: Paths, sha256: str) -> dict[str, Any]:
    sources: dict[str, Counter[str]] = {}
    for number, row in enumerate(_rows(paths)):
        verdict = "quarantined" if number in outcome.failures else "accepted"
        sources.setdefault(row["source"], Counter(accepted=0, quarantined=0))[verdict] += 1
    by_rule = Counter(failure.rule.id for failures in outcome.failures.values() for failure in failures)
    return {
        "input_sha256": sha256,
        "rows": outcome.rows,
        "accepted": outcome.rows - len(outcome.failures),
        "quarantined": len(outcome.failures),
        "by_rule": dict(by_rule.most_common()),
        "by_source": {name: dict(counts) for name, counts in sources.items()},
        "data_set_faults": [failure.rule.id for failure in outcome.data_failures],
    }


def _rejection(outcome: Outcome, report: Report, paths: Paths) -> str:
    """Return the message that stops the run: which bounds, the commonest reasons, and where to look."""
    rules = {failure.rule.id: failure.rule for failures in outcome.failures.values() for failure in failures}
    share = report["quarantined"] / report["rows"]
    return "\n".join(
        [
            f"the data as a whole is not fit to train on: of {report['rows']:,} rows {report['accepted']:,} are accepted, {report['quarantined']:,} ({share:.1%}) quarantined",
            *(f"  {rule.reason_en}; {rule.fix_en}\n  {rule.reason_ko}. {rule.fix_ko}" for rule in (failure.rule for failure in outcome.data_failures)),
            *(["commonest reasons / 주된 이유:"] if rules else []),
            *(f"  {count:,} {id}: {rules[id].reason_en} / {rules[id].reason_ko}" for id, count in list(report["by_rule"].items())[:_TOP_REASONS]),
            f"rows and fixes / 행과 고칠 점: {paths.quarantine}",
            f"open in a browser / 브라우저로 열기: {paths.data_docs / 'index.html'}",
        ]
    )
