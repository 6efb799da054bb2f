"""The candidate that is a champion itself, as after its promotion: no rule compares it with itself. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from seodang.evaluation.aggregate import TUNED_VARIANT
from seodang.gate.messages import Reason, build_reason
from seodang.gate.scores import Pairs
from seodang.i18n import Message

_ROUNDING: Final = 0.002  # of a mean: a champion is scored as it is served, its adapter merged into the base


def is_same_model(
    evaluation: Mapping[str, Any], champion: Mapping[str, str], variant: str, pairs: Mapping[str, Pairs]
) -> bool:
    """Return whether the candidate has the adapter, the prompt and, but for rounding, the mean scores of a champion.

    Rules would find no difference, and could not say that there is none: differences that are all 0 may be too few to
    contain a rare one. Between a model and itself there is none.

    Args:
        evaluation: Report of the stage `evaluate`.
        champion: Its entry there.
        variant: Name of the champion's scores.
        pairs: Scores of both by metric.
    """
    formats = evaluation["formats"]
    return (
        champion.get("adapter_sha256") == evaluation["adapter_sha256"]
        and formats.get(variant) == formats.get(TUNED_VARIANT)
        and all(_has_equal_means(each) for each in pairs.values())
    )


def _has_equal_means(pairs: Pairs) -> bool:
    own, reference = float(pairs.candidate.mean()), float(pairs.reference.mean())
    return abs(own - reference) <= _ROUNDING * max(1.0, abs(reference))


def build_same_model_reason(version: str) -> Reason:
    """Return that rules against a champion do not apply, because the candidate is that champion."""
    message = Message(
        "the candidate is champion {version} itself, with the same adapter, prompt and scores; it is not compared with it",
        {"version": version},
    )
    return build_reason(True, message, is_information=True)
