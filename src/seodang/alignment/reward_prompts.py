"""Prompts whose answers can be verified, from the records of a split: with constraints, or closed questions.

The training prompts come from the training split, which is decontaminated against all evaluation items, and the
held-out prompts from the test split. The prompts of IFEval are in neither.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from transformers import PreTrainedTokenizerBase

from seodang.alignment.rewards import Goal
from seodang.config import AlignParams, PromptFormat, PromptParams
from seodang.constraints.build import hash_record, iter_constrained
from seodang.io.jsonl import read_records
from seodang.models.tokenization import get_end_id, tokenize_record
from seodang.paths import Paths
from seodang.records import Record, build_group_key, detect_language

_CLOSED_SHARE: Final = 0.25
"""Share of the prompts that are closed questions, so that the model keeps what it can do."""
_MAX_INSTRUCTION: Final = 120
"""Characters of an instruction to which constraints are added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardPrompt:
    """A prompt and what verifies its answers."""

    id: str
    group: str
    """Prompts with equal groups ask the same question and are not independent of each other."""
    language: str
    prompt: list[int]
    goal: Goal


@dataclass(frozen=True, slots=True)
class RewardPrompts:
    """Prompts of training and the held-out ones."""

    training: list[RewardPrompt]
    held_out: list[RewardPrompt]
    end_id: int
    """End token of the prompt format."""


def read_reward_prompts(
    prompt: PromptParams, align: AlignParams, tokenizer: PreTrainedTokenizerBase, paths: Paths
) -> RewardPrompts:
    """Return the prompts of the training split, and at most as many of the test split."""
    training, held_out = (
        build_prompts(
            read_records(paths.get_split_path(split)),
            tokenizer,
            prompt.format,
            limit=align.prompts,
            max_tokens=align.max_length - align.max_new_tokens,
            seed=align.seed,
        )
        for split in ("train", "test")
    )
    return RewardPrompts(training, held_out, get_end_id(tokenizer, prompt.format))


def build_prompts(
    records: Iterable[Record],
    tokenizer: PreTrainedTokenizerBase,
    format: PromptFormat,
    *,
    limit: int,
    max_tokens: int,
    seed: int,
) -> list[RewardPrompt]:
    """Return prompts in an order given by seed and content: three with constraints for each closed question.

    Args:
        records: Of one split.
        tokenizer: Of the base.
        format: Name of the prompt template.
        limit: Maximum number of prompts.
        max_tokens: Of a prompt; a longer one is left out, never cut.
        seed: Of the order and of the constraints.
    """
    ordered = sorted(
        (record for record in records if not record.turns and not record.rejected and record.desirable is None),
        key=lambda record: hash_record(seed, record),
    )
    closed = [record for record in ordered if record.choices]
    free = [record for record in ordered if not record.choices and len(record.instruction) <= _MAX_INSTRUCTION]
    closed_limit = round(limit * _CLOSED_SHARE)

    def tokenize(record: Record, goal: Goal) -> RewardPrompt:
        return RewardPrompt(
            id=record.id,
            group=record.group or build_group_key(record.instruction, record.input),
            language=record.language,
            prompt=tokenize_record(tokenizer, record, format).prompt,
            goal=goal,
        )

    questions = (tokenize(record, _build_closed_goal(record)) for record in closed)
    constrained = (tokenize(*pair) for pair in _iter_constrained(free, seed))
    prompts = [
        *islice(_select_short(constrained, max_tokens), limit - closed_limit),
        *islice(_select_short(questions, max_tokens), closed_limit),
    ]
    return sorted(prompts, key=lambda prompt: hashlib.sha256(f"{seed}\x1f{prompt.id}".encode()).digest())


def _select_short(prompts: Iterable[RewardPrompt], max_tokens: int) -> Iterator[RewardPrompt]:
    return (prompt for prompt in prompts if len(prompt.prompt) <= max_tokens)


def _build_closed_goal(record: Record) -> Goal:
    return Goal(answer=record.output, language=detect_language(record.output))


def _iter_constrained(records: Sequence[Record], seed: int) -> Iterator[tuple[Record, Goal]]:
    """Yield records with constraints in their instruction, each with its goal; the reference answer meets them all."""
    for record, constrained in iter_constrained(records, seed):
        goal = Goal(ids=constrained.ids, arguments=constrained.arguments, language=detect_language(constrained.output))
        yield replace(record, instruction=constrained.instruction, output=constrained.output), goal
