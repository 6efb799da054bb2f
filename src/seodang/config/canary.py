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
    tolerance: Annotated[float, Field(gt=0, le=1)]
    """Drop below which the new version is kept."""

    @model_validator(mode="after")
    def _check_tolerance(self) -> Self:
        if self.tolerance <= self.margin:
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

    @model_validator(mode="after")
    def _check_number(self) -> Self:
        if not self.list_limits():
            raise ValueError(_("at least one score must be compared"))
        return self

    def list_limits(self) -> dict[str, ScoreLimitParams]:
        """Return the limits of the compared scores by name."""
        limits = {"answered": self.answered, "fast": self.fast, "stopped": self.stopped}
        return {name: limit for name, limit in limits.items() if limit is not None}


class CanaryParams(Section):
    """A new version beside the old one in service; no stage reads it."""

    share: Share
    """Of the requests that the new version answers."""
    alpha: Share
    """Probability of a false rollback, however often one looks."""
    max_requests: PositiveInt
    """Requests of the new version after which a comparison without a verdict ends."""
    look_seconds: PositiveFloat
    """Time between two looks."""
    fast_seconds: PositiveFloat
    """Within which an answer is fast; the next smaller bound of the histogram counts."""
    scores: OnlineScoreParams
