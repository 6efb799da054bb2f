"""What a reward model is worth on held-out pairs, and the refusal of one that is no better than chance. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from seodang.alignment.summary import estimate_mean, round_figure
from seodang.config import AlignBoundParams
from seodang.errors import RewardModelRejected
from seodang.evaluation.judge.resampling import Floats, estimate, estimate_share
from seodang.i18n import _, ngettext

CHANCE: Final = 0.5


@dataclass(frozen=True, slots=True)
class RatedPair:
    """A held-out pair with the rewards of both answers and their lengths in tokens."""

    group: str
    chosen: float
    rejected: float
    chosen_length: int
    rejected_length: int


def summarize_reward_model(pairs: Sequence[RatedPair]) -> dict[str, Any]:
    """Return accuracy, margin and length bias, each with its interval over groups of dependent pairs.

    Args:
        pairs: None of them was trained on. Equal rewards count as half right.
    """
    groups = [pair.group for pair in pairs]
    margins = np.array([pair.chosen - pair.rejected for pair in pairs], dtype=float)
    longer = np.array([pair.chosen_length - pair.rejected_length for pair in pairs])
    return {
        "pairs": len(pairs),
        "accuracy": _estimate_accuracy(margins, groups),
        "margin": estimate_mean(margins, groups),
        "better_is_longer": _summarize_part(margins, groups, longer > 0),
        "better_is_shorter": _summarize_part(margins, groups, longer < 0),
        "length_correlation": _correlate(pairs, groups),
    }


def _estimate_accuracy(margins: Floats, groups: Sequence[str]) -> dict[str, float | None]:
    return round_figure(asdict(estimate_share((np.sign(margins) + 1) / 2, groups)))


def _summarize_part(margins: Floats, groups: Sequence[str], selected: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Return number and accuracy of a part of the pairs."""
    kept = np.flatnonzero(selected).tolist()
    return {"pairs": len(kept), "accuracy": _estimate_accuracy(margins[kept], [groups[index] for index in kept])}


def _correlate(pairs: Sequence[RatedPair], groups: Sequence[str]) -> dict[str, float | None]:
    """Return Pearson's correlation of reward and length over all answers."""
    rewards = np.array([reward for pair in pairs for reward in (pair.chosen, pair.rejected)], dtype=float)
    lengths = np.array([n for pair in pairs for n in (pair.chosen_length, pair.rejected_length)], dtype=float)
    if len(pairs):  # the correlation of centred values has the same value and smaller sums
        rewards, lengths = rewards - rewards.mean(), lengths - lengths.mean()
    columns = np.column_stack([np.ones_like(rewards), rewards, lengths, rewards**2, lengths**2, rewards * lengths])
    return round_figure(asdict(estimate(columns, [group for group in groups for _side in range(2)], _pearson)))


def _pearson(sums: Floats) -> Floats:
    count, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (count * xx - x**2) * (count * yy - y**2)
        return np.where(spread > 0, (count * xy - x * y) / np.sqrt(spread), np.nan)


def require_pairs(held_out: int, bounds: AlignBoundParams) -> None:
    """Refuse to train a reward model that too few held-out pairs could judge.

    Raises:
        RewardModelRejected: With both numbers and what to do.
    """
    if held_out >= bounds.minimum_pairs:
        return
    raise RewardModelRejected(
        _(
            "no reward model is trained: {pairs}, and align.bounds.minimum_pairs is {minimum}. Add preference pairs to"
            " align.sources, raise align.max_length, lower align.bounds.minimum_pairs, or use align.reward: rules",
            pairs=ngettext("{count} held-out pair", "{count} held-out pairs", held_out),
            minimum=bounds.minimum_pairs,
        )
    )


def require_better_than_chance(figures: Mapping[str, Any]) -> None:
    """Refuse a reward model that held-out pairs do not show to be better than chance.

    Raises:
        RewardModelRejected: With the figure, the reason and what to do.
    """
    accuracy = figures["accuracy"]
    if accuracy["low"] is not None and accuracy["low"] > CHANCE:
        return
    raise RewardModelRejected(
        _(
            "the reward model is refused, and GRPO does not start: it prefers the better answer in {accuracy} of {pairs},"
            " which is not shown to be better than chance ({chance:.0%}). Add preference pairs to align.sources, raise"
            " align.reward_model.epochs or align.reward_model.learning_rate, or use align.reward: rules",
            accuracy=format_accuracy(accuracy),
            pairs=ngettext("{count} held-out pair", "{count} held-out pairs", figures["pairs"]),
            chance=CHANCE,
        )
    )


def format_accuracy(figure: Mapping[str, float | None]) -> str:
    """Return a share with its interval."""
    value, low, high = (figure[name] for name in ("value", "low", "high"))
    if value is None:
        return "-"
    return f"{value:.0%}" + ("" if low is None or high is None else f" [{low:.0%}, {high:.0%}]")
