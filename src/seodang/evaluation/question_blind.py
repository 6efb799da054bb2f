"""Scores of answers that do not depend on the question: what a model reaches without having learned the task.

A model that was trained on shuffled answers learns their labels, words and lengths. It beats the prompted base, which
knows none of them, although it answers no question. Each item gets the score that such answers reach:

- accuracy: of the most frequent label of the training records (`baselines.MAJORITY`); where the options differ between
  items, the probability of a right guess;
- exact match and chrF: of the tuned model's own answer against the references of other items of the task. Both have the
  same expectation if answers and questions are independent (a permutation test's null hypothesis; Good 2005).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from seodang.evaluation.aggregate import ALIGNED_SHUFFLED, ALIGNED_VARIANT, GUESS, SHUFFLED, TUNED_VARIANT, ItemScore
from seodang.evaluation.metrics import compute_chrf, is_exact_match

_SHUFFLED_VARIANTS: Final = {TUNED_VARIANT: SHUFFLED, ALIGNED_VARIANT: ALIGNED_SHUFFLED}
_OTHER_ITEMS: Final = 20  # references that an answer is compared with


def score_question_blind(scores: Iterable[ItemScore], options: dict[tuple[str, str], int]) -> Iterator[ItemScore]:
    """Yield the scores of shuffled references and of guesses, for the items of the tuned and the aligned model.

    Args:
        scores: Of all variants.
        options: Number of options by task and item.
    """
    tasks: dict[tuple[str, str, str, str], list[ItemScore]] = {}
    for score in scores:
        if score.variant in _SHUFFLED_VARIANTS:
            tasks.setdefault((score.variant, score.split, score.task, score.language), []).append(score)
            if score.variant == TUNED_VARIANT and score.accuracy is not None:
                yield _make_score(score, GUESS, accuracy=1 / options[score.task, score.item])
    for task in tasks.values():
        answered = sorted((score for score in task if score.chrf is not None), key=lambda score: score.item)
        if len(answered) > 1:
            yield from _shuffle_references(answered)


def _shuffle_references(scores: Sequence[ItemScore]) -> Iterator[ItemScore]:
    """Yield each answer's mean scores against the next items' references; each reference is used equally often."""
    count = len(scores)
    for index, score in enumerate(scores):
        shifts = range(1, min(count - 1, _OTHER_ITEMS) + 1)
        references = [scores[(index + shift) % count].reference for shift in shifts]
        answer = score.answer or ""
        yield _make_score(
            score,
            _SHUFFLED_VARIANTS[score.variant],
            chrf=_compute_mean([compute_chrf(answer, reference) for reference in references]),
            exact_match=_compute_mean([float(is_exact_match(answer, reference)) for reference in references]),
        )


def _compute_mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _make_score(
    score: ItemScore,
    variant: str,
    *,
    accuracy: float | None = None,
    exact_match: float | None = None,
    chrf: float | None = None,
) -> ItemScore:
    """Return the score of the same item with these values and no others."""
    return replace(
        score,
        variant=variant,
        accuracy=accuracy,
        prediction=None,
        loss=None,
        answer=None,
        exact_match=exact_match,
        chrf=chrf,
        eos_rate=None,
        extra_metrics={},
        weights={},
        labels=None,
        grades=None,
    )
