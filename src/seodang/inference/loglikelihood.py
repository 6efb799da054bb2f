"""Compute the log-likelihood of given answers. Common prefixes are computed once, and logits only for answer tokens.

The prefix that all prompts of a call share, mostly few-shot examples, is computed once and cached as keys and values.
The rest goes through the model as trees of tokens (seodang.inference.prefix_tree): a forward pass reads many items in
one row without padding. The options of an item share its prompt. An option of a single token costs nothing, because
the logits at the prompt's end hold its probability.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from seodang.errors import EvaluationError
from seodang.i18n import _
from seodang.inference.choice_requests import ChoiceRequest
from seodang.inference.logits import compute_logits
from seodang.inference.prefix_tree import build_tree, compute_prefix_length, compute_shared_length
from seodang.inference.tree_attention import (
    Prefix,
    can_use_tree,
    compute_tree_logits,
    get_max_tree_tokens,
    prefill_prefix,
)
from seodang.models.architecture import get_rope_boundary
from seodang.models.attention_probe import has_windows_of_cache

# Maximum number of logits in a forward pass; without it a vocabulary of 262,144 would take gigabytes.
_MAX_LOGITS = 48_000_000


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Log-likelihood of an answer after its prompt."""

    nats: float
    """Sum of log p(token | prompt, answer so far)."""
    tokens: int
    """Number of tokens of the answer."""


@torch.inference_mode()
def score_choices(
    model: PreTrainedModel, choices: Sequence[ChoiceRequest], batch_tokens: int, *, skip: Collection[int] = frozenset()
) -> Iterator[list[tuple[int, list[Likelihood]]]]:
    """Yield for each forward pass the indices of its choices with the likelihoods of their options.

    Args:
        model: Model in evaluation mode.
        choices: Prompts and options.
        batch_tokens: Tokens of a forward pass, without the shared prefix.
        skip: Indices of choices that are not scored. The batches are those of all choices, so the rounding of
            the results does not depend on `skip`.

    Raises:
        EvaluationError: If a log-likelihood is not finite; the message names the item.
    """
    if len(skip) >= len(choices):
        return
    longest = _build_longest_row(choices)
    boundary = get_rope_boundary(model.config)
    # Rotary positions that depend on the longest row of a forward pass: each choice has a forward pass of its own.
    is_rope_mixed = boundary is not None and len(longest) > boundary
    use_tree = can_use_tree(model) and not is_rope_mixed and has_windows_of_cache(model, torch.tensor(longest))
    # The last token of every prompt stays outside the prefix, because it predicts the first token of the answer.
    shared = (
        min(
            compute_prefix_length([choice.prompt for choice in choices]),
            min(len(choice.prompt) for choice in choices) - 1,
        )
        if use_tree
        else 0
    )
    prefix = prefill_prefix(model, choices[0].prompt[:shared])
    vocab_size = model.config.get_text_config().vocab_size
    limit = min(batch_tokens, get_max_tree_tokens(model))
    batches = (
        _iter_tree_batches(choices, shared, limit, vocab_size)
        if use_tree
        else _iter_row_batches(choices, 1 if is_rope_mixed else batch_tokens, vocab_size)
    )
    score = _score_tree if use_tree else _score_rows
    for batch in batches:
        if pending := [index for index in batch if index not in skip]:
            results = list(zip(pending, score(model, [choices[index] for index in pending], prefix), strict=True))
            _check_finite(choices, results)
            yield results


def _build_longest_row(choices: Sequence[ChoiceRequest]) -> list[int]:
    """Return the longest prompt with its option, without the last token, which is never read."""
    return max((choice.prompt + ids[:-1] for choice in choices for _text, ids in choice.options), key=len)


def _check_finite(choices: Sequence[ChoiceRequest], results: Sequence[tuple[int, list[Likelihood]]]) -> None:
    """Raise an error for a log-likelihood that is not finite: NaN compares as false, so any option would win."""
    for index, likelihoods in results:
        if not all(math.isfinite(likelihood.nats) for likelihood in likelihoods):
            raise EvaluationError(
                _(
                    "item {sample_id}: the log-likelihood of an answer is not finite ({values}); the model's weights are"
                    " damaged, or its numbers overflow: use train.precision fp32, or train again with a lower"
                    " train.learning_rate",
                    sample_id=choices[index].sample_id,
                    values=", ".join(f"{likelihood.nats:.4g}" for likelihood in likelihoods),
                )
            )


def _iter_tree_batches(
    choices: Sequence[ChoiceRequest], shared: int, limit: int, vocab_size: int
) -> Iterator[list[int]]:
    """Yield the indices of the choices of each tree; choices with a common prefix are in the same tree.

    Args:
        choices: Prompts and options.
        shared: Number of tokens that all prompts begin with; they are in no tree.
        limit: Maximum number of tokens in a tree; a longer choice has its own tree.
        vocab_size: Number of logits of a position.
    """
    batch: list[int] = []
    tokens = label_count = 0
    previous_tail: list[int] = []
    for index in sorted(range(len(choices)), key=lambda index: choices[index].prompt[shared:]):
        tail = choices[index].prompt[shared:]
        option_tokens = sum(len(ids) - 1 for _, ids in choices[index].options)
        new_tokens = len(tail) - (compute_shared_length(previous_tail, tail) if batch else 0)
        if batch and (
            tokens + new_tokens + option_tokens > limit or (label_count + 1 + option_tokens) * vocab_size > _MAX_LOGITS
        ):
            yield batch
            batch, tokens, label_count, new_tokens = [], 0, 0, len(tail)
        batch.append(index)
        tokens, label_count, previous_tail = tokens + new_tokens + option_tokens, label_count + 1 + option_tokens, tail
    yield batch


def _iter_row_batches(choices: Sequence[ChoiceRequest], limit: int, vocab_size: int) -> Iterator[list[int]]:
    """Yield the indices of the choices of each padded batch; choices of similar length are in the same batch."""

    def compute_size(index: int) -> tuple[int, int]:
        longest_answer = max(len(ids) for _, ids in choices[index].options)
        return (len(choices[index].prompt) + longest_answer, longest_answer)

    batch: list[int] = []
    rows = answer_length = 0
    for index in sorted(range(len(choices)), key=compute_size):
        length, longest = compute_size(index)
        rows, answer_length = rows + len(choices[index].options), max(answer_length, longest)
        if batch and (rows * length > limit or rows * (answer_length + 2) * vocab_size > _MAX_LOGITS):
            yield batch
            batch, rows, answer_length = [], len(choices[index].options), longest
        batch.append(index)
    yield batch


def _score_tree(model: PreTrainedModel, choices: Sequence[ChoiceRequest], prefix: Prefix) -> list[list[Likelihood]]:
    """Return the scores of a batch, computed as one tree after the prefix."""
    tails = [choice.prompt[prefix.length :] for choice in choices]
    pairs = [(tail, ids) for tail, choice in zip(tails, choices, strict=True) for _, ids in choice.options]
    tree, paths = build_tree([tail + ids[:-1] for tail, ids in pairs])
    # The token before a label predicts it: the last token of the prompt predicts the first of the answer.
    label_positions = [path[len(tail) - 1 :] for path, (tail, _) in zip(paths, pairs, strict=True)]
    positions = sorted({position for path in label_positions for position in path})
    rows = {position: row for row, position in enumerate(positions)}
    logits = compute_tree_logits(model, tree, prefix, positions)
    nats = _sum_log_probs(
        logits, [[rows[position] for position in path] for path in label_positions], [ids for _, ids in pairs]
    )
    scores = iter([Likelihood(value, len(ids)) for value, (_, ids) in zip(nats, pairs, strict=True)])
    return [[next(scores) for _ in choice.options] for choice in choices]


def _sum_log_probs(logits: Tensor, rows: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> list[float]:
    """Return the sum of log p of each answer's tokens.

    Args:
        logits: (L, vocabulary).
        rows: Rows of the logits that predict the tokens of each answer.
        answers: Token ids of each answer.
    """
    logits_fp32 = logits.float()
    positions = torch.tensor([row for answer_rows in rows for row in answer_rows], device=logits.device)
    tokens = torch.tensor([token for answer in answers for token in answer], device=logits.device)
    log_probs = (logits_fp32[positions, tokens] - logits_fp32.logsumexp(dim=-1)[positions]).double()
    return [float(values.sum()) for values in log_probs.cpu().split([len(answer) for answer in answers])]


def _score_rows(model: PreTrainedModel, choices: Sequence[ChoiceRequest], prefix: Prefix) -> list[list[Likelihood]]:
    """Return the scores of a batch for a model that does not support trees: one row for each answer.

    Padding is on the right, where causal attention never looks.
    """
    pairs = [(choice.prompt, ids) for choice in choices for _, ids in choice.options]
    rows = [prompt + ids[:-1] for prompt, ids in pairs]
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=model.device)
    spans = [range(len(prompt) - 1, len(row)) for row, (prompt, _) in zip(rows, pairs, strict=True)]
    positions = sorted({position for span in spans for position in span})
    columns = {position: column for column, position in enumerate(positions)}
    logits = compute_logits(model, positions, input_ids=ids, use_cache=False)
    label_rows = [[row * len(positions) + columns[position] for position in span] for row, span in enumerate(spans)]
    nats = iter(_sum_log_probs(logits.flatten(0, 1), label_rows, [answer for _, answer in pairs]))
    return [[Likelihood(next(nats), len(answer)) for _, answer in choice.options] for choice in choices]
