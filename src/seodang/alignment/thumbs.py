"""Figures on held-out answers with a thumb up or down, which judge KTO where too few pairs are held out. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import rankdata

from seodang.alignment.summary import estimate_mean, round_figure
from seodang.evaluation.judge.resampling import MINIMUM_GROUPS, Estimate, Floats, compute_wilson, estimate, sum_groups
from seodang.records import count_questions

if TYPE_CHECKING:
    from seodang.alignment.preferences import RatedAnswer


@dataclass(frozen=True, slots=True)
class ThumbScore:
    """Log-probabilities of an answer in nats, by the tuned and by the aligned model."""

    group: str
    is_desirable: bool
    tuned: float
    aligned: float


def count_marked_questions(answers: Sequence[RatedAnswer]) -> int:
    """Return how many questions judge by thumbs; 0 if all thumbs point in one direction."""
    return count_questions((answer.group, answer.is_desirable) for answer in answers)


def summarize_thumbs(scores: Sequence[ThumbScore], beta: float) -> dict[str, Any]:
    """Return what the aligned model prefers, and how far it has moved, on answers with thumbs.

    Args:
        scores: Some of each mark; none of them was trained on.
        beta: The implicit reward is beta times the log ratio of aligned and tuned model.
    """
    good, bad = ([each for each in scores if each.is_desirable == side] for side in (True, False))
    return {
        "good": len(good),
        "bad": len(bad),
        "questions": count_questions((each.group, each.is_desirable) for each in scores),
        "reward_accuracy": round_figure(asdict(compare_changes(scores))),
        "reward_margin": _estimate_margin(scores, beta),
        **_summarize_side(good, "chosen"),
        **_summarize_side(bad, "rejected"),
    }


def _summarize_side(scores: Sequence[ThumbScore], side: str) -> Mapping[str, Any]:
    groups = [each.group for each in scores]
    tuned, aligned = np.array([(each.tuned, each.aligned) for each in scores]).T
    return {
        f"tuned_{side}_log_probability": estimate_mean(tuned, groups),
        f"aligned_{side}_log_probability": estimate_mean(aligned, groups),
        f"{side}_change": estimate_mean(aligned - tuned, groups),
    }


def compare_changes(scores: Sequence[ThumbScore]) -> Estimate:
    """Return the probability that an answer marked good gained more log-probability than one marked bad.

    Args:
        scores: Some of each mark.
    """
    ordered = sorted(scores, key=lambda each: not each.is_desirable)
    groups, count = [each.group for each in ordered], sum(each.is_desirable for each in ordered)
    changes = np.array([each.aligned - each.tuned for each in ordered])
    questions = min(count_effective_groups(side) for side in (groups[:count], groups[count:]))
    spread = _compute_group_variance(changes[:count], changes[count:], groups)
    share = float(_compute_wins(changes[:count], changes[count:]).mean())
    if spread > 0:
        # The bound holds for independent sides; both answers to a question may move against each other.
        questions = min(questions, share * (1 - share) / spread)
    return estimate_auc(changes[:count], changes[count:], questions=questions)


def _compute_wins(sample: Floats, other: Floats) -> Floats:
    """Return for each value the share of the other sample that it exceeds; a tie counts half."""
    wins: Floats = (rankdata(np.concatenate([sample, other]))[: len(sample)] - rankdata(sample)) / len(other)
    return wins


def _compute_group_variance(good: Floats, bad: Floats, groups: Sequence[str]) -> float:
    """Return the variance of the accuracy over groups of dependent answers (Obuchowski 1997, Biometrics 53:567-578).

    Args:
        good: Changes of answers marked good.
        bad: Changes of answers marked bad.
        groups: Of both, in this order.
    """
    sides = (_compute_wins(good, bad), 1 - _compute_wins(bad, good))
    parts = np.concatenate([(wins - wins.mean()) / len(wins) for wins in sides])
    sums = sum_groups(parts[:, None], groups)
    return float(np.square(sums).sum()) * len(sums) / max(1, len(sums) - 1)


def estimate_auc(good: Floats, bad: Floats, *, questions: float) -> Estimate:
    """Return the probability that a value of the first sample exceeds one of the second; a tie counts half.

    It is the statistic of Mann and Whitney (1947) over the number of pairs of values. Its variance is at most p(1 - p)
    over the size of the smaller sample (Birnbaum and Klose 1957, Annals of Mathematical Statistics 28:933-945) if both
    are independent, so Wilson's interval of a share among so many is wide enough, and stays honest at 0 and 1.

    Args:
        good: At least one value.
        bad: At least one value.
        questions: Independent values in the smaller sample.
    """
    share = float(_compute_wins(good, bad).mean())
    if questions < MINIMUM_GROUPS:
        return Estimate(share)
    low, high = compute_wilson(share, questions)
    return Estimate(share, min(share, max(0.0, low)), max(share, min(1.0, high)))


def count_effective_groups(groups: Sequence[str]) -> float:
    """Return how many groups of equal size tell as much as these; one large group counts little (Kish 1965)."""
    sizes = np.array(list(Counter(groups).values()), dtype=float)
    return float(sizes.sum() ** 2 / np.square(sizes).sum())


def _estimate_margin(scores: Sequence[ThumbScore], beta: float) -> dict[str, float | None]:
    """Return how much higher the mean implicit reward of good answers is than that of bad ones."""
    changes = np.array([beta * (each.aligned - each.tuned) for each in scores])
    is_good = np.array([float(each.is_desirable) for each in scores])
    columns = np.column_stack([changes * is_good, is_good, changes * (1 - is_good), 1 - is_good])
    return round_figure(asdict(estimate(columns, [each.group for each in scores], _subtract_means)))


def _subtract_means(sums: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        means = sums[..., ::2] / sums[..., 1::2]
    difference: Floats = means[..., 0] - means[..., 1]
    return difference
