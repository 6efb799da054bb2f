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
from seodang.inference.prefix_tree import common_prefix, grow, shared_length
from seodang.inference.tree_attention import Prefix, read_prefix, takes_trees, tree_logits

# Logits of one forward pass at the most: a vocabulary of 262,144 would else take gigabytes.
_LOGITS = 48_000_000
# Tokens of a tree at the most: attention looks at all pairs of them and masks most, and on a CPU larger matrices are no quicker.
_TREE_TOKENS = {"cpu": 256}
_TREE_TOKENS_ELSEWHERE = 2048


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt and one answer to it, in token ids; neither is empty."""

    prompt: list[int]
    answer: list[int]


@dataclass(frozen=True, slots=True)
class Choice:
    """A prompt and all answers to it that are scored."""

    item: str  # named in messages
    prompt: list[int]  # token ids, at least one
    options: tuple[tuple[str, list[int]], ...]  # texts, and their token ids


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How probable an answer is after its prompt."""

    nats: float  # sum of log p(token | prompt, answer so far)
    tokens: int  # of the answer


def check_options(choice: Choice) -> None:
    """Refuse options that no model could tell apart.

    Raises:
        EvaluationError: If two options have the same token ids, or one has none; it names item and options.
    """
    texts: dict[tuple[int, ...], str] = {}
    for text, ids in choice.options:
        if not ids:
            raise EvaluationError(
                f"item {choice.item}: option {text!r} has no token in this tokenizer; give the item options with text"
            )
        if tuple(ids) in texts:
            raise EvaluationError(
                f"item {choice.item}: options {texts[tuple(ids)]!r} and {text!r} are the same tokens {ids} in this tokenizer, so no model can tell them apart; change one of them"
            )
        texts[tuple(ids)] = text


def log_likelihoods(model: PreTrainedModel, questions: Sequence[Question], batch_tokens: int) -> list[float]:
    """Return the sum of log p(answer token | prompt, answer so far) of each question, in nats.

    Args:
        batch_tokens: Tokens of one forward pass, the shared prefix not counted.
    """
    numbers: dict[tuple[int, ...], list[int]] = {}
    for number, question in enumerate(questions):
        numbers.setdefault(tuple(question.prompt), []).append(number)
    choices = [
        Choice("", list(prompt), tuple(("", questions[number].answer) for number in asked))
        for prompt, asked in numbers.items()
    ]
    asked_of, result = list(numbers.values()), [0.0] * len(questions)
    for found in _passes(model, choices, batch_tokens, frozenset()):
        for place, likelihoods in found:
            for number, likelihood in zip(asked_of[place], likelihoods, strict=True):
                result[number] = likelihood.nats
    return result


def score_choices(
    model: PreTrainedModel, choices: Sequence[Choice], batch_tokens: int, *, known: Collection[int] = frozenset()
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
    return _passes(model, choices, batch_tokens, known)


@torch.inference_mode()
def _passes(
    model: PreTrainedModel, choices: Sequence[Choice], batch_tokens: int, known: Collection[int]
) -> Iterator[list[tuple[int, list[Likelihood]]]]:
    if len(known) >= len(choices):
        return
    packed = takes_trees(model)
    # One token of every prompt is left over, which predicts the first of the answer.
    shared = (
        min(common_prefix([choice.prompt for choice in choices]), min(len(choice.prompt) for choice in choices) - 1)
        if packed
        else 0
    )
    prefix = read_prefix(model, choices[0].prompt[:shared])
    vocabulary = model.config.get_text_config().vocab_size
    limit = min(batch_tokens, _TREE_TOKENS.get(model.device.type, _TREE_TOKENS_ELSEWHERE))
    batches = (
        _tree_batches(choices, shared, limit, vocabulary) if packed else _row_batches(choices, batch_tokens, vocabulary)
    )
    score = _score_tree if packed else _score_rows
    for batch in batches:
        if asked := [place for place in batch if place not in known]:
            yield list(zip(asked, score(model, [choices[place] for place in asked], prefix), strict=True))


def _tree_batches(choices: Sequence[Choice], shared: int, limit: int, vocabulary: int) -> Iterator[list[int]]:
    """Yield the choices of each tree, those with like beginnings together.

    Args:
        shared: Tokens that all prompts begin with, which are in no tree.
        limit: Tokens of a tree; a choice of more has one to itself.
    """
    batch: list[int] = []
    tokens = places = 0
    before: list[int] = []
    for number in sorted(range(len(choices)), key=lambda number: choices[number].prompt[shared:]):
        tail = choices[number].prompt[shared:]
        later = sum(len(ids) - 1 for _, ids in choices[number].options)
        own = len(tail) - (shared_length(before, tail) if batch else 0)
        if batch and (tokens + own + later > limit or (places + 1 + later) * vocabulary > _LOGITS):
            yield batch
            batch, tokens, places, own = [], 0, 0, len(tail)
        batch.append(number)
        tokens, places, before = tokens + own + later, places + 1 + later, tail
    yield batch


def _row_batches(choices: Sequence[Choice], limit: int, vocabulary: int) -> Iterator[list[int]]:
    """Yield the choices of each pass of rows, those of like length together, so that little is padded."""

    def size(number: int) -> tuple[int, int]:
        longest = max(len(ids) for _, ids in choices[number].options)
        return (len(choices[number].prompt) + longest, longest)

    batch: list[int] = []
    rows = answer = 0
    for number in sorted(range(len(choices)), key=size):
        length, longest = size(number)
        rows, answer = rows + len(choices[number].options), max(answer, longest)
        if batch and (rows * length > limit or rows * (answer + 2) * vocabulary > _LOGITS):
            yield batch
            batch, rows, answer = [], len(choices[number].options), longest
        batch.append(number)
    yield batch


def _score_tree(model: PreTrainedModel, choices: Sequence[Choice], prefix: Prefix) -> list[list[Likelihood]]:
    """Return the scores of one pass, laid out as a tree behind the prefix."""
    tails = [choice.prompt[prefix.length :] for choice in choices]
    asked = [(tail, ids) for tail, choice in zip(tails, choices, strict=True) for _, ids in choice.options]
    tree, paths = grow([tail + ids[:-1] for tail, ids in asked])
    # A token is predicted by the one before it: the first of an answer by the last of its prompt.
    predictors = [path[len(tail) - 1 :] for path, (tail, _) in zip(paths, asked, strict=True)]
    wanted = sorted({place for path in predictors for place in path})
    column = {place: number for number, place in enumerate(wanted)}
    logits = tree_logits(model, tree, prefix, wanted)
    nats = _picked(logits, [[column[place] for place in path] for path in predictors], [ids for _, ids in asked])
    scores = iter([Likelihood(value, len(ids)) for value, (_, ids) in zip(nats, asked, strict=True)])
    return [[next(scores) for _ in choice.options] for choice in choices]


def _picked(logits: Tensor, rows: Sequence[Sequence[int]], answers: Sequence[Sequence[int]]) -> list[float]:
    """Return the sum of log p of each answer's tokens.

    Args:
        logits: (L, vocabulary).
        rows: For each answer, the rows of the logits that predict its tokens.
        answers: Their ids.
    """
    exact = logits.float()
    places = torch.tensor([row for path in rows for row in path], device=logits.device)
    tokens = torch.tensor([token for answer in answers for token in answer], device=logits.device)
    found = (exact[places, tokens] - exact.logsumexp(dim=-1)[places]).double()
    return [float(part.sum()) for part in found.cpu().split([len(answer) for answer in answers])]


def _score_rows(model: PreTrainedModel, choices: Sequence[Choice], prefix: Prefix) -> list[list[Likelihood]]:
    """Return the scores of one pass of a model that takes no trees: each answer in a row of its own, padded on the right where causal attention never looks."""
    asked = [(choice.prompt, ids) for choice in choices for _, ids in choice.options]
    rows = [prompt + ids[:-1] for prompt, ids in asked]
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows], device=model.device)
    spans = [range(len(prompt) - 1, len(row)) for row, (prompt, _) in zip(rows, asked, strict=True)]
    wanted = sorted({place for span in spans for place in span})
    column = {place: number for number, place in enumerate(wanted)}
    logits = model(input_ids=ids, use_cache=False, logits_to_keep=torch.tensor(wanted, device=model.device)).logits
    flat, own = (
        logits.flatten(0, 1),
        [[row * len(wanted) + column[place] for place in span] for row, span in enumerate(spans)],
    )
    nats = iter(_picked(flat, own, [answer for _, answer in asked]))
    return [[Likelihood(next(nats), len(answer)) for _, answer in choice.options] for choice in choices]
