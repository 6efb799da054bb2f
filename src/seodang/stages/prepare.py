"""Stage `prepare`: accepted records to train, validation, test and unseen tasks."""

from __future__ import annotations

import logging
from collections import Counter

from seodang.data.splitting import leaked, split_records
from seodang.errors import SplitError
from seodang.jsonl import read_records, sha256_of, write_json, write_records
from seodang.params import PrepareParams
from seodang.paths import Paths
from seodang.stages import Report

logger = logging.getLogger(__name__)


def run(*, prepare: PrepareParams, paths: Paths) -> Report:
    """Split the accepted records and write the counts of each side."""
    records = list(read_records(paths.accepted))
    splits = split_records(records, prepare)
    if count := leaked(splits):
        raise SplitError(f"{count} training records ask exactly what evaluation asks; this is a fault of the split, report it")
    for name, rows in splits.items():
        write_records(paths.split(name), rows)
    report = {
        "input_sha256": sha256_of(paths.accepted),
        "records": len(records),
        "splits": {name: len(rows) for name, rows in splits.items()},
        "left_out_as_leaks": len(records) - sum(map(len, splits.values())),
        "languages": {name: dict(Counter(row.language for row in rows)) for name, rows in splits.items()},
        "tasks": {name: dict(sorted(Counter(row.task for row in rows).items())) for name, rows in splits.items()},
        "sha256": {name: sha256_of(paths.split(name)) for name in splits},
    }
    write_json(paths.prepare_report, report)
    logger.info("prepared: %s", ", ".join(f"{name} {len(rows)}" for name, rows in splits.items()))
    return report
