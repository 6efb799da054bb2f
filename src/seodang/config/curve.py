"""A study file with `records`: a learning curve. params.yaml says how to train."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from seodang.config.evaluate import EvaluateParams
from seodang.config.section import Ratio, Section
from seodang.config.train import TrainParams
from seodang.i18n import _

CurveVariant = Literal["single", "mix"]


class CurveParams(Section):
    """Accuracy by number of training records: a task alone, and the same records in an instruction mix."""

    title_ko: str
    title_en: str
    records: Annotated[list[PositiveInt], Field(min_length=1)]
    """Numbers of training records of the tasks, ascending; the smaller subsets are contained in the larger ones."""
    variants: Annotated[list[CurveVariant], Field(min_length=1)]
    """single: the records of the tasks alone; mix: the same records with others beside them."""
    mix_ratio: Annotated[Ratio, Field(gt=0)]
    """Share of other records in the training records of the mix."""
    seeds: Annotated[list[NonNegativeInt], Field(min_length=1)]
    """One model per seed, number of records and variant. A seed selects the records and is the seed of training."""
    held_in_tasks: Annotated[list[str], Field(min_length=1)]
    """The task of the curve; several names where its prompt templates are separate tasks."""
    held_out_tasks: list[str]
    """Tasks that are scored too and never trained on."""
    recipes: list[dict[str, Any]]
    """Changes of the section `train`, of which validation loss chooses one per point; []: train as it is."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    resamples: PositiveInt
    seed: NonNegativeInt
    """Of the bootstrap."""
    evaluate: EvaluateParams
    """Prompt formats and few-shot counts tried with the base, and how many items are evaluated."""

    @model_validator(mode="after")
    def _check_lists(self) -> Self:
        if self.records != sorted(set(self.records)):
            raise ValueError(_("records must ascend without repetition: {records}", records=self.records))
        for name, values in (("variants", self.variants), ("seeds", self.seeds)):
            if len(set(values)) < len(values):
                raise ValueError(_("{name} has a value twice: {values}", name=name, values=values))
        if both := sorted(set(self.held_in_tasks) & set(self.held_out_tasks)):
            raise ValueError(
                _(
                    "{tasks} is in held_in_tasks and in held_out_tasks; remove it from one of them",
                    tasks=", ".join(both),
                )
            )
        return self

    @model_validator(mode="after")
    def _check_recipes(self) -> Self:
        for recipe in self.recipes:
            if unknown := sorted(set(recipe) - set(TrainParams.model_fields)):
                raise ValueError(_("recipes: {names} are no parameters of train", names=", ".join(unknown)))
            if "seed" in recipe:
                raise ValueError(_("recipes: seed belongs into seeds"))
        return self
