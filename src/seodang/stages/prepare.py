"""Stage `prepare`: accepted records to train, validation, test and unseen tasks, without duplicates and leaks."""

from __future__ import annotations

import json
import logging
import tempfile
from collections import Counter, defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seodang.config import IngestParams, PrepareParams
from seodang.io.atomic import sha256_of
from seodang.io.jsonl import Writer, write_json
from seodang.io.progress import progress
from seodang.paths import Paths
from seodang.preparation.decontamination import Leak
from seodang.preparation.pipeline import (
    EXACT,
    FATES,
    KEPT,
    LEAK,
    NEAR,
    Prepared,
    count_by,
    lines_to_write,
    prepare_records,
)
from seodang.preparation.splitting import SPLITS
from seodang.stages import Report

logger = logging.getLogger(__name__)

_LANGUAGES = ("en", "ko")  # by Traits' korean


def run(*, ingest: IngestParams, prepare: PrepareParams, paths: Paths) -> Report:
    """Remove duplicates and leaks, mix and split the accepted records; write what was left out, and why.

    Raises:
        SplitError: If a split would be empty, or if evaluation data leaks into training; nothing is written then.
    """
    paths.prepare_report.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".sketches-", dir=paths.prepare_report.parent) as scratch:
        prepared = prepare_records(paths.accepted, ingest, prepare, Path(scratch))
    _write(prepared, paths)
    report = _report(prepared, paths)
    write_json(paths.prepare_report, report)
    logger.info("prepared: %s", ", ".join(f"{name} {count:,}" for name, count in report["splits"].items()))
    logger.info("left out: %s", ", ".join(f"{name} {count:,}" for name, count in report["left_out"].items()))
    for warning in report["warnings"]:
        logger.warning("%s / %s", warning["ko"], warning["en"])
    return report


def _write(prepared: Prepared, paths: Paths) -> None:
    """Write the splits, the duplicates and the leaks, all at once: a run that is stopped leaves the old ones."""
    with ExitStack() as stack:
        splits = [stack.enter_context(Writer(paths.split(name))) for name in SPLITS]
        duplicates, leaks = (stack.enter_context(Writer(path)) for path in (paths.duplicates, paths.leaks))
        by_record: dict[int, list[Leak]] = defaultdict(list)
        for leak in prepared.leaks:
            by_record[leak.record].append(leak)

        def leave_out(number: int, line: str) -> None:
            if prepared.fate[number] in (EXACT, NEAR):
                duplicates.write(_duplicate(prepared, number, json.loads(line)))
            for leak in by_record.get(number, []):
                leaks.write(_leak(prepared, leak, json.loads(line)))

        for split, line in progress(
            lines_to_write(paths.accepted, prepared, leave_out), "나누기 · splits", total=int(prepared.copies.sum())
        ):
            splits[split].write_line(line)


def _duplicate(prepared: Prepared, number: int, row: dict[str, Any]) -> dict[str, Any]:
    removed = prepared.removed
    return {
        "id": row["id"],
        "kept": _id(prepared, int(removed.kept[number])),
        "kind": "exact" if removed.exact[number] else "near",
        "similarity": round(float(removed.similarity[number]), 3),
        **_place(row),
    }


def _leak(prepared: Prepared, leak: Leak, row: dict[str, Any]) -> dict[str, Any]:
    tasks = list(prepared.traits.tasks)
    return {
        "item": _id(prepared, leak.item),
        "item_task": tasks[prepared.traits.rows["task"][leak.item]],
        "record": row["id"],
        "kind": leak.kind,
        "overlap": round(leak.overlap, 3),
        **_place(row),
    }


def _id(prepared: Prepared, number: int) -> str:
    return str(prepared.traits.rows["id"][number].decode())


def _place(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("source", "file", "source_row")}


def _report(prepared: Prepared, paths: Paths) -> dict[str, Any]:
    rows = prepared.traits.rows
    fates = np.bincount(prepared.fate, minlength=len(FATES)).tolist()
    sizes = np.bincount(prepared.leaders)
    kinds = Counter({leak.record: leak.kind for leak in reversed(prepared.leaks)}.values())
    return {
        "input_sha256": sha256_of(paths.accepted),
        "records": len(rows),
        "splits": {name: int(prepared.copies[prepared.split == number].sum()) for number, name in enumerate(SPLITS)},
        "copies": int(np.maximum(prepared.copies - 1, 0).sum()),
        "left_out": dict(zip(FATES[1:], fates[1:], strict=True)),
        "by_source": _by_source(prepared),
        "languages": _by_name(prepared, rows["korean"].astype(np.int32), _LANGUAGES),
        "tasks": _by_name(prepared, rows["task"], list(prepared.traits.tasks)),
        "duplicates": {
            "clusters": int((sizes > 1).sum()),
            "largest": int(sizes.max()),
            "removed": fates[EXACT] + fates[NEAR],
        },
        "leaks": {
            "items": len({leak.item for leak in prepared.leaks}),
            "records": fates[LEAK],
            "by_kind": {kind: kinds[kind] for kind in ("exact", "ngram", "minhash")},
        },
        "warnings": _warnings(prepared),
        "sha256": {name: sha256_of(paths.split(name)) for name in SPLITS},
    }


def _by_source(prepared: Prepared) -> dict[str, dict[str, int]]:
    """Return for each source the accepted records, those left out by reason, and its lines in each split."""
    sources, rows = list(prepared.traits.sources), prepared.traits.rows
    fates = count_by(rows["source"], prepared.fate, (len(sources), len(FATES)))
    splits = count_by(rows["source"], prepared.split, (len(sources), len(SPLITS)), prepared.copies)
    reasons = [reason for reason in range(len(FATES)) if reason != KEPT]
    return {
        name: {
            "accepted": int(fates[number].sum()),
            **{FATES[reason]: int(fates[number, reason]) for reason in reasons},
            **{split: int(splits[number, place]) for place, split in enumerate(SPLITS)},
        }
        for number, name in enumerate(sources)
    }


def _by_name(
    prepared: Prepared, groups: NDArray[np.int32], names: tuple[str, ...] | list[str]
) -> dict[str, dict[str, int]]:
    """Return the lines of each split by name, those that have any, sorted by name."""
    counts = count_by(groups, prepared.split, (len(names), len(SPLITS)), prepared.copies)
    return {
        split: {
            name: int(counts[number, place])
            for number, name in sorted(enumerate(names), key=lambda pair: pair[1])
            if counts[number, place]
        }
        for place, split in enumerate(SPLITS)
    }


def _warnings(prepared: Prepared) -> list[dict[str, str]]:
    missing = prepared.replay_missing
    if not missing:
        return []
    return [
        {
            "ko": f"다시 보여 줄(replay) 레코드가 {missing:,}개 모자라 prepare.replay_share에 미치지 못합니다. 레코드를 더 주거나 비율을 낮추세요",
            "en": f"the replay sources lack {missing:,} records for prepare.replay_share; give more records or lower the share",
        }
    ]
