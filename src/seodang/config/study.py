"""A study file: what is compared on which tasks. params.yaml says how to train."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from seodang.config.evaluate import EvaluateParams
from seodang.config.section import Section
from seodang.i18n import _


class StudyParams(Section):
    """Prompting against tuning on one task and on many, on held-in tasks, held-out tasks and held-out clusters."""

    title_ko: str
    title_en: str
    held_in_tasks: Annotated[list[str], Field(min_length=1)]
    """The task that the single-task model is tuned on; several names where its prompt templates are separate tasks."""
    held_out_tasks: Annotated[list[str], Field(min_length=1)]
    """Tasks that are never tuned on, though other tasks of their clusters are."""
    held_out_clusters: Annotated[list[str], Field(min_length=1)]
    """Clusters that are never tuned on, as in FLAN (Wei et al. 2022, arXiv 2109.01652)."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    resamples: PositiveInt
    seed: NonNegativeInt
    evaluate: EvaluateParams
    """Prompt formats and few-shot counts tried with the base, and how many items are evaluated."""

    @model_validator(mode="after")
    def _check_disjoint_tasks(self) -> Self:
        if both := sorted(set(self.held_in_tasks) & set(self.held_out_tasks)):
            raise ValueError(
                _(
                    "{tasks} is in held_in_tasks and in held_out_tasks; remove it from one of them",
                    tasks=", ".join(both),
                )
            )
        return self
