"""The section `gate`: when a tuned model is good enough. A rules file of `seodang gate` holds the same."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveInt, model_validator

from seodang.config.section import Section


class RuleParams(Section):
    """A comparison that must hold."""

    against: Literal["base", "champion"]
    """base: its best prompt of each kind on these items; champion: the model that is live now. Score files know a champion only."""
    test: Literal["superiority", "non_inferiority"]
    """superiority: by more than the margin; non_inferiority: by no more than the margin."""
    metric: str
    higher_is_better: bool
    margin: NonNegativeFloat
    """In the metric's unit."""
    tasks: list[str]
    """[] for all of the test split; task files count only where they are named."""
    group_by: Literal["all", "language", "task"]
    """One test over all the items, or one for each language or task apart."""


class ThresholdParams(Section):
    """What the candidate's mean must reach, whatever others reach."""

    metric: str
    minimum: float
    tasks: list[str]
    """[] for all of the test split; task files count only where they are named."""


class GateParams(Section):
    """When a tuned model is good enough."""

    seed: int
    resamples: Annotated[int, Field(ge=1000)]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    """Of the intervals; 1 - confidence bounds the chance that a rule of the kind superiority lets an equal model through."""
    power: Annotated[float, Field(gt=0.5, lt=1)]
    """With which the number of items that would decide an inconclusive test is told."""
    minimum_items: PositiveInt
    """Of each test."""
    rules: Annotated[list[RuleParams], Field(min_length=1)]
    thresholds: list[ThresholdParams]

    @model_validator(mode="after")
    def _check_superiority_rule(self) -> Self:
        if not any(rule.test == "superiority" for rule in self.rules):
            raise ValueError(
                "no rule asks for something better: an equal model would be promoted; give one rule the value test: superiority"
            )
        return self
