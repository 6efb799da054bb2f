"""Stage `evaluate`: scores of the prompted base, the tuned model and the champion on the same items."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from transformers import PreTrainedTokenizerBase

from seodang.config import EvaluateParams, PromptFormat, PromptParams, TrainParams
from seodang.evaluation.aggregate import (
    ALIGNED_VARIANT,
    CHAMPION_VARIANT,
    TUNED_VARIANT,
    ItemScore,
    aggregate_by_task,
    aggregate_by_variant,
    count_request_limits,
    name_former_champion,
    select_best_variant,
)
from seodang.evaluation.baseline_gaps import describe_baseline_gaps
from seodang.evaluation.baselines import build_baseline_rows, score_baselines
from seodang.evaluation.exam import ExamItem, compare_exam, find_other_protocols
from seodang.evaluation.forgetting import build_forgetting_rows, build_retention_warnings
from seodang.evaluation.limit_warnings import warn_about_limits
from seodang.evaluation.outputs import write_outputs
from seodang.evaluation.question_blind import score_question_blind
from seodang.evaluation.requests import Variant
from seodang.evaluation.result_log import open_result_log
from seodang.evaluation.result_store import ResultStore, collect_settings
from seodang.evaluation.results import Results
from seodang.evaluation.runner import VariantModel, count_templates, evaluate_variants, iter_base_variants
from seodang.evaluation.samples import TaskSamples, compute_fingerprint, describe_protocols
from seodang.evaluation.task_metrics import compute_task_metrics
from seodang.evaluation.task_selection import load_tasks
from seodang.i18n import _
from seodang.io.atomic import compute_sha256
from seodang.io.jsonl import read_json, read_records, write_rows
from seodang.models.adapters import compute_tuned_sha256
from seodang.models.device import choose_device, describe_arithmetic, get_peak_memory_mb, keep_freed_memory
from seodang.models.loading import load_tokenizer
from seodang.models.slot import ModelSlot
from seodang.packaging.model_folder import read_manifest
from seodang.paths import Paths
from seodang.prompting import compute_fingerprint as compute_prompt_fingerprint
from seodang.records import Record
from seodang.registry.champion import Champion, ChampionFile, read_champion_file
from seodang.registry.fetching import fetch_earlier_champion, fetch_packaged_model, fetch_promoted_run
from seodang.stages import Report

logger = logging.getLogger(__name__)


def run(*, prompt: PromptParams, train: TrainParams, evaluate: EvaluateParams, paths: Paths) -> Report:
    """Score every variant on every item; write items, scores, report and tables. An interrupted run resumes."""
    keep_freed_memory()
    started, cpu_started = time.monotonic(), time.process_time()
    tokenizer = load_tokenizer(paths.base)
    splits = {name: list(read_records(paths.get_split_path(name))) for name in ("train", "test", "unseen")}
    tasks = load_tasks(evaluate, splits, paths)
    replayed = _select_replayed(splits["train"], paths)
    warnings = build_retention_warnings(tasks, replayed)
    for warning in warnings:
        logger.warning(str(warning))
    champion_file = read_champion_file(paths.champion)
    champions = _list_champions(champion_file)
    # Before the scoring, because records that DVC cannot fetch should not cost an evaluation.
    exams = [asdict(item) for item in _compare_exams(champions.values(), tasks, paths)]
    variants = _list_variants(prompt, evaluate, tasks, champions, paths)
    formats = _describe_formats(variants, tokenizer)
    key = _compute_run_key(formats, train, evaluate, tasks, champions, paths)
    device = choose_device(train.device)
    settings = collect_settings(train.precision, describe_arithmetic(device))
    with open_result_log(paths.evaluation, key) as result_log, ResultStore(paths.model_results, settings) as store:
        results = Results(result_log, store)
        models = ModelSlot(train.precision, device)
        variant_models = [_build_variant_model(variant, tokenizer, champions, paths) for variant in variants]
        scores = evaluate_variants(variant_models, tasks, evaluate, results, models)
    write_rows(paths.exams, exams)
    baseline_scores = list(score_baselines(tasks, splits["train"]))
    blind_scores = score_question_blind(scores, _count_options(tasks))
    write_rows(paths.baselines, (asdict(score) for score in (*baseline_scores, *blind_scores)))
    baseline_gaps = describe_baseline_gaps([task for task in tasks if task.kind == "choice"], splits["train"])
    for gap in baseline_gaps:
        logger.info(str(gap))
    report = {
        **_summarize_scores(scores, variants),
        "forgetting": build_forgetting_rows(
            scores, tasks, replayed, [variant.name for variant in variants if variant.model == "base"]
        ),
        "baselines": build_baseline_rows(scores, baseline_scores, _group_base_variants(variants)),
        "baseline_gaps": [gap.to_json() for gap in baseline_gaps],
        "warnings": [warning.to_json() for warning in warnings],
        "items_fingerprint": compute_fingerprint(tasks),
        "protocols": describe_protocols(tasks, evaluate.shots),
        "formats": formats,
        "settings": evaluate.model_dump(),
        "adapter_sha256": compute_tuned_sha256(paths.adapter),
        **_describe_aligned(paths),
        "champion": _identify(champion_file.champion) if champion_file.champion else None,
        "best_champions": [_identify(champion) for champion in champion_file.best],
        "resumed": len(result_log.rows),
        "reused": results.reused,
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(time.process_time() - cpu_started, 1),
        "peak_memory_mb": get_peak_memory_mb(),
    }
    warn_about_limits(report["request_limits"])
    write_outputs(report, scores, tasks, paths)
    result_log.path.unlink()
    return report


def _list_champions(file: ChampionFile) -> dict[str, Champion]:
    """Return the live version and the best earlier ones by variant."""
    champions = {CHAMPION_VARIANT: file.champion} if file.champion else {}
    return champions | {name_former_champion(former.version): former for former in file.best}


def _compare_exams(champions: Iterable[Champion], tasks: Sequence[TaskSamples], paths: Paths) -> Iterator[ExamItem]:
    """Yield the items beside the run of each champion."""
    records = [record for task in tasks if task.split != "unseen" for record in task.records]
    fingerprints = {task.task: task.fingerprint for task in tasks}
    for champion in champions:
        run = fetch_promoted_run(champion, paths)
        if others := find_other_protocols(run, fingerprints):
            logger.warning(
                _(
                    "champion {version} was promoted with another protocol of {tasks}; its scores of that time are not "
                    "compared",
                    version=champion.version,
                    tasks=", ".join(sorted(others)),
                )
            )
        yield from compare_exam(champion.version, run, records, others)


def _count_options(tasks: Iterable[TaskSamples]) -> dict[tuple[str, str], int]:
    return {(record.task, record.id): len(record.choices) for task in tasks for record in task.records}


def _identify(champion: Champion) -> dict[str, str]:
    return {
        "version": champion.version,
        "weights_sha256": champion.weights_sha256,
        "adapter_sha256": champion.adapter_sha256,
    }


def _describe_aligned(paths: Paths) -> dict[str, Any]:
    """Return the checksum of the aligned adapter; nothing while align.method is none."""
    adapter = paths.list_candidates().get(ALIGNED_VARIANT)
    return {} if adapter is None else {"aligned_sha256": compute_tuned_sha256(adapter)}


def _list_variants(
    prompt: PromptParams,
    evaluate: EvaluateParams,
    tasks: Sequence[TaskSamples],
    champions: Mapping[str, Champion],
    paths: Paths,
) -> list[Variant]:
    return [
        *iter_base_variants(evaluate, count_templates(tasks)),
        Variant(TUNED_VARIANT, prompt.format, 0, "tuned"),
        *(
            [Variant(ALIGNED_VARIANT, prompt.format, 0, "aligned")]
            if ALIGNED_VARIANT in paths.list_candidates()
            else []
        ),
        *(
            Variant(name, cast(PromptFormat, champion.prompt_format), 0, "champion")
            for name, champion in champions.items()
        ),
    ]


def _describe_formats(variants: Sequence[Variant], tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """Return the prompt of each variant, with the fingerprint of its format."""
    return {
        variant.name: {
            "format": variant.format,
            "shots": variant.shots,
            "calibrated": variant.is_calibrated,
            "fingerprint": compute_prompt_fingerprint(variant.format, tokenizer),
        }
        for variant in variants
    }


def _group_base_variants(variants: Sequence[Variant]) -> dict[str, list[str]]:
    """Return the base's variants without and with calibration."""
    base = [variant for variant in variants if variant.model == "base"]
    return {
        "prompted": [variant.name for variant in base if not variant.is_calibrated],
        "calibrated": [variant.name for variant in base if variant.is_calibrated],
    }


def _summarize_scores(scores: Sequence[ItemScore], variants: Sequence[Variant]) -> dict[str, Any]:
    kinds = dict.fromkeys(variant.name.partition("/")[0] for variant in variants if variant.model == "base")
    return {
        "variants": aggregate_by_variant(scores),
        "best": {kind: select_best_variant(scores, kind) for kind in kinds},
        "tasks": aggregate_by_task(scores),
        "task_metrics": compute_task_metrics(scores),
        "request_limits": count_request_limits(scores),
    }


def _select_replayed(training: Iterable[Record], paths: Paths) -> list[Record]:
    """Return the training records of the replay sources, which the report of stage prepare names."""
    names = read_json(paths.prepare_report)["replay_sources"] if paths.prepare_report.exists() else []
    return [record for record in training if record.source in names]


def _compute_run_key(
    formats: dict[str, Any],
    train: TrainParams,
    evaluate: EvaluateParams,
    tasks: Sequence[TaskSamples],
    champions: Mapping[str, Champion],
    paths: Paths,
) -> str:
    """Return the sha256 of everything that the scores depend on."""
    weights = {
        name: {
            str(file.relative_to(folder)): compute_sha256(file) for file in sorted(folder.rglob("*")) if file.is_file()
        }
        for name, folder in {paths.base.name: paths.base, **paths.list_candidates()}.items()
    }
    inputs = {
        "formats": formats,
        "precision": train.precision,
        "evaluate": evaluate.model_dump(),
        "items": compute_fingerprint(tasks),
        "weights": weights,
        "champions": {name: champion.weights_sha256 for name, champion in champions.items()},
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _build_variant_model(
    variant: Variant, tokenizer: PreTrainedTokenizerBase, champions: Mapping[str, Champion], paths: Paths
) -> VariantModel:
    """Return the variant with the function that loads its model; a champion is evaluated as it is served."""
    if variant.model == "champion":
        return _build_champion_model(variant, champions[variant.name], paths)

    def load(models: ModelSlot) -> tuple[Any, PreTrainedTokenizerBase]:
        if variant.model == "base":
            return models.load(paths.base), tokenizer
        return models.load_tuned(paths.base, paths.list_candidates()[variant.model]), tokenizer

    adapter = paths.list_candidates().get(variant.model)
    return VariantModel(variant, load, list_folders=lambda: [paths.base, *([adapter] if adapter else [])])


def _build_champion_model(variant: Variant, champion: Champion, paths: Paths) -> VariantModel:
    def fetch() -> Path:
        is_live = variant.name == CHAMPION_VARIANT
        return fetch_packaged_model(champion, paths) if is_live else fetch_earlier_champion(champion, paths)

    def load(models: ModelSlot) -> tuple[Any, PreTrainedTokenizerBase]:
        folder = fetch()
        return models.load(folder), load_tokenizer(folder)

    return VariantModel(variant, load, lambda: read_manifest(fetch()).frequency_penalty, lambda: [fetch()])
