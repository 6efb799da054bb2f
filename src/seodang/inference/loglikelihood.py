"""Log-likelihood of given answers. What prompts have in common is computed once, and logits only where answers stand.

The beginning that all prompts of a call share, few-shot exemplars above all, is read once and kept as keys and values. The rest
goes through the model as trees of tokens (seodang.inference.prefix_tree), many items to a pass in one row without padding: the
options of an item share its prompt, and an option of a single token costs nothing, as its probability stands where the prompt ends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from seodang.errors import EvaluationError
from seodang.inference.prefix_tree import build_tree, compute_prefix_length, compute_shared_length
from seodang.inference.tree_attention import Prefix, can_use_tree, compute_tree_logits, prefill_prefix

# Logits of one forward pass at the most: a vocabulary of 262,144 would else take gigabytes.
_MAX_LOGITS = 48_000_000
# Tokens of a tree at the most: attention looks at all pairs of them and masks most, and on a CPU larger matrices are no quicker.
_MAX_TREE_TOKENS = {"cpu": 256}
_DEFAULT_MAX_TREE_TOKENS = 2048


@dataclass(frozen=True, slots=True)
class LikelihoodRequest:
    """A prompt and one answer to it, in token ids; neither is empty."""

    prompt: list[int]
    answer: list[int]


@dataclass(frozen=True, slots=True)
class ChoiceRequest:
    """A prompt and all answers to it that are scored."""

    sample_id: str  # named in messages
    prompt: list[int]  # token ids, at least one
    options: tuple[tuple[str, list[int]], ...]  # texts, and their token ids


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How probable an answer is after its prompt."""

    nats: float  # sum of log p(token | prompt, answer so far)
    tokens: int  # of the answer


def check_options(choice: ChoiceRequest) -> None:
    """Refuse options that no model could tell apart.

    Raises:
        EvaluationError: If two options have the same token ids, or one has none; it names item and options.
    """
    texts: dict[tuple[int, ...], str] = {}
    for text, ids in choice.options:
        if not ids:
            raise EvaluationError(
                f"item {choice.sample_id}: option {text!r} has no token in this tokenizer; give the item options with text"
            )
        if tuple(ids) in texts:
            raise EvaluationError(
                f"item {choice.sample_id}: options {texts[tuple(ids)]!r} and {text!r} are the same tokens {ids} in this tokenizer, so no model can tell them apart; change one of them"
            )
        texts[tuple(ids)] = text


def compute_log_likelihoods(
    model: PreTrainedModel, requests: Sequence[LikelihoodRequest], batch_tokens: int
) -> list[float]:
    """Return the sum of log p(answer token | prompt, answer so far) of each question, in nats.

    Args:
        batch_tokens: Tokens of one forward pass, the shared prefix not counted.
    """
    indices_by_prompt: dict[tuple[int, ...], list[int]] = {}
    for index, request in enumerate(requests):
        indices_by_prompt.setdefault(tuple(request.prompt), []).append(index)
    choices = [
        ChoiceRequest("", list(prompt), tuple(("", requests[number].answer) for number in asked))
        for prompt, asked in indices_by_prompt.items()
    ]
    request_indices, result = list(indices_by_prompt.values()), [0.0] * len(requests)
    for batch in _score_batches(model, choices, batch_tokens, frozenset()):
        for position, likelihoods in batch:
            for index, likelihood in zip(request_indices[position], likelihoods, strict=True):
                result[index] = likelihood.nats
    return result


def score_choices(
    model: PreTrainedModel, choices: Sequence[ChoiceRequest], batch_tokens: int, *, skip: Collection[int] = frozenset()
) -> Iterator[list[tuple[int, list[Likelihood]]]]:
    """Yield, pass by pass, places among `choices` with the likelihoods of that choice's options.

    Args:
        batch_tokens: As in log_likelihoods.
        known: Places that are not asked again. The passes stay those of the whole, and so does the rounding of their results.

    Raises:
        EvaluationError: As check_options, before anything is computed.
    """
    for choice in choices:
        check_options(choice)
    return _score_batches(model, choices, batch_tokens, skip)


@torch.inference_mode()
def _score_batches(
    model: PreTrainedModel, choices: Sequence[ChoiceRequest], batch_tokens: int, skip: Collection[int]
) -> Iterator[list[tuple[int, list[Likelihood]]]]:
    if len(skip) >= len(choices):
        return
    use_tree = can_use_tree(model)
    # One token of every prompt is left over, which predicts the first of the answer.
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
    limit = min(batch_tokens, _MAX_TREE_TOKENS.get(model.device.type, _DEFAULT_MAX_TREE_TOKENS))
    batches = (
        _iter_tree_batches(choices, shared, limit, vocab_size)
        if use_tree
        else _iter_row_batches(choices, batch_tokens, vocab_size)
    )
    score = _score_tree if use_tree else _score_rows
    for batch in batches:
        if pending := [place for place in batch if place not in skip]:
            yield list(zip(pending, score(model, [choices[place] for place in pending], prefix), strict=True))


def _iter_tree_batches(
    choices: Sequence[ChoiceRequest], shared: int, limit: int, vocab_size: int
) -> Iterator[list[int]]:
    """Yield the choices of each tree, those with like beginnings together.

    Args:
        shared: Tokens that all prompts begin with, which are in no tree.
        limit: Tokens of a tree; a choice of more has one to itself.
    """
    batch: list[int] = []
    tokens = label_count = 0
    previous_tail: list[int] = []
    for index in sorted(range(len(choices)), key=lambda number: choices[number].prompt[shared:]):
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
    """Yield the choices of each pass of rows, those of like length together, so that little is padded."""

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
    """Return the scores of one pass, laid out as a tree behind the prefix."""
    tails = [choice.prompt[prefix.length :] for choice in choices]
    pairs = [(tail, ids) for tail, choice in zip(tails, choices, strict=True) for _, ids in choice.options]
    tree, paths = build_tree([tail + ids[:-1] for tail, ids in pairs])
    # A token is predicted by the one before it: the first of an answer by the last of its prompt.
    label_positions = [path[len(tail) - 1 :] for path, (tail, _) in zip(paths, pairs, strict=True)]
    positions = sorted({place for path in label_positions for place in path})
    column = {place: number for number, place in enumerate(positions)}
    logits = compute_tree_logits(model, tree, prefix, positions)
    nats = _sum_log_probs(
        logits, [[column[place] for place in path] for path in label_positions], [ids for _, ids in pairs]
    )
    scores = iter([Likelihood(value, len(ids)) for value, (_, ids) in zip(nats, pairs, strict=True)])
    return [[next(scores) for _ in choice.options] for choice in choices]


def _sum_log_probs(logits: Tensor, rows: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> list[float]:
    """Return the sum of log p of each answer's tokens.

    Args:
        logits: (L, vocabulary).
        rows: For each answer, the rows of the logits that predict its tokens.
        answers: Their ids.
    """
    logits_fp32 = logits.float()
    positions = torch.tensor([row for path in rows for row in path], device=logits.device)
    tokens = torch.tensor([token for answer in answers for token in answer], device=logits.device)
    log_probs = (logits_fp32[positions, tokens] - logits_fp32.logsumexp(dim=-1)[positions]).double()
    return [float(part.sum()) for part in log_probs.cpu().split([len(answer) for answer in answers])]


def _score_rows(model: PreTrainedModel, choices: Sequence[ChoiceRequest], prefix: Prefix) -> list[list[Likelihood]]:
    """Return the scores of one pass of a model that takes no trees: each answer in a row of its own, padded on the right where causal attention never looks."""
    pairs = [(choice.prompt, ids) for choice in choices for _, ids in choice.options]
    rows = [prompt + ids[:-1] for prompt, ids in pairs]
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=model.device)
    spans = [range(len(prompt) - 1, len(row)) for row, (prompt, _) in zip(rows, pairs, strict=True)]
    positions = sorted({place for span in spans for place in span})
    column = {place: number for number, place in enumerate(positions)}
    logits = model(input_ids=ids, use_cache=False, logits_to_keep=torch.tensor(positions, device=model.device)).logits
    flat_logits, label_rows = (
        logits.flatten(0, 1),
        [[row * len(positions) + column[place] for place in span] for row, span in enumerate(spans)],
    )
    nats = iter(_sum_log_probs(flat_logits, label_rows, [answer for _, answer in pairs]))
    return [[Likelihood(next(nats), len(answer)) for _, answer in choice.options] for choice in choices]
