"""Section `canary` of params.yaml."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from seodang.config.section import Section
from seodang.i18n import _

Share = Annotated[float, Field(gt=0, lt=1)]


class ScoreLimitParams(Section):
    """What a new version may lose in one score."""

    margin: Annotated[float, Field(ge=0, lt=1)]
    """Drop that is still acceptable."""
    tolerance: Annotated[float, Field(gt=0, le=1)] | None
    """Drop below which the new version is kept; null: the score can only roll back, and the new version is kept without
    evidence about it."""

    @model_validator(mode="after")
    def _check_tolerance(self) -> Self:
        if self.tolerance is not None and self.tolerance <= self.margin:
            raise ValueError(
                _(
                    "tolerance {tolerance:g} must be above margin {margin:g}, else an equal version is never kept",
                    tolerance=self.tolerance,
                    margin=self.margin,
                )
            )
        return self


class OnlineScoreParams(Section):
    """The scores that are compared; null leaves one out."""

    answered: ScoreLimitParams | None
    """Requests without an error of the server."""
    fast: ScoreLimitParams | None
    """Answers that are complete within `fast_seconds`."""
    stopped: ScoreLimitParams | None
    """Answers that end by themselves, and not at the limit of tokens."""
    valid: ScoreLimitParams | None
    """Answers in the form that their request gives them, such as a JSON schema."""
    liked: ScoreLimitParams | None
    """Answers with a good rating (POST /feedback), among the rated ones."""
    labelled: ScoreLimitParams | None
    """Answers to probes that are one of the labels."""
    correct: ScoreLimitParams | None
    """Answers to probes that are the reference; each task is a score."""

    @model_validator(mode="after")
    def _check_tolerances(self) -> Self:
        if all(limit.tolerance is None for limit in self.list_counted().values()):
            raise ValueError(
                _("one of answered, fast, stopped, valid and liked needs a tolerance, else no version is ever kept")
            )
        return self

    def list_counted(self) -> dict[str, ScoreLimitParams]:
        """Return the limits of the compared scores that users' requests have, by name."""
        limits = {
            "answered": self.answered,
            "fast": self.fast,
            "stopped": self.stopped,
            "valid": self.valid,
            "liked": self.liked,
        }
        return {name: limit for name, limit in limits.items() if limit is not None}


class ProbeParams(Section):
    """Items with known answers that both versions are asked during a canary."""

    per_minute: Annotated[float, Field(ge=0, le=600)]
    """Items that both versions are asked; 0: none, so that `labelled` and `correct` are not compared."""
    file: str | None
    """JSONL with instruction, input, output, task and choices, relative to the project; null: the validation split."""
    tasks: list[str] | None
    """Names of the tasks to ask; null: all tasks with labels."""


class CanaryParams(Section):
    """A new version beside the old one in service; no stage reads it."""

    share: Share
    """Of the requests that the new version answers."""
    alpha: Share
    """Probability of a false rollback, however often one looks."""
    max_requests: PositiveInt
    """Requests of the new version after which a comparison without a verdict ends."""
    max_hours: PositiveFloat
    """Time after which a comparison without a verdict ends: a service that nobody uses never gets there otherwise."""
    look_seconds: PositiveFloat
    """Time between two looks."""
    fast_seconds: PositiveFloat
    """Within which an answer is fast; the next smaller bound of the histogram counts."""
    probes: ProbeParams
    scores: OnlineScoreParams
