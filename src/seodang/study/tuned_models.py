"""Train the models of a study, each in a project of its own, and evaluate them beside the base's prompts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from seodang.config import PromptParams, TrainParams
from seodang.evaluation.requests import Variant
from seodang.evaluation.runner import VariantModel
from seodang.i18n import _, ngettext
from seodang.io.atomic import compute_sha256
from seodang.io.jsonl import read_json, write_json, write_records
from seodang.models.slot import ModelSlot
from seodang.paths import Paths
from seodang.records import Record
from seodang.stages import train as train_stage

logger = logging.getLogger(__name__)


def train_in_project(
    name: str,
    training: Sequence[Record],
    validation: Sequence[Record],
    folder: Path,
    paths: Paths,
    *,
    prompt: PromptParams,
    train: TrainParams,
) -> Paths:
    """Train a model in a project of its own; return the project. A trained model is not trained again.

    Args:
        name: Of the model, for the log.
        training: Its training records.
        validation: Its validation records.
        folder: Of the project, which has a link to the base and its own splits.
        paths: The project that has the base.
        prompt: Prompt format of training.
        train: How to train.

    Raises:
        TrainingError: If the result is unusable.
    """
    project = Paths(folder)
    _link_base(project.base, paths.base.resolve())
    write_records(project.get_split_path("train"), training)
    write_records(project.get_split_path("validation"), validation)
    key = {
        "train": train.model_dump(mode="json"),
        "prompt": prompt.model_dump(mode="json"),
        "base": compute_sha256(paths.base_report),
        **{split: compute_sha256(project.get_split_path(split)) for split in ("train", "validation")},
    }
    marker = folder / "trained.json"
    if marker.exists() and read_json(marker)["key"] == key:
        logger.info(_("model {variant} is already trained", variant=name))
        return project
    marker.unlink(missing_ok=True)  # it describes the weights that training replaces now
    count = ngettext("{count:,} record", "{count:,} records", len(training))
    logger.info(_("training model {variant} on {records}", variant=name, records=count))
    train_stage.run(prompt=prompt, train=train, paths=project)
    write_json(marker, {"key": key})
    return project


def _link_base(link: Path, base: Path) -> None:
    """Link to the base. The folder of a study that was moved, or copied, has a link to where the base was."""
    if link.is_symlink() and link.resolve() != base:
        link.unlink()
    if not link.exists():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(base, target_is_directory=True)


def build_variant_model(
    variant: Variant, project: Paths | None, tokenizer: PreTrainedTokenizerBase, paths: Paths
) -> VariantModel:
    """Return a variant with the function that loads the base, or the model that a project trained."""

    def load(models: ModelSlot) -> tuple[Any, PreTrainedTokenizerBase]:
        if project is None:
            return models.load(paths.base), tokenizer
        return models.load_tuned(paths.base, project.adapter), tokenizer

    return VariantModel(variant, load)
