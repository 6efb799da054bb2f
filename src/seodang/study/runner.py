"""A study: train on one task and on many, ask both and the prompted base the same items, and write what came of it."""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from seodang.config import Params
from seodang.config.study import StudyParams
from seodang.errors import EvaluationError
from seodang.evaluation.aggregate import BINARY_METRICS, ItemScore
from seodang.evaluation.requests import Variant
from seodang.evaluation.result_log import ResultLog
from seodang.evaluation.runner import Results, count_templates, iter_base_variants, run_requests
from seodang.evaluation.samples import TaskSamples, compute_fingerprint, select_task_samples
from seodang.evaluation.task_files import load_task_samples
from seodang.inference.prompt_encoder import PromptEncoder
from seodang.io.atomic import sha256_of
from seodang.io.jsonl import read_json, read_records, write_json, write_records
from seodang.models.device import choose_device, keep_freed_memory
from seodang.models.loading import load_tokenizer
from seodang.models.slot import ModelSlot
from seodang.paths import Paths
from seodang.records import Record
from seodang.stages import train as train_stage
from seodang.study.report import write_study_report
from seodang.study.results import GROUPS, Group, compute_cells

logger = logging.getLogger(__name__)

TUNED_VARIANTS = ("single", "many")


def run_study(study: StudyParams, name: str, params: Params, paths: Paths) -> Path:
    """Train, ask, compare; return the folder of the report. What was trained or asked before a kill is not done again.

    Args:
        study: What is compared.
        name: Of the study; its folder below artifacts/study is called so.
        params: How to train and to render prompts; the base and the splits must be there.
        paths: The project.

    Raises:
        EvaluationError: If a task or a cluster of the study has no records, or nothing is left to tune on.
    """
    keep_freed_memory()
    training = list(read_records(paths.get_split_path("train")))
    groups = _load_groups(study, training, paths)
    tasks = [task for group in GROUPS for task in groups[group]]
    projects = {
        arm: _train_variant(
            arm,
            _select_training_records(arm, study, training),
            study,
            params,
            paths.get_study_folder(name) / "training" / arm,
            paths,
        )
        for arm in TUNED_VARIANTS
    }
    scores = _run_variants(study, params, tasks, projects, paths.get_study_folder(name), paths)
    found = compute_cells(scores, {group: sorted({task.task for task in groups[group]}) for group in GROUPS}, study)
    report = {
        "title": {"ko": study.title_ko, "en": study.title_en},
        "study": study.model_dump(),
        "train": params.train.model_dump(),
        "model": params.model.name,
        "training": {arm: _summarize_training(project) for arm, project in projects.items()},
        "items_fingerprint": compute_fingerprint(tasks),
    }
    folder = paths.get_study_folder(name) / "report"
    write_study_report(folder, report, found)
    return folder


def _load_groups(study: StudyParams, training: Sequence[Record], paths: Paths) -> dict[Group, list[TaskSamples]]:
    """Return the items of each group; exemplars come from the training split, of the task itself where it has some there."""
    splits = {
        "train": training,
        **{name: list(read_records(paths.get_split_path(name))) for name in ("test", "unseen")},
    }
    test_records = [*splits["test"], *splits["unseen"]]
    records_by_group: dict[Group, list[Record]] = {
        "seen": [record for record in test_records if record.task in study.held_in_tasks],
        "unseen": [record for record in test_records if record.task in study.held_out_tasks],
        "held_out": [record for record in test_records if record.cluster in study.held_out_clusters],
    }
    file_samples = load_task_samples(study.evaluate, paths.tasks, paths.root, splits)
    _check(study, records_by_group, file_samples, training)
    evaluate = study.evaluate
    file_samples_by_group: dict[Group, list[TaskSamples]] = {
        "seen": [task for task in file_samples if task.task in study.held_in_tasks],
        "unseen": [task for task in file_samples if task.task in study.held_out_tasks],
        "held_out": [
            task
            for task in file_samples
            if task.spec is not None
            and task.spec.cluster in study.held_out_clusters
            and task.task not in study.held_out_tasks
        ],
    }
    return {
        group: file_samples_by_group[group]
        + select_task_samples(
            records,
            "test",
            training,
            seed=evaluate.seed,
            items_per_task=evaluate.items_per_task,
            shots=max(evaluate.shots),
        )
        for group, records in records_by_group.items()
    }


def _check(
    study: StudyParams,
    records_by_group: Mapping[Group, Sequence[Record]],
    file_samples: Sequence[TaskSamples],
    training: Sequence[Record],
) -> None:
    """Raise, naming all at once, if a part of the study has nothing to ask or to learn."""
    task_names = {record.task for records in records_by_group.values() for record in records} | {
        task.task for task in file_samples
    }
    clusters = {record.cluster for record in records_by_group["held_out"]} | {
        task.spec.cluster for task in file_samples if task.spec is not None
    }
    errors = [
        f"task {task!r} has no test items"
        for task in (*study.held_in_tasks, *study.held_out_tasks)
        if task not in task_names
    ]
    errors += [
        f"cluster {cluster!r} has no test items" for cluster in study.held_out_clusters if cluster not in clusters
    ]
    errors += [
        f"the first metric of task {task.task!r} is {task.primary_metric}, and a study compares right answers"
        for task in file_samples
        if task.primary_metric not in BINARY_METRICS
    ]
    errors += [
        f"nothing is left to tune the arm {arm!r} on"
        for arm in TUNED_VARIANTS
        if not _select_training_records(arm, study, training)
    ]
    if errors:
        raise EvaluationError(
            "the study cannot be made: "
            + "; ".join(errors)
            + f". Tasks of the test split: {', '.join(sorted(task_names)) or 'none'}"
        )


def _select_training_records(variant: str, study: StudyParams, records: Iterable[Record]) -> list[Record]:
    """Return what an arm is tuned on."""
    if variant == "single":
        return [record for record in records if record.task in study.held_in_tasks]
    return [
        record
        for record in records
        if record.task not in study.held_out_tasks and record.cluster not in study.held_out_clusters
    ]


def _train_variant(
    variant: str, records: Sequence[Record], study: StudyParams, params: Params, folder: Path, paths: Paths
) -> Paths:
    """Return the project in which an arm is trained: the base and its own splits, and what the stage `train` makes of them."""
    project = Paths(folder)
    project.base.parent.mkdir(parents=True, exist_ok=True)
    if not project.base.exists():
        project.base.symlink_to(paths.base.resolve(), target_is_directory=True)
    validation = _select_training_records(variant, study, read_records(paths.get_split_path("validation")))
    write_records(project.get_split_path("train"), records)
    write_records(project.get_split_path("validation"), validation)
    key = {
        "train": params.train.model_dump(mode="json"),
        "prompt": params.prompt.model_dump(mode="json"),
        "base": sha256_of(paths.base_report),
        **{name: sha256_of(project.get_split_path(name)) for name in ("train", "validation")},
    }
    marker = folder / "trained.json"
    if marker.exists() and read_json(marker)["key"] == key:
        logger.info("arm %s is trained already", variant)
        return project
    logger.info("training arm %s on %d records", variant, len(records))
    train_stage.run(prompt=params.prompt, train=params.train, paths=project)
    write_json(marker, {"key": key})
    return project


def _summarize_training(project: Paths) -> dict[str, object]:
    report = read_json(project.train_report)
    return {
        name: report[name]
        for name in (
            "records",
            "updates",
            "train_loss",
            "validation_loss",
            "elapsed_seconds",
            "cpu_seconds",
            "peak_memory_mb",
            "adapter_sha256",
        )
    }


@dataclass(frozen=True, slots=True)
class _StudyVariant:
    variant: Variant
    project: Paths | None  # of a tuned arm


def _run_variants(
    study: StudyParams,
    params: Params,
    tasks: Sequence[TaskSamples],
    projects: Mapping[str, Paths],
    folder: Path,
    paths: Paths,
) -> list[ItemScore]:
    """Return the scores of every way of asking; there is one model in memory at a time."""
    base = [_StudyVariant(arm, None) for arm in iter_base_variants(study.evaluate, count_templates(tasks))]
    study_variants = [
        *base,
        *(
            _StudyVariant(Variant(name, params.prompt.format, 0, "tuned"), project)
            for name, project in projects.items()
        ),
    ]
    tokenizer, started, models = (
        load_tokenizer(paths.base),
        time.monotonic(),
        ModelSlot(params.train.precision, choose_device(params.train.device)),
    )
    scores: list[ItemScore] = []
    with (
        ResultLog(
            folder / "asked.jsonl", _compute_run_fingerprint(study, params, tasks, projects, paths)
        ) as result_log,
        tqdm(total=len(study_variants) * len(tasks), unit="task", disable=not sys.stderr.isatty()) as bar,
    ):
        results = Results(result_log)
        for study_variant in study_variants:
            model = (
                models.load(paths.base)
                if study_variant.project is None
                else models.load_tuned(paths.base, study_variant.project.adapter)
            )
            scores += run_requests(
                model,
                PromptEncoder(tokenizer, study_variant.variant.format),
                study_variant.variant,
                tasks,
                study.evaluate,
                results,
                bar.update,
            )
            del model  # or the next one would stand beside it
            logger.info(
                "asked %s: %d items, %.0f s so far",
                study_variant.variant.name,
                sum(len(task.records) for task in tasks),
                time.monotonic() - started,
            )
    return scores


def _compute_run_fingerprint(
    study: StudyParams, params: Params, tasks: Sequence[TaskSamples], projects: Mapping[str, Paths], paths: Paths
) -> str:
    inputs = {
        "items": compute_fingerprint(tasks),
        "evaluate": study.evaluate.model_dump(mode="json"),
        "prompt": params.prompt.format,
        "precision": params.train.precision,
        "base": sha256_of(paths.base_report),
        "tuned": {name: read_json(project.train_report)["adapter_sha256"] for name, project in projects.items()},
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
