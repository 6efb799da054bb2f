"""Preferences as the data sets that TRL's trainers read, with our token ids instead of text."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any, Final

from datasets import Dataset

from seodang.alignment.methods import AlignmentMethod
from seodang.alignment.preferences import PreferencePair, Preferences, RatedAnswer
from seodang.errors import TrainingError
from seodang.i18n import _

LENGTH: Final = "length"
"""Column of the tokens of a pair's longer row."""


def build_dataset(preferences: Preferences, method: AlignmentMethod, *, seed: int, micro_batch_size: int) -> Dataset:
    """Return the columns that the Trainer of the method collates.

    Args:
        preferences: Of a split.
        method: Decides between pairs and single answers.
        seed: Of the order of single answers, which their Trainer reads in sequence.
        micro_batch_size: Of a forward pass; KTO estimates its KL term within one.

    Raises:
        TrainingError: If the split has no record that the method learns from.
    """
    if method.uses_single_answers:
        answers = preferences.list_answers()
        random.Random(seed).shuffle(answers)
        rows = list(_iter_answer_rows(answers, micro_batch_size))
    else:
        rows = [_build_pair_row(pair) for pair in preferences.pairs]
    if not rows:
        raise TrainingError(
            _(
                "align.method {method} has no preference record to learn from (too long: {too_long}); name sources in"
                " align.sources, or raise align.max_length",
                method=method.name,
                too_long=preferences.too_long,
            )
        )
    return Dataset.from_list(rows)


def _build_pair_row(pair: PreferencePair) -> dict[str, Any]:
    return {
        "prompt_ids": pair.prompt,
        "chosen_ids": pair.chosen,
        "rejected_ids": pair.rejected,
        LENGTH: len(pair.prompt) + max(len(pair.chosen), len(pair.rejected)),
    }


def _iter_answer_rows(answers: Sequence[RatedAnswer], micro_batch_size: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of KTO; in each micro-batch, every prompt also has the answer to the prompt before it.

    The mean log ratio of these mismatched answers is the reference point z0 (Ethayarajh et al. 2024, section 4.1).
    """
    for start in range(0, len(answers), micro_batch_size):
        batch = answers[start : start + micro_batch_size]
        for index, answer in enumerate(batch):
            yield {
                "prompt_ids": answer.prompt,
                "completion_ids": answer.answer,
                "KL_completion_ids": batch[index - 1].answer,
                "label": answer.is_desirable,
            }
