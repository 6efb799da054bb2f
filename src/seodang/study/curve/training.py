"""Train the models of a learning curve; a trained model is not trained again."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seodang.config import Params, TrainParams
from seodang.config.curve import CurveParams
from seodang.config.load import parse_section
from seodang.errors import TrainingError, TrainingKilled
from seodang.i18n import Message, _
from seodang.io.jsonl import read_json, read_records
from seodang.paths import Paths
from seodang.records import Record
from seodang.study.curve.subsets import Subset, select_numbers
from seodang.study.tuned_models import train_in_project

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trained:
    """The result of training on one subset: a project with an adapter, or the problem that training ended with."""

    subset: Subset
    project: Paths | None
    recipe: int
    """Index into the recipes of the study file."""
    epochs: float
    validation_losses: tuple[float | None, ...] = ()
    """Of each recipe that was tried, by index; None where training failed. Empty where there was nothing to choose."""
    problem: str = ""

    @property
    def report(self) -> dict[str, Any]:
        """Return the report of stage train; empty without a project."""
        report: dict[str, Any] = {} if self.project is None else read_json(self.project.train_report)
        return report


def parse_recipes(curve: CurveParams, train: TrainParams) -> list[TrainParams]:
    """Return the section `train` of each recipe; the section as it is without recipes.

    Raises:
        ParamsError: If a recipe makes the section invalid.
    """
    section = train.model_dump(mode="json")
    return [
        parse_section(TrainParams, {**section, **recipe}, _("recipe {number}", number=number))
        for number, recipe in enumerate(curve.recipes or [{}], 1)
    ]


def train_models(
    curve: CurveParams, subsets: Sequence[Subset], params: Params, folder: Path, paths: Paths
) -> Iterator[Trained]:
    """Train on each subset in turn and yield the result.

    The first seed of a point tries all recipes; that with the least validation loss trains the other seeds too. The
    validation records are those of the held-in tasks for all models, so that their losses can be compared.

    Args:
        curve: Recipes, tasks and seeds.
        subsets: In order; those of one point follow each other, the first seed first.
        params: Section `train` and the prompt format.
        folder: Of the trained models.
        paths: The project.
    """
    validation = [
        record for record in read_records(paths.get_split_path("validation")) if record.task in curve.held_in_tasks
    ]
    recipes = parse_recipes(curve, params.train)
    recipe_by_point: dict[tuple[str, int], int] = {}
    for subset in subsets:
        point = (subset.variant, subset.asked)
        tried = [recipe_by_point[point]] if point in recipe_by_point else list(range(len(recipes)))
        results = {index: _train(subset, index, recipes[index], validation, params, folder, paths) for index in tried}
        best = min(tried, key=lambda index: _get_validation_loss(results[index], default=float("inf")))
        recipe_by_point.setdefault(point, best)
        losses = tuple(_get_validation_loss(results[index], default=None) for index in tried) if len(tried) > 1 else ()
        chosen = results[best]
        yield replace(chosen, validation_losses=losses)


def _train(
    subset: Subset,
    index: int,
    train: TrainParams,
    validation: Sequence[Record],
    params: Params,
    folder: Path,
    paths: Paths,
) -> Trained:
    """Train on a subset with one recipe; an unusable result does not stop the other points."""
    name = f"{subset.name}-recipe{index + 1}"
    seeded = train.model_copy(update={"seed": subset.seed})
    try:
        project = train_in_project(
            name, subset.records, validation, folder / name, paths, prompt=params.prompt, train=seeded
        )
    except TrainingKilled:
        raise
    except TrainingError as error:
        logger.warning(_("model {variant} has no result: {problem}", variant=name, problem=error))
        return Trained(subset, None, index, train.epochs, problem=str(error))
    return Trained(subset, project, index, train.epochs)


def _get_validation_loss(trained: Trained, *, default: float | None) -> Any:
    return trained.report.get("validation_loss", default)


def describe_shortages(curve: CurveParams, trained: Sequence[Trained], available: int) -> list[Message]:
    """Return one message for each point that has fewer records than the study file names, or no result.

    Args:
        curve: The numbers of the study file.
        trained: All models.
        available: Records of the held-in tasks in training.
    """
    used = select_numbers(curve, available)
    messages = [
        Message(
            "records {asked:,}: training has only {available:,} of {tasks}, so the point has these",
            {"asked": number, "available": available, "tasks": ", ".join(curve.held_in_tasks)},
        )
        for number in used
        if number > available
    ]
    messages += [
        Message(
            "records {asked:,}: left out, as training has only {available:,}",
            {"asked": number, "available": available},
        )
        for number in curve.records
        if number not in used
    ]
    return messages + [message for one in trained for message in _describe_model(one)]


def _describe_model(trained: Trained) -> list[Message]:
    subset, messages = trained.subset, []
    if len(subset.other_records) < subset.asked_others:
        messages.append(
            Message(
                "{name}: other records in the mix {found:,} instead of {asked:,}",
                {"name": subset.name, "found": len(subset.other_records), "asked": subset.asked_others},
            )
        )
    if trained.problem:
        messages.append(Message("{name}: no result. {problem}", {"name": subset.name, "problem": trained.problem}))
        return messages
    learned = trained.report["records"]["train"]
    if learned < len(subset.records):
        messages.append(
            Message(
                "{name}: trained on {learned:,} of {count:,}; the other records are longer than train.max_length"
                " or have no answer",
                {"name": subset.name, "learned": learned, "count": len(subset.records)},
            )
        )
    return messages
