"""A study: what is compared, on which tasks. It is a file of its own, and params.yaml says how to train."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from seodang.config.evaluate import EvaluateParams
from seodang.config.section import Section


class StudyParams(Section):
    """Prompting against tuning on one task and on many: on a task that was seen, on one that wasn't, and on a whole cluster that wasn't."""

    title_ko: str
    title_en: str
    held_in_tasks: Annotated[list[str], Field(min_length=1)]
    """The task that is tuned on alone, and of which test items are asked; several names where its wordings are tasks of their own."""
    held_out_tasks: Annotated[list[str], Field(min_length=1)]
    """Tasks of which nothing is tuned on, though others of their clusters are."""
    held_out_clusters: Annotated[list[str], Field(min_length=1)]
    """Nothing of them is tuned on, as in FLAN (Wei et al. 2022, arXiv 2109.01652)."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    resamples: PositiveInt
    seed: NonNegativeInt
    evaluate: EvaluateParams
    """Formats and numbers of exemplars that are tried with the base, and how many items are asked."""

    @model_validator(mode="after")
    def _check_disjoint_tasks(self) -> Self:
        if both := sorted(set(self.held_in_tasks) & set(self.held_out_tasks)):
            raise ValueError(f"{', '.join(both)} stands in `seen` and in `unseen`; take it out of one of them")
        return self
