"""Stage `prepare`: deduplicate, decontaminate, mix and split the accepted records."""

from __future__ import annotations

import json
import logging
from collections import Counter, defaultdict
from contextlib import ExitStack
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from seodang.config import EvaluateParams, IngestParams, PrepareParams
from seodang.evaluation.task_files import iter_file_items
from seodang.i18n import Message, _, get_language
from seodang.io.atomic import compute_sha256, make_scratch_folder
from seodang.io.jsonl import Writer, write_json, write_records
from seodang.io.progress import track_progress
from seodang.paths import Paths
from seodang.preparation.decontamination import Kind, Leak
from seodang.preparation.pipeline import (
    EXACT,
    KEPT,
    LEAK,
    NEAR,
    STATUSES,
    PreparationResult,
    count_by,
    iter_lines,
    prepare_records,
)
from seodang.preparation.preferences import PreferenceTally, split_preferences, write_preferences
from seodang.preparation.splitting import SPLITS
from seodang.stages import Report

logger = logging.getLogger(__name__)

_LANGUAGES = ("en", "ko")  # indexed by the feature `korean`


def run(*, ingest: IngestParams, prepare: PrepareParams, evaluate: EvaluateParams, paths: Paths) -> Report:
    """Write the splits, the removed duplicates and leaks, and a report.

    Raises:
        ArtifactError: If there are no accepted records.
        SplitError: If a split is empty, or if evaluation data leaks into training. In that case nothing is written.
    """
    with make_scratch_folder(paths.prepare_report.with_name("sketches")) as scratch:
        result = prepare_records(paths.accepted_records, ingest, prepare, scratch)
    _write_splits(result, paths)
    preferences = _prepare_preferences(prepare, evaluate, paths)
    report = _build_report(result, ingest, paths) | ({"preferences": preferences} if preferences else {})
    write_json(paths.prepare_report, report)
    logger.info(_("prepared: {counts}", counts=_format_counts(report["splits"])))
    logger.info(_("left out: {counts}", counts=_format_counts(report["left_out"])))
    for warning in report["warnings"]:
        logger.warning(warning[get_language()])
    return report


def _prepare_preferences(prepare: PrepareParams, evaluate: EvaluateParams, paths: Paths) -> dict[str, Any]:
    """Write the preference records to train on and the held-out ones; return their counts, {} if there are none.

    The task files are read only if there are preference records.
    """
    tally = PreferenceTally()
    with ExitStack() as stack:
        files = {
            "train": paths.preferences_train,
            "test": paths.preferences_test,
            "left_out": paths.preferences_left_out,
        }
        writers = {name: stack.enter_context(Writer(file)) for name, file in files.items()}
        accepted = paths.accepted_preferences
        if accepted.exists() and accepted.stat().st_size:
            scratch = stack.enter_context(make_scratch_folder(paths.prepare_report.with_name("preferences")))
            task_items = scratch / "task_items.jsonl"
            write_records(task_items, iter_file_items(evaluate, paths.tasks, paths.root))
            items = [*(paths.get_split_path(name) for name in SPLITS if name != "train"), task_items]
            write_preferences(accepted, split_preferences(accepted, items, prepare, scratch), writers, tally)
    if not tally.sizes:
        return {}
    report = tally.build_report()
    logger.info(
        _(
            "prepared preferences: train {train:,}, held out {test:,}, left out {left_out:,}",
            train=report["train"],
            test=report["test"],
            left_out=sum(report["left_out"].values()),
        )
    )
    return report | {"sha256": {name: compute_sha256(file) for name, file in files.items() if name != "left_out"}}


def _format_counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _write_splits(result: PreparationResult, paths: Paths) -> None:
    """Write the splits, the duplicates and the leaks; an interrupted run keeps the old files."""
    with ExitStack() as stack:
        splits = [stack.enter_context(Writer(paths.get_split_path(name))) for name in SPLITS]
        duplicates, leaks = (stack.enter_context(Writer(path)) for path in (paths.duplicates, paths.leaks))
        by_record: dict[int, list[Leak]] = defaultdict(list)
        for leak in result.leaks:
            by_record[leak.record].append(leak)

        def leave_out(number: int, line: str) -> None:
            if result.status[number] in (EXACT, NEAR):
                duplicates.write(_build_duplicate_row(result, number, json.loads(line)))
            for leak in by_record.get(number, []):
                leaks.write(_build_leak_row(result, leak, json.loads(line)))

        for split, line in track_progress(
            iter_lines(paths.accepted_records, result, leave_out), _("writing splits"), total=int(result.copies.sum())
        ):
            splits[split].write_line(line)


def _build_duplicate_row(result: PreparationResult, number: int, row: dict[str, Any]) -> dict[str, Any]:
    removed = result.duplicates
    return {
        "id": row["id"],
        "kept": _get_record_id(result, int(removed.representative[number])),
        "kind": "exact" if removed.exact[number] else "near",
        "similarity": round(float(removed.similarity[number]), 3),
        **_get_location(row),
    }


def _build_leak_row(result: PreparationResult, leak: Leak, row: dict[str, Any]) -> dict[str, Any]:
    tasks = list(result.features.tasks)
    return {
        "item": _get_record_id(result, leak.item),
        "item_task": tasks[result.features.rows["task"][leak.item]],
        "record": row["id"],
        "kind": leak.kind,
        "overlap": round(leak.overlap, 3),
        **_get_location(row),
    }


def _get_record_id(result: PreparationResult, number: int) -> str:
    return str(result.features.rows["id"][number].decode())


def _get_location(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("source", "file", "source_row")}


def _build_report(result: PreparationResult, ingest: IngestParams, paths: Paths) -> dict[str, Any]:
    rows = result.features.rows
    status_counts = np.bincount(result.status, minlength=len(STATUSES)).tolist()
    cluster_sizes = np.bincount(result.leaders)
    kinds = Counter({leak.record: leak.kind for leak in reversed(result.leaks)}.values())
    return {
        "input_sha256": compute_sha256(paths.accepted_records),
        "records": len(rows),
        "splits": {name: int(result.copies[result.split == number].sum()) for number, name in enumerate(SPLITS)},
        "replay_sources": [source.name for source in ingest.sources if source.replay],
        "copies": int(np.maximum(result.copies - 1, 0).sum()),
        "left_out": dict(zip(STATUSES[1:], status_counts[1:], strict=True)),
        "by_source": _count_by_source(result),
        "languages": _count_by_name(result, rows["korean"].astype(np.int32), _LANGUAGES),
        "tasks": _count_by_name(result, rows["task"], list(result.features.tasks)),
        "duplicates": {
            "clusters": int((cluster_sizes > 1).sum()),
            "largest": int(cluster_sizes.max()),
            "removed": status_counts[EXACT] + status_counts[NEAR],
        },
        "leaks": {
            "items": len({leak.item for leak in result.leaks}),
            "records": status_counts[LEAK],
            "by_kind": {kind: kinds[kind] for kind in get_args(Kind)},
        },
        "warnings": _build_warnings(result),
        "sha256": {name: compute_sha256(paths.get_split_path(name)) for name in SPLITS},
    }


def _count_by_source(result: PreparationResult) -> dict[str, dict[str, int]]:
    """Return for each source the accepted records, the records left out by reason, and the lines in each split."""
    sources, rows = list(result.features.sources), result.features.rows
    status_counts = count_by(rows["source"], result.status, (len(sources), len(STATUSES)))
    split_counts = count_by(rows["source"], result.split, (len(sources), len(SPLITS)), result.copies)
    reasons = [reason for reason in range(len(STATUSES)) if reason != KEPT]
    return {
        name: {
            "accepted": int(status_counts[number].sum()),
            **{STATUSES[reason]: int(status_counts[number, reason]) for reason in reasons},
            **{split: int(split_counts[number, index]) for index, split in enumerate(SPLITS)},
        }
        for number, name in enumerate(sources)
    }


def _count_by_name(
    result: PreparationResult, groups: NDArray[np.int32], names: tuple[str, ...] | list[str]
) -> dict[str, dict[str, int]]:
    """Return the number of lines by split and name, sorted by name, without zeros."""
    counts = count_by(groups, result.split, (len(names), len(SPLITS)), result.copies)
    return {
        split: {
            name: int(counts[number, index])
            for number, name in sorted(enumerate(names), key=lambda pair: pair[1])
            if counts[number, index]
        }
        for index, split in enumerate(SPLITS)
    }


def _build_warnings(result: PreparationResult) -> list[dict[str, str]]:
    missing = result.replay_missing
    if not missing:
        return []
    message = Message(
        "the replay sources lack {count:,} record for prepare.replay_ratio; give more records or lower the ratio",
        plural="the replay sources lack {count:,} records for prepare.replay_ratio; give more records or lower the ratio",
        count=missing,
    )
    return [message.to_json()]
