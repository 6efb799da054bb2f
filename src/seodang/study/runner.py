"""A study: compare the prompted base with models tuned on one task and on many, on the same items."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from seodang.config import Params
from seodang.config.study import StudyParams
from seodang.evaluation.aggregate import ItemScore
from seodang.evaluation.baseline_gaps import describe_baseline_gaps
from seodang.evaluation.baselines import score_baselines
from seodang.evaluation.requests import Variant
from seodang.evaluation.result_log import ResultLog
from seodang.evaluation.results import Results
from seodang.evaluation.runner import count_templates, evaluate_variants, iter_base_variants
from seodang.evaluation.samples import TaskSamples, compute_fingerprint
from seodang.io.atomic import compute_sha256
from seodang.io.jsonl import read_json, read_records
from seodang.licences.permissions import Permissions
from seodang.models.device import choose_device, keep_freed_memory
from seodang.models.loading import load_tokenizer
from seodang.models.slot import ModelSlot
from seodang.paths import Paths
from seodang.study.groups import TUNED_VARIANTS, load_groups, select_training_records
from seodang.study.report import write_study_report
from seodang.study.results import GROUPS, compute_cells
from seodang.study.tuned_models import build_variant_model, train_in_project

_TRAINING_FIELDS = (
    *("records", "steps", "train_loss", "validation_loss", "elapsed_seconds", "cpu_seconds", "peak_memory_mb"),
    "adapter_sha256",
)  # of the report of stage train


def run_study(
    study: StudyParams, name: str, params: Params, paths: Paths, permissions: Permissions | None = None
) -> Path:
    """Train, evaluate and compare the models; return the folder of the report. An interrupted study resumes.

    Args:
        study: Tasks, groups and settings of the comparison.
        name: Of the study and of its folder in artifacts/study.
        params: Training and prompt format; the base and the splits must exist.
        paths: The project.
        permissions: What the licences allow, for the report; None: it says nothing about licences.

    Raises:
        EvaluationError: If a task or a cluster of the study has no records, or no training records are left.
    """
    keep_freed_memory()
    training, validation = (list(read_records(paths.get_split_path(name))) for name in ("train", "validation"))
    groups = load_groups(study, training, paths)
    tasks = [task for group in GROUPS for task in groups[group]]
    folder = paths.get_study_folder(name)
    projects = {
        variant: train_in_project(
            variant,
            select_training_records(variant, study, training),
            select_training_records(variant, study, validation),
            folder / "training" / variant,
            paths,
            prompt=params.prompt,
            train=params.train,
        )
        for variant in TUNED_VARIANTS
    }
    scores = _evaluate(study, params, tasks, projects, folder, paths)
    baseline_training = select_training_records("many", study, training)
    scores += score_baselines(tasks, baseline_training)
    baseline_gaps = describe_baseline_gaps(tasks, baseline_training)
    cells = compute_cells(scores, {group: sorted({task.task for task in groups[group]}) for group in GROUPS}, study)
    report = {
        "title": {"ko": study.title_ko, "en": study.title_en},
        "study": study.model_dump(),
        "train": params.train.model_dump(),
        "model": params.model.name,
        "training": {variant: _summarize_training(project) for variant, project in projects.items()},
        "items_fingerprint": compute_fingerprint(tasks),
        "baseline_gaps": [gap.to_json() for gap in baseline_gaps],
        "licences": [note.to_json() for note in permissions.list_notes()] if permissions else [],
    }
    write_study_report(folder / "report", report, cells)
    return folder / "report"


def _summarize_training(project: Paths) -> dict[str, object]:
    report = read_json(project.train_report)
    return {name: report[name] for name in _TRAINING_FIELDS}


def _evaluate(
    study: StudyParams,
    params: Params,
    tasks: Sequence[TaskSamples],
    projects: Mapping[str, Paths],
    folder: Path,
    paths: Paths,
) -> list[ItemScore]:
    """Return the scores of the base's variants and of the tuned models."""
    tokenizer = load_tokenizer(paths.base)
    variant_models = [
        build_variant_model(variant, None, tokenizer, paths)
        for variant in iter_base_variants(study.evaluate, count_templates(tasks))
    ]
    variant_models += [
        build_variant_model(Variant(name, params.prompt.format, 0, "tuned"), project, tokenizer, paths)
        for name, project in projects.items()
    ]
    fingerprint = _compute_run_fingerprint(study, params, tasks, projects, paths)
    models = ModelSlot(params.train.precision, choose_device(params.train.device))
    with ResultLog(folder / "results.jsonl", fingerprint) as result_log:
        return evaluate_variants(variant_models, tasks, study.evaluate, Results(result_log), models)


def _compute_run_fingerprint(
    study: StudyParams, params: Params, tasks: Sequence[TaskSamples], projects: Mapping[str, Paths], paths: Paths
) -> str:
    inputs = {
        "items": compute_fingerprint(tasks),
        "evaluate": study.evaluate.model_dump(mode="json"),
        "prompt": params.prompt.format,
        "precision": params.train.precision,
        "base": compute_sha256(paths.base_report),
        "tuned": {name: read_json(project.train_report)["adapter_sha256"] for name, project in projects.items()},
    }
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
