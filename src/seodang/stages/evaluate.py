"""Stage `evaluate`: the base, prompted, and the tuned model, on the same items."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, cast

from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from seodang.config import EvaluateParams, PromptFormat, PromptParams, TrainParams
from seodang.errors import EvaluationError
from seodang.evaluation.aggregate import CHAMPION, SHARES, TUNED, ItemScore, best_arm, by_arm, by_task
from seodang.evaluation.requests import Arm
from seodang.evaluation.result_log import Journal
from seodang.evaluation.runner import Results, measure, most_wordings, ways_of_base
from seodang.evaluation.samples import TaskItems, choose_items, fingerprint
from seodang.evaluation.task_files import items_of_files
from seodang.evaluation.task_metrics import figures
from seodang.inference.prompt_encoder import Asker
from seodang.io.atomic import sha256_of, write_atomically
from seodang.io.jsonl import read_records, write_json, write_records, write_rows
from seodang.models.adapters import trained_sha256
from seodang.models.device import choose_device, keep_freed_memory, peak_memory_mb
from seodang.models.loading import load_tokenizer
from seodang.models.slot import OneModel
from seodang.paths import Paths
from seodang.prompting import fingerprint as prompt_fingerprint
from seodang.registry.champion import Champion, fetch_packaged, read_champion
from seodang.stages import Report

logger = logging.getLogger(__name__)


def run(*, prompt: PromptParams, train: TrainParams, evaluate: EvaluateParams, paths: Paths) -> Report:
    """Score every arm on every item and write items, summary, and tables for DVC. A run that was killed goes on where it was."""
    keep_freed_memory()
    started, cpu_started = time.monotonic(), time.process_time()
    tokenizer = load_tokenizer(paths.base)
    tasks = _tasks(evaluate, paths)
    champion = read_champion(paths.champion)
    arms = [*ways_of_base(evaluate, most_wordings(tasks)), Arm(TUNED, prompt.format, 0, "tuned")]
    if champion is not None:
        arms.append(Arm(CHAMPION, cast(PromptFormat, champion.prompt_format), 0, "champion"))
    formats = {
        arm.name: {"format": arm.format, "shots": arm.shots, "fingerprint": prompt_fingerprint(arm.format, tokenizer)}
        for arm in arms
    }
    key = _run_key(formats, train, evaluate, tasks, champion, paths)
    with _journal(paths, key) as journal:
        scores = _scores(tokenizer, arms, tasks, train, evaluate, Results(journal), champion, paths)
    report = {
        "arms": by_arm(scores),
        "best": {
            kind: best_arm(scores, kind)
            for kind in dict.fromkeys(arm.name.partition("/")[0] for arm in arms if arm.model == "base")
        },
        "tasks": by_task(scores),
        "figures": figures(scores),
        "items_fingerprint": fingerprint(tasks),
        "formats": formats,
        "settings": evaluate.model_dump(),
        "adapter_sha256": trained_sha256(paths.adapter),
        "champion": None
        if champion is None
        else {"version": champion.version, "weights_sha256": champion.weights_sha256},
        "resumed": len(journal.rows),
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(time.process_time() - cpu_started, 1),
        "peak_memory_mb": peak_memory_mb(),
    }
    _write(report, scores, tasks, paths)
    journal.path.unlink()
    return report


def _tasks(evaluate: EvaluateParams, paths: Paths) -> list[TaskItems]:
    splits = {name: list(read_records(paths.split(name))) for name in ("train", "test", "unseen")}
    chosen = {"seed": evaluate.seed, "items_per_task": evaluate.items_per_task, "shots": max(evaluate.shots)}
    tasks = [
        items for split in ("test", "unseen") for items in choose_items(splits[split], split, splits["train"], **chosen)
    ]
    if not tasks:
        raise EvaluationError("the test split is empty: nothing can be compared; raise prepare.test_share")
    files = items_of_files(evaluate, paths.tasks, paths.root, splits)
    if twice := sorted({task.task for task in tasks}.intersection(task.task for task in files)):
        raise EvaluationError(
            f"{', '.join(twice)}: records of the splits and a task file have the same name; name the file otherwise / 이름이 겹칩니다"
        )
    return [*tasks, *files]


def _run_key(
    formats: dict[str, Any],
    train: TrainParams,
    evaluate: EvaluateParams,
    tasks: Sequence[TaskItems],
    champion: Champion | None,
    paths: Paths,
) -> str:
    """Return the sha256 of all that the scores depend on."""
    weights = {
        folder.name: {
            str(file.relative_to(folder)): sha256_of(file) for file in sorted(folder.rglob("*")) if file.is_file()
        }
        for folder in (paths.base, paths.adapter)
    }
    told = {
        "formats": formats,
        "precision": train.precision,
        "evaluate": evaluate.model_dump(),
        "items": fingerprint(tasks),
        "weights": weights,
        "champion": champion and champion.weights_sha256,
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _journal(paths: Paths, key: str) -> Journal:
    """Open the journal of this run; those of other runs are deleted."""
    paths.evaluating.mkdir(parents=True, exist_ok=True)
    place = paths.evaluating / f"{key[:16]}.jsonl"
    for other in paths.evaluating.glob("*.jsonl"):
        if other != place:
            other.unlink()
    journal = Journal(place, key)
    if journal.rows:
        logger.info("going on with %d results of a run that was stopped", len(journal.rows))
    return journal


def _scores(
    tokenizer: PreTrainedTokenizerBase,
    arms: Sequence[Arm],
    tasks: Sequence[TaskItems],
    train: TrainParams,
    evaluate: EvaluateParams,
    results: Results,
    champion: Champion | None,
    paths: Paths,
) -> list[ItemScore]:
    """Ask every arm; there is one model in memory at a time."""
    started, models = time.monotonic(), OneModel(train.precision, choose_device(train.device))
    scores: list[ItemScore] = []
    with tqdm(total=len(arms) * len(tasks), unit="task", disable=not sys.stderr.isatty()) as bar:
        for arm in arms:
            if arm.model == "champion" and champion is not None:  # as it is served, whatever the base is now
                folder = fetch_packaged(champion, paths)
                model, tokenizer = models.of(folder), load_tokenizer(folder)
            else:
                model = models.of(paths.base) if arm.model == "base" else models.tuned(paths.base, paths.adapter)
            scores += measure(model, Asker(tokenizer, arm.format), arm, tasks, evaluate, results, bar.update)
            del model  # or the next one would stand beside it
            logger.info(
                "asked %s: %d items, %.0f s so far",
                arm.name,
                sum(len(task.records) for task in tasks),
                time.monotonic() - started,
            )
    return scores


def _write(report: dict[str, Any], scores: Sequence[ItemScore], tasks: Sequence[TaskItems], paths: Paths) -> None:
    write_records(paths.items, (record for task in tasks for record in task.records))
    write_rows(paths.scores, (asdict(score) for score in scores))
    write_json(paths.evaluate_report, report)
    shown = {row["name"]: row for row in report["arms"]}
    names = {**report["best"], TUNED: TUNED, **({CHAMPION: CHAMPION} if report["champion"] else {})}
    write_json(
        paths.metrics,
        {
            measure: {name: shown[arm][measure] for name, arm in names.items()}
            for measure in ("accuracy", "exact", "chrf", "loss")
        },
    )
    # DVC's bar template draws one bar per label: the arm has to be part of it.
    bars = [
        [f"{row['task']} {row['language']} · {name}", row["task"], row["language"], name, row[arm]]
        for row in report["tasks"]
        for name, arm in names.items()
        if row[arm] is not None and row["metric"] in SHARES
    ]
    write_atomically(paths.scores_table, [_csv([["bar", "task", "language", "arm", "score"], *bars])])
    write_atomically(paths.shots_table, [_csv([["shots", "base", "tuned"], *shots_rows(report)])])


def shots_rows(report: Mapping[str, Any]) -> list[list[Any]]:
    """Return the base's accuracy for each number of exemplars, by the best format, beside the tuned model's; where no task has choices, the exact answers."""
    shown = {row["name"]: row for row in report["arms"]}
    measure = "exact" if shown[TUNED]["accuracy"] is None else "accuracy"
    base = {arm: way for arm, way in report["formats"].items() if arm.partition("/")[0] in report["best"]}
    best: dict[int, float] = {}
    for arm, way in base.items():
        if (score := shown[arm][measure]) is not None:
            best[way["shots"]] = max(score, best.get(way["shots"], 0.0))
    return [[shots, score, shown[TUNED][measure]] for shots, score in sorted(best.items())]


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(rows)
    return table.getvalue()
