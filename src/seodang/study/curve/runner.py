"""A learning curve: train on nested subsets of the records and score every model on the same test items."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from seodang.config import Params
from seodang.config.curve import CurveParams
from seodang.evaluation.aggregate import LETTERS, MAJORITY, ItemScore
from seodang.evaluation.baseline_gaps import describe_baseline_gaps
from seodang.evaluation.baselines import score_baselines
from seodang.evaluation.requests import Variant
from seodang.evaluation.result_log import ResultLog
from seodang.evaluation.results import Results
from seodang.evaluation.runner import VariantModel, count_templates, evaluate_variants, iter_base_variants
from seodang.evaluation.samples import TaskSamples, compute_fingerprint
from seodang.io.atomic import compute_sha256
from seodang.io.jsonl import read_records
from seodang.licences.permissions import Permissions
from seodang.models.device import choose_device, keep_freed_memory
from seodang.models.loading import load_tokenizer
from seodang.models.slot import ModelSlot
from seodang.paths import Paths
from seodang.records import Record
from seodang.study.curve.items import load_items
from seodang.study.curve.report import write_curve_report
from seodang.study.curve.results import build_report
from seodang.study.curve.subsets import Subset, select_subsets
from seodang.study.curve.training import Trained, parse_recipes, train_models
from seodang.study.tuned_models import build_variant_model


def run_curve(
    curve: CurveParams, name: str, params: Params, paths: Paths, permissions: Permissions | None = None
) -> Path:
    """Train, evaluate and report each point; return the folder of the report, which is rewritten after each model.

    An interrupted study resumes: trained models are not trained again, scored items are not scored again.

    Args:
        curve: Numbers of records, variants, seeds, tasks and settings.
        name: Of the study and of its folder in artifacts/study.
        params: Training and prompt format; the base and the splits must exist.
        paths: The project.
        permissions: What the licences allow, for the report; None: it says nothing about licences.

    Raises:
        EvaluationError: If a task has no items or no records.
        ParamsError: If a recipe makes the section `train` invalid.
    """
    keep_freed_memory()
    training = list(read_records(paths.get_split_path("train")))
    items = load_items(curve, training, paths)
    parse_recipes(curve, params.train)
    subsets = select_subsets(curve, training)
    folder = paths.get_study_folder(name)
    tasks = [task for group in items.values() for task in group]
    evaluation = _Evaluation(curve, params, tasks, folder / "results.jsonl", paths)
    scores = evaluation.score_base() + _score_baselines(tasks, subsets, curve)
    facts = _collect_facts(curve, params, items, training)
    facts["licences"] = [note.to_json() for note in permissions.list_notes()] if permissions else []
    trained: list[Trained] = []
    for one in train_models(curve, subsets, params, folder / "models", paths):
        trained.append(one)
        scores += evaluation.score_model(one)
        write_curve_report(folder / "report", build_report(facts, curve, items, scores, trained, len(subsets)))
    return folder / "report"


def _collect_facts(
    curve: CurveParams,
    params: Params,
    items: Mapping[str, Sequence[TaskSamples]],
    training: Iterable[Record],
) -> dict[str, Any]:
    """Return what the report says beside the results."""
    records = list({record.id: record for record in training}.values())
    tasks = [task for group in items.values() for task in group]
    return {
        "title": {"ko": curve.title_ko, "en": curve.title_en},
        "study": curve.model_dump(),
        "train": params.train.model_dump(),
        "model": params.model.name,
        "available": sum(record.task in curve.held_in_tasks for record in records),
        "items_fingerprint": compute_fingerprint(tasks),
        "baseline_gaps": [gap.to_json() for gap in describe_baseline_gaps(tasks, records)],
    }


def _score_baselines(tasks: Sequence[TaskSamples], subsets: Sequence[Subset], curve: CurveParams) -> list[ItemScore]:
    """Return the scores of letter n-grams by number of records, and of the most frequent label of the largest subset.

    The letters learn from the records of the single-task model of the first seed.
    """
    by_number = {subset.asked: subset for subset in reversed(subsets) if subset.seed == curve.seeds[0]}
    largest = max(by_number)
    return [
        replace(score, variant=f"{LETTERS}/{asked}" if score.variant == LETTERS else MAJORITY)
        for asked, subset in sorted(by_number.items())
        for score in score_baselines(tasks, subset.task_records)
        if score.variant == LETTERS or asked == largest
    ]


class _Evaluation:
    """Scores models on the items; results that are in the log are not computed again."""

    def __init__(
        self, curve: CurveParams, params: Params, tasks: Sequence[TaskSamples], log: Path, paths: Paths
    ) -> None:
        self._curve, self._params, self._tasks, self._log, self._paths = curve, params, tasks, log, paths
        self._tokenizer: PreTrainedTokenizerBase = load_tokenizer(paths.base)

    def score_base(self) -> list[ItemScore]:
        """Return the scores of the base with each prompt."""
        return self._evaluate(
            [
                build_variant_model(variant, None, self._tokenizer, self._paths)
                for variant in iter_base_variants(self._curve.evaluate, count_templates(self._tasks))
            ]
        )

    def score_model(self, trained: Trained) -> list[ItemScore]:
        """Return the scores of a trained model under the name of its subset; none if training failed."""
        if trained.project is None:
            return []
        # The weights are part of the name in the log, so that a model that is trained anew is scored anew.
        name = f"{trained.subset.name}/{trained.report['adapter_sha256'][:12]}"
        variant = Variant(name, self._params.prompt.format, 0, "tuned")
        model = build_variant_model(variant, trained.project, self._tokenizer, self._paths)
        return [replace(score, variant=trained.subset.name) for score in self._evaluate([model])]

    def _evaluate(self, models: Sequence[VariantModel]) -> list[ItemScore]:
        train = self._params.train
        slot = ModelSlot(train.precision, choose_device(train.device))
        with ResultLog(self._log, self._compute_fingerprint()) as result_log:
            return evaluate_variants(models, self._tasks, self._curve.evaluate, Results(result_log), slot)

    def _compute_fingerprint(self) -> str:
        inputs = {
            "items": compute_fingerprint(self._tasks),
            "evaluate": self._curve.evaluate.model_dump(mode="json"),
            "prompt": self._params.prompt.format,
            "precision": self._params.train.precision,
            "base": compute_sha256(self._paths.base_report),
        }
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
