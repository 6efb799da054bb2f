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
            selections=align.selections,
            max_tokens=align.max_length - align.max_new_tokens,
            max_new_tokens=align.max_new_tokens,
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
    selections: int,
    max_tokens: int,
    max_new_tokens: int,
    seed: int,
) -> list[RewardPrompt]:
    """Return prompts in an order given by seed and content: three with constraints for each closed question.

    Args:
        records: Of one split.
        tokenizer: Of the base.
        format: Name of the prompt template.
        limit: Maximum number of prompts.
        selections: Of constraints for each record; each gives a prompt.
        max_tokens: Of a prompt; a longer one is left out, never cut.
        max_new_tokens: Of an answer; a prompt whose reference answer is longer is left out.
        seed: Of the order and of the constraints.
    """
    ordered = sorted(
        (record for record in records if not record.turns and not record.rejected and record.desirable is None),
        key=lambda record: hash_record(seed, record),
    )
    closed = [record for record in ordered if record.choices]
    free = [record for record in ordered if not record.choices and len(record.instruction) <= _MAX_INSTRUCTION]
    closed_limit = round(limit * _CLOSED_SHARE)

    def tokenize(record: Record, goal: Goal, group: str) -> RewardPrompt | None:
        tokens = tokenize_record(tokenizer, record, format)
        if len(tokens.prompt) > max_tokens or len(tokens.completion) > max_new_tokens:
            return None
        return RewardPrompt(id=record.id, group=group, language=record.language, prompt=tokens.prompt, goal=goal)

    questions = (tokenize(record, _build_closed_goal(record), _get_group(record)) for record in closed)
    constrained = (tokenize(*pair) for pair in _iter_constrained(free, selections, seed))
    prompts = [
        *islice(_drop_repeated(constrained), limit - closed_limit),
        *islice(_drop_repeated(questions), closed_limit),
    ]
    return sorted(
        prompts, key=lambda prompt: hashlib.sha256(f"{seed}\x1f{prompt.id}\x1f{prompt.prompt}".encode()).digest()
    )


def _drop_repeated(prompts: Iterable[RewardPrompt | None]) -> Iterator[RewardPrompt]:
    """Yield each prompt once; two selections of constraints may be equal."""
    seen: set[tuple[int, ...]] = set()
    for prompt in prompts:
        if prompt is not None and (key := tuple(prompt.prompt)) not in seen:
            seen.add(key)
            yield prompt


def _get_group(record: Record) -> str:
    return record.group or build_group_key(record.instruction, record.input)


def _build_closed_goal(record: Record) -> Goal:
    return Goal(answer=record.output, language=detect_language(record.output))


def _iter_constrained(records: Sequence[Record], selections: int, seed: int) -> Iterator[tuple[Record, Goal, str]]:
    """Yield records with constraints in their instruction, each with its goal and the group of the question itself.

    The reference answer meets all constraints. A record comes again with other constraints after all records came once.
    """
    for number in range(selections):
        for record, constrained in iter_constrained(records, seed + number):
            goal = Goal(
                ids=constrained.ids, arguments=constrained.arguments, language=detect_language(constrained.output)
            )
            asked = replace(record, instruction=constrained.instruction, output=constrained.output)
            yield asked, goal, _get_group(record)
