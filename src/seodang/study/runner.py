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
from seodang.evaluation.aggregate import RIGHT_OR_WRONG, ItemScore
from seodang.evaluation.requests import Arm
from seodang.evaluation.result_log import Journal
from seodang.evaluation.runner import Results, measure, most_wordings, ways_of_base
from seodang.evaluation.samples import TaskItems, choose_items, fingerprint
from seodang.evaluation.task_files import items_of_files
from seodang.inference.prompt_encoder import Asker
from seodang.io.atomic import sha256_of
from seodang.io.jsonl import read_json, read_records, write_json, write_records
from seodang.models.device import choose_device, keep_freed_memory
from seodang.models.loading import load_tokenizer
from seodang.models.slot import OneModel
from seodang.paths import Paths
from seodang.records import Record
from seodang.stages import train as train_stage
from seodang.study.report import write_study_report
from seodang.study.results import GROUPS, Group, cells

logger = logging.getLogger(__name__)

TUNED = ("single", "many")


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
    training = list(read_records(paths.split("train")))
    groups = _groups(study, training, paths)
    tasks = [task for group in GROUPS for task in groups[group]]
    projects = {
        arm: _trained(
            arm, _lesson_records(arm, study, training), study, params, paths.study(name) / "training" / arm, paths
        )
        for arm in TUNED
    }
    scores = _asked(study, params, tasks, projects, paths.study(name), paths)
    found = cells(scores, {group: sorted({task.task for task in groups[group]}) for group in GROUPS}, study)
    report = {
        "title": {"ko": study.title_ko, "en": study.title_en},
        "study": study.model_dump(),
        "train": params.train.model_dump(),
        "model": params.model.name,
        "training": {arm: _told(project) for arm, project in projects.items()},
        "items_fingerprint": fingerprint(tasks),
    }
    folder = paths.study(name) / "report"
    write_study_report(folder, report, found)
    return folder


def _groups(study: StudyParams, training: Sequence[Record], paths: Paths) -> dict[Group, list[TaskItems]]:
    """Return the items of each group; exemplars come from the training split, of the task itself where it has some there."""
    splits = {"train": training, **{name: list(read_records(paths.split(name))) for name in ("test", "unseen")}}
    everything = [*splits["test"], *splits["unseen"]]
    chosen: dict[Group, list[Record]] = {
        "seen": [record for record in everything if record.task in study.seen],
        "unseen": [record for record in everything if record.task in study.unseen],
        "held_out": [record for record in everything if record.cluster in study.held_out_clusters],
    }
    files = items_of_files(study.evaluate, paths.tasks, paths.root, splits)
    _check(study, chosen, files, training)
    evaluate = study.evaluate
    of_files: dict[Group, list[TaskItems]] = {
        "seen": [task for task in files if task.task in study.seen],
        "unseen": [task for task in files if task.task in study.unseen],
        "held_out": [
            task
            for task in files
            if task.spec is not None and task.spec.cluster in study.held_out_clusters and task.task not in study.unseen
        ],
    }
    return {
        group: of_files[group]
        + choose_items(
            records,
            "test",
            training,
            seed=evaluate.seed,
            items_per_task=evaluate.items_per_task,
            shots=max(evaluate.shots),
        )
        for group, records in chosen.items()
    }


def _check(
    study: StudyParams, chosen: Mapping[Group, Sequence[Record]], files: Sequence[TaskItems], training: Sequence[Record]
) -> None:
    """Raise, naming all at once, if a part of the study has nothing to ask or to learn."""
    asked = {record.task for records in chosen.values() for record in records} | {task.task for task in files}
    clusters = {record.cluster for record in chosen["held_out"]} | {
        task.spec.cluster for task in files if task.spec is not None
    }
    faults = [f"task {task!r} has no test items" for task in (*study.seen, *study.unseen) if task not in asked]
    faults += [
        f"cluster {cluster!r} has no test items" for cluster in study.held_out_clusters if cluster not in clusters
    ]
    faults += [
        f"the first metric of task {task.task!r} is {task.headline}, and a study compares right answers"
        for task in files
        if task.headline not in RIGHT_OR_WRONG
    ]
    faults += [
        f"nothing is left to tune the arm {arm!r} on" for arm in TUNED if not _lesson_records(arm, study, training)
    ]
    if faults:
        raise EvaluationError(
            "the study cannot be made: "
            + "; ".join(faults)
            + f". Tasks of the test split: {', '.join(sorted(asked)) or 'none'}"
        )


def _lesson_records(arm: str, study: StudyParams, records: Iterable[Record]) -> list[Record]:
    """Return what an arm is tuned on."""
    if arm == "single":
        return [record for record in records if record.task in study.seen]
    return [
        record
        for record in records
        if record.task not in study.unseen and record.cluster not in study.held_out_clusters
    ]


def _trained(
    arm: str, records: Sequence[Record], study: StudyParams, params: Params, folder: Path, paths: Paths
) -> Paths:
    """Return the project in which an arm is trained: the base and its own splits, and what the stage `train` makes of them."""
    project = Paths(folder)
    project.base.parent.mkdir(parents=True, exist_ok=True)
    if not project.base.exists():
        project.base.symlink_to(paths.base.resolve(), target_is_directory=True)
    validation = _lesson_records(arm, study, read_records(paths.split("validation")))
    write_records(project.split("train"), records)
    write_records(project.split("validation"), validation)
    key = {
        "train": params.train.model_dump(mode="json"),
        "prompt": params.prompt.model_dump(mode="json"),
        "base": sha256_of(paths.base_report),
        **{name: sha256_of(project.split(name)) for name in ("train", "validation")},
    }
    done = folder / "trained.json"
    if done.exists() and read_json(done)["key"] == key:
        logger.info("arm %s is trained already", arm)
        return project
    logger.info("training arm %s on %d records", arm, len(records))
    train_stage.run(prompt=params.prompt, train=params.train, paths=project)
    write_json(done, {"key": key})
    return project


def _told(project: Paths) -> dict[str, object]:
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
class _Way:
    arm: Arm
    project: Paths | None  # of a tuned arm


def _asked(
    study: StudyParams,
    params: Params,
    tasks: Sequence[TaskItems],
    projects: Mapping[str, Paths],
    folder: Path,
    paths: Paths,
) -> list[ItemScore]:
    """Return the scores of every way of asking; there is one model in memory at a time."""
    base = [_Way(arm, None) for arm in ways_of_base(study.evaluate, most_wordings(tasks))]
    ways = [*base, *(_Way(Arm(name, params.prompt.format, 0, "tuned"), project) for name, project in projects.items())]
    tokenizer, started, models = (
        load_tokenizer(paths.base),
        time.monotonic(),
        OneModel(params.train.precision, choose_device(params.train.device)),
    )
    scores: list[ItemScore] = []
    with (
        Journal(folder / "asked.jsonl", _fingerprint(study, params, tasks, projects, paths)) as journal,
        tqdm(total=len(ways) * len(tasks), unit="task", disable=not sys.stderr.isatty()) as bar,
    ):
        results = Results(journal)
        for way in ways:
            model = models.of(paths.base) if way.project is None else models.tuned(paths.base, way.project.adapter)
            scores += measure(
                model, Asker(tokenizer, way.arm.format), way.arm, tasks, study.evaluate, results, bar.update
            )
            del model  # or the next one would stand beside it
            logger.info(
                "asked %s: %d items, %.0f s so far",
                way.arm.name,
                sum(len(task.records) for task in tasks),
                time.monotonic() - started,
            )
    return scores


def _fingerprint(
    study: StudyParams, params: Params, tasks: Sequence[TaskItems], projects: Mapping[str, Paths], paths: Paths
) -> str:
    told = {
        "items": fingerprint(tasks),
        "evaluate": study.evaluate.model_dump(mode="json"),
        "prompt": params.prompt.format,
        "precision": params.train.precision,
        "base": sha256_of(paths.base_report),
        "tuned": {name: read_json(project.train_report)["adapter_sha256"] for name, project in projects.items()},
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
