"""Encode few-shot episodes in the layout of the evaluation, and pack them beside running text into batches."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from seodang.config import EpisodeParams, PromptFormat
from seodang.models.tokenization import encode_text
from seodang.primer.item import pick
from seodang.primer_base.episodes import EpisodeExample, generate_episode
from seodang.primer_base.optimization import Batch
from seodang.primer_base.text_pool import TextPool
from seodang.prompting import PROMPT_TEMPLATES, render_answer, render_prompt
from seodang.records import Language

_FORMATS: Sequence[PromptFormat] = ("koalpaca", "plain")  # evaluate.base_formats

Row = tuple[list[int], list[bool]]
"""Token ids, and whether each of them is a token of a label that can be predicted."""


def iter_episode_batches(
    pools: Mapping[Language, TextPool],
    running_rows: Iterator[Tensor],
    tokenizer: PreTrainedTokenizerFast,
    recipe: EpisodeParams,
    seed: int,
) -> Iterator[Batch]:
    """Yield batches forever: rows of episodes, of which only the labels count, and rows of running text.

    The mean loss of the labels and that of the running text have the same weight.
    """
    rng = random.Random(f"{seed}/episodes")
    episode_rows = iter_episode_rows(rng, pools, tokenizer, recipe.sequence_length)
    running_count = round(recipe.batch_size * recipe.running_text_ratio)
    while True:
        rows = [next(episode_rows) for _ in range(recipe.batch_size - running_count)]
        ids = torch.tensor([ids for ids, _ in rows])
        is_label = torch.tensor([labels for _, labels in rows])
        weights = is_label / is_label.sum().clamp(min=1)
        if running_count:
            running = torch.stack([next(running_rows) for _ in range(running_count)])
            ids = torch.cat([ids, running])
            predicted = running_count * (recipe.sequence_length - 1)
            weights = torch.cat([weights, torch.full(running.shape, 1 / predicted)])
        yield Batch(ids, weights)


def iter_episode_rows(
    rng: random.Random, pools: Mapping[Language, TextPool], tokenizer: PreTrainedTokenizerFast, length: int
) -> Iterator[Row]:
    """Yield rows of `length` tokens forever; an episode is never divided, and end tokens fill a row."""
    end_id = int(tokenizer.eos_token_id)
    ids: list[int] = []
    labels: list[bool] = []
    while True:
        episode = generate_episode(rng, pools[pick(rng, sorted(pools))])
        episode_ids, episode_labels = encode_episode(tokenizer, episode, pick(rng, _FORMATS), length)
        if len(ids) + len(episode_ids) > length:
            padding = length - len(ids)
            yield [*ids, *[end_id] * padding], [*labels, *[False] * padding]
            ids, labels = [], []
        ids, labels = [*ids, *episode_ids], [*labels, *episode_labels]


def encode_episode(
    tokenizer: PreTrainedTokenizerFast, examples: Sequence[EpisodeExample], format: PromptFormat, length: int
) -> Row:
    """Return the examples that fit into `length` tokens, encoded as the evaluation encodes few-shot examples.

    Args:
        tokenizer: Of the base.
        examples: Of one episode.
        format: One of those whose few-shot examples have a separator.
        length: Tokens at most, with the end token.
    """
    separator = encode_text(tokenizer, PROMPT_TEMPLATES[format].few_shot_separator or "")
    ids: list[int] = []
    labels: list[bool] = []
    for example in examples:
        prompt = "".join(segment.text for segment in render_prompt(example.instruction, example.input, format))
        prompt_ids, answer_ids = (
            encode_text(tokenizer, prompt),
            encode_text(tokenizer, render_answer(example.output, format)),
        )
        before = separator if ids else []
        if len(ids) + len(before) + len(prompt_ids) + len(answer_ids) >= length:
            break
        ids += [*before, *prompt_ids, *answer_ids]
        labels += [False] * (len(before) + len(prompt_ids)) + [example.is_predictable] * len(answer_ids)
    return [*ids, int(tokenizer.eos_token_id)], [*labels, False]
