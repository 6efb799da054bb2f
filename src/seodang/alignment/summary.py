"""The figures of a report, with intervals, from the scores of held-out pairs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from seodang.evaluation.judge.resampling import Floats, estimate, estimate_share
from seodang.evaluation.metrics import compute_chrf

if TYPE_CHECKING:
    from seodang.alignment.measures import AnswerScore, PairScore


def summarize_pairs(scores: Sequence[PairScore], beta: float) -> dict[str, Any]:
    """Return what the aligned model prefers, and how far it has moved, on held-out pairs.

    Args:
        scores: None of them was trained on.
        beta: The implicit reward is beta times the log ratio of aligned and tuned model.
    """
    groups = [score.group for score in scores]
    table = np.array(
        [(each.tuned_chosen, each.tuned_rejected, each.aligned_chosen, each.aligned_rejected) for each in scores]
    ).reshape(len(scores), 4)
    tuned_chosen, tuned_rejected, aligned_chosen, aligned_rejected = table.T
    chosen_change, rejected_change = aligned_chosen - tuned_chosen, aligned_rejected - tuned_rejected
    shares = {
        "reward_accuracy": chosen_change > rejected_change,
        "tuned_accuracy": tuned_chosen > tuned_rejected,
        "aligned_accuracy": aligned_chosen > aligned_rejected,
    }
    means = {
        "accuracy_change": shares["aligned_accuracy"].astype(float) - shares["tuned_accuracy"],
        "reward_margin": beta * (chosen_change - rejected_change),
        "tuned_chosen_log_probability": tuned_chosen,
        "aligned_chosen_log_probability": aligned_chosen,
        "chosen_change": chosen_change,
        "tuned_rejected_log_probability": tuned_rejected,
        "aligned_rejected_log_probability": aligned_rejected,
        "rejected_change": rejected_change,
    }
    return {
        "pairs": len(scores),
        **{name: round_figure(asdict(estimate_share(flags.astype(float), groups))) for name, flags in shares.items()},
        **{name: estimate_mean(values, groups) for name, values in means.items()},
        "tasks": _count_by_task(scores, shares),
    }


def _count_by_task(scores: Sequence[PairScore], shares: Mapping[str, NDArray[np.bool_]]) -> dict[str, dict[str, int]]:
    """Return the pairs of each task, with the number of those whose preferred answer is likelier, before and after."""
    tasks = np.array([score.task for score in scores])
    return {
        task: {
            "pairs": int((tasks == task).sum()),
            **{name: int(shares[f"{name}_accuracy"][tasks == task].sum()) for name in ("tuned", "aligned")},
        }
        for task in sorted(set(tasks.tolist()))
    }


def compare_with_pairs(samples: Sequence[Mapping[str, str]], groups: Sequence[str]) -> dict[str, Any]:
    """Return how the generated answers compare with the preferred and the rejected ones, before and after.

    Args:
        samples: Texts of each prompt: chosen, rejected, tuned, aligned.
        groups: Of each prompt.
    """
    preferred, rejected = (
        np.array([[compute_chrf(sample[name], sample[side]) for name in ("tuned", "aligned")] for sample in samples])
        for side in ("chosen", "rejected")
    )
    closer = (preferred > rejected).astype(float)
    before, after = ([float(len(sample[name])) for sample in samples] for name in ("chosen", "aligned"))
    return {
        "tuned_chrf": estimate_mean(preferred[:, 0], groups),
        "aligned_chrf": estimate_mean(preferred[:, 1], groups),
        "chrf_change": estimate_mean(preferred[:, 1] - preferred[:, 0], groups),
        "tuned_closer": estimate_mean(closer[:, 0], groups),
        "aligned_closer": estimate_mean(closer[:, 1], groups),
        "closer_change": estimate_mean(closer[:, 1] - closer[:, 0], groups),
        "preferred_length_ratio": estimate_ratio(np.array(after), np.array(before), groups),
    }


def summarize_answers(answers: Sequence[AnswerScore]) -> dict[str, Any]:
    """Return the length of the answers before and after, and the divergence per token of the aligned answers."""
    groups = [answer.group for answer in answers]
    before, after = (
        np.array([float(len(tokens)) for tokens in lengths])
        for lengths in ([each.tuned.tokens for each in answers], [each.aligned.tokens for each in answers])
    )
    totals = np.array([sum(each.divergences) for each in answers])
    tokens = np.array([float(len(each.divergences)) for each in answers])
    return {
        "prompts": len(answers),
        "kl_per_token": estimate_ratio(totals, tokens, groups),
        "tuned_length": estimate_mean(before, groups),
        "aligned_length": estimate_mean(after, groups),
        "length_ratio": estimate_ratio(after, before, groups),
        "changed_answers": sum(each.tuned.tokens != each.aligned.tokens for each in answers),
    }


def estimate_mean(values: Floats, groups: Sequence[str]) -> dict[str, float | None]:
    """Return the mean with its interval over groups."""
    return estimate_ratio(values, np.ones(len(values)), groups)


def estimate_ratio(numerators: Floats, denominators: Floats, groups: Sequence[str]) -> dict[str, float | None]:
    """Return the ratio of two sums over the pairs, with its interval over groups."""
    columns = np.column_stack([numerators, denominators])
    return round_figure(asdict(estimate(columns, groups, _divide)))


def _divide(sums: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums[..., 1] > 0, sums[..., 0] / sums[..., 1], np.nan)


def round_figure(values: dict[str, float | None]) -> dict[str, float | None]:
    """Return a figure with five decimals."""
    return {name: None if value is None else round(value, 5) for name, value in values.items()}
