"""Section `gate`: when a tuned model is promoted. A rules file of `seodang gate` has the same keys."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from seodang.config.section import Section
from seodang.i18n import _


class RuleParams(Section):
    """A comparison that the tuned model must pass."""

    against: Literal["base", "champion"]
    """base: its best prompts on these items; champion: the model that is live now. Score files hold a champion only."""
    test: Literal["superiority", "non_inferiority"]
    """superiority: better by more than the margin; non_inferiority: worse by no more than the margin."""
    metric: str
    higher_is_better: bool
    margin: NonNegativeFloat
    """In the unit of the metric."""
    tasks: list[str]
    """[]: all tasks of the test split; task files count only where they are named."""
    group_by: Literal["all", "language", "task"]
    """all: one test over all items; language | task: one test each."""


class ThresholdParams(Section):
    """A bound of the candidate's mean, whatever the other models reach."""

    metric: str
    minimum: float
    tasks: list[str]
    """[]: all tasks of the test split; task files count only where they are named."""


class GateParams(Section):
    """When a tuned model is promoted."""

    seed: int
    resamples: Annotated[int, Field(ge=1000)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    """Of the intervals; 1 - confidence bounds the probability that a superiority rule passes an equal model."""
    power: Annotated[float, Field(gt=0.5, lt=1)]
    """Statistical power used to estimate how many items would settle an inconclusive test."""
    minimum_items: PositiveInt
    """Minimum number of items of each test."""
    rules: Annotated[list[RuleParams], Field(min_length=1)]
    thresholds: list[ThresholdParams]

    @model_validator(mode="after")
    def _check_superiority_rule(self) -> Self:
        if not any(rule.test == "superiority" for rule in self.rules):
            raise ValueError(
                _("no rule tests superiority, so an equal model would be promoted; give one rule `test: superiority`")
            )
        return self
