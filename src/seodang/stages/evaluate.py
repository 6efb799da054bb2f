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
from seodang.evaluation.aggregate import (
    CHAMPION_VARIANT,
    RATIO_METRICS,
    TUNED_VARIANT,
    ItemScore,
    aggregate_by_task,
    aggregate_by_variant,
    select_best_variant,
)
from seodang.evaluation.requests import Variant
from seodang.evaluation.result_log import ResultLog
from seodang.evaluation.runner import Results, count_templates, iter_base_variants, run_requests
from seodang.evaluation.samples import TaskSamples, compute_fingerprint, select_task_samples
from seodang.evaluation.task_files import load_task_samples
from seodang.evaluation.task_metrics import compute_task_metrics
from seodang.inference.prompt_encoder import PromptEncoder
from seodang.io.atomic import sha256_of, write_atomically
from seodang.io.jsonl import read_records, write_json, write_records, write_rows
from seodang.models.adapters import compute_tuned_sha256
from seodang.models.device import choose_device, get_peak_memory_mb, keep_freed_memory
from seodang.models.loading import load_tokenizer
from seodang.models.slot import ModelSlot
from seodang.paths import Paths
from seodang.prompting import compute_fingerprint as prompt_fingerprint
from seodang.registry.champion import Champion, fetch_packaged_model, read_champion
from seodang.stages import Report

logger = logging.getLogger(__name__)


def run(*, prompt: PromptParams, train: TrainParams, evaluate: EvaluateParams, paths: Paths) -> Report:
    """Score every arm on every item and write items, summary, and tables for DVC. A run that was killed goes on where it was."""
    keep_freed_memory()
    started, cpu_started = time.monotonic(), time.process_time()
    tokenizer = load_tokenizer(paths.base)
    tasks = _load_tasks(evaluate, paths)
    champion = read_champion(paths.champion)
    variants = [
        *iter_base_variants(evaluate, count_templates(tasks)),
        Variant(TUNED_VARIANT, prompt.format, 0, "tuned"),
    ]
    if champion is not None:
        variants.append(Variant(CHAMPION_VARIANT, cast(PromptFormat, champion.prompt_format), 0, "champion"))
    formats = {
        arm.name: {"format": arm.format, "shots": arm.shots, "fingerprint": prompt_fingerprint(arm.format, tokenizer)}
        for arm in variants
    }
    key = _compute_run_key(formats, train, evaluate, tasks, champion, paths)
    with _open_result_log(paths, key) as result_log:
        scores = _evaluate_variants(tokenizer, variants, tasks, train, evaluate, Results(result_log), champion, paths)
    report = {
        "variants": aggregate_by_variant(scores),
        "best": {
            kind: select_best_variant(scores, kind)
            for kind in dict.fromkeys(arm.name.partition("/")[0] for arm in variants if arm.model == "base")
        },
        "tasks": aggregate_by_task(scores),
        "task_metrics": compute_task_metrics(scores),
        "items_fingerprint": compute_fingerprint(tasks),
        "formats": formats,
        "settings": evaluate.model_dump(),
        "adapter_sha256": compute_tuned_sha256(paths.adapter),
        "champion": None
        if champion is None
        else {"version": champion.version, "weights_sha256": champion.weights_sha256},
        "resumed": len(result_log.rows),
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(time.process_time() - cpu_started, 1),
        "peak_memory_mb": get_peak_memory_mb(),
    }
    _write_outputs(report, scores, tasks, paths)
    result_log.path.unlink()
    return report


def _load_tasks(evaluate: EvaluateParams, paths: Paths) -> list[TaskSamples]:
    splits = {name: list(read_records(paths.get_split_path(name))) for name in ("train", "test", "unseen")}
    selection = {"seed": evaluate.seed, "items_per_task": evaluate.items_per_task, "shots": max(evaluate.shots)}
    tasks = [
        items
        for split in ("test", "unseen")
        for items in select_task_samples(splits[split], split, splits["train"], **selection)
    ]
    if not tasks:
        raise EvaluationError("the test split is empty: nothing can be compared; raise prepare.test_ratio")
    files = load_task_samples(evaluate, paths.tasks, paths.root, splits)
    if duplicates := sorted({task.task for task in tasks}.intersection(task.task for task in files)):
        raise EvaluationError(
            f"{', '.join(duplicates)}: records of the splits and a task file have the same name; name the file otherwise / 이름이 겹칩니다"
        )
    return [*tasks, *files]


def _compute_run_key(
    formats: dict[str, Any],
    train: TrainParams,
    evaluate: EvaluateParams,
    tasks: Sequence[TaskSamples],
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
    inputs = {
        "formats": formats,
        "precision": train.precision,
        "evaluate": evaluate.model_dump(),
        "items": compute_fingerprint(tasks),
        "weights": weights,
        "champion": champion and champion.weights_sha256,
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _open_result_log(paths: Paths, key: str) -> ResultLog:
    """Open the journal of this run; those of other runs are deleted."""
    paths.evaluation.mkdir(parents=True, exist_ok=True)
    path = paths.evaluation / f"{key[:16]}.jsonl"
    for other in paths.evaluation.glob("*.jsonl"):
        if other != path:
            other.unlink()
    result_log = ResultLog(path, key)
    if result_log.rows:
        logger.info("going on with %d results of a run that was stopped", len(result_log.rows))
    return result_log


def _evaluate_variants(
    tokenizer: PreTrainedTokenizerBase,
    variants: Sequence[Variant],
    tasks: Sequence[TaskSamples],
    train: TrainParams,
    evaluate: EvaluateParams,
    results: Results,
    champion: Champion | None,
    paths: Paths,
) -> list[ItemScore]:
    """Ask every arm; there is one model in memory at a time."""
    started, models = time.monotonic(), ModelSlot(train.precision, choose_device(train.device))
    scores: list[ItemScore] = []
    with tqdm(total=len(variants) * len(tasks), unit="task", disable=not sys.stderr.isatty()) as bar:
        for variant in variants:
            if variant.model == "champion" and champion is not None:  # as it is served, whatever the base is now
                folder = fetch_packaged_model(champion, paths)
                model, tokenizer = models.load(folder), load_tokenizer(folder)
            else:
                model = (
                    models.load(paths.base) if variant.model == "base" else models.load_tuned(paths.base, paths.adapter)
                )
            scores += run_requests(
                model, PromptEncoder(tokenizer, variant.format), variant, tasks, evaluate, results, bar.update
            )
            del model  # or the next one would stand beside it
            logger.info(
                "asked %s: %d items, %.0f s so far",
                variant.name,
                sum(len(task.records) for task in tasks),
                time.monotonic() - started,
            )
    return scores


def _write_outputs(
    report: dict[str, Any], scores: Sequence[ItemScore], tasks: Sequence[TaskSamples], paths: Paths
) -> None:
    write_records(paths.items, (record for task in tasks for record in task.records))
    write_rows(paths.scores, (asdict(score) for score in scores))
    write_json(paths.evaluate_report, report)
    rows = {row["name"]: row for row in report["variants"]}
    names = {
        **report["best"],
        TUNED_VARIANT: TUNED_VARIANT,
        **({CHAMPION_VARIANT: CHAMPION_VARIANT} if report["champion"] else {}),
    }
    write_json(
        paths.metrics,
        {
            measure: {name: rows[arm][measure] for name, arm in names.items()}
            for measure in ("accuracy", "exact_match", "chrf", "loss")
        },
    )
    # DVC's bar template draws one bar per label: the arm has to be part of it.
    bars = [
        [f"{row['task']} {row['language']} · {name}", row["task"], row["language"], name, row[arm]]
        for row in report["tasks"]
        for name, arm in names.items()
        if row[arm] is not None and row["metric"] in RATIO_METRICS
    ]
    write_atomically(paths.scores_table, [_format_csv([["bar", "task", "language", "variant", "score"], *bars])])
    write_atomically(paths.shots_table, [_format_csv([["shots", "base", "tuned"], *build_shots_rows(report)])])


def build_shots_rows(report: Mapping[str, Any]) -> list[list[Any]]:
    """Return the base's accuracy for each number of exemplars, by the best format, beside the tuned model's; where no task has choices, the exact answers."""
    rows = {row["name"]: row for row in report["variants"]}
    metric = "exact_match" if rows[TUNED_VARIANT]["accuracy"] is None else "accuracy"
    base_variants = {arm: way for arm, way in report["formats"].items() if arm.partition("/")[0] in report["best"]}
    best: dict[int, float] = {}
    for variant, prompting in base_variants.items():
        if (score := rows[variant][metric]) is not None:
            best[prompting["shots"]] = max(score, best.get(prompting["shots"], 0.0))
    return [[shots, score, rows[TUNED_VARIANT][metric]] for shots, score in sorted(best.items())]


def _format_csv(rows: Iterable[Sequence[Any]]) -> str:
    table = io.StringIO()
    csv.writer(table, lineterminator="\n").writerows(rows)
    return table.getvalue()
