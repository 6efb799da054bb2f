"""What a model is asked: prompts and options as tokens, exemplars before them.

Records are asked in the arm's prompt format. Task files are too, unless the format is "plain": then prompt, delimiter, option and
separator are joined as the file says, which for tasks of lm-evaluation-harness is as the harness joins them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from seodang.config import EvaluateParams, PromptFormat
from seodang.evaluation.samples import TaskItems
from seodang.evaluation.tasks.items import Item
from seodang.evaluation.tasks.prompts import context_and_continuation, few_shot_text
from seodang.evaluation.tasks.spec import TaskSpec
from seodang.inference.prompt_encoder import Asker
from seodang.records import Record


@dataclass(frozen=True, slots=True)
class Arm:
    """A model and a way of asking it."""

    name: str
    format: PromptFormat
    shots: int
    model: Literal["base", "tuned", "champion"]
    wording: int = 0  # of task files that have several


@dataclass(frozen=True, slots=True)
class Asked:
    """The items of one task as one arm gets them; prompts and options are in the items' order."""

    task: TaskItems
    exemplars: int  # shown before each item
    prompts: list[list[int]]
    options: Sequence[tuple[tuple[str, list[int]], ...]]
    """Texts and token ids of what a log-likelihood is found of: the options, where there are none the reference, () without one."""
    cut: frozenset[int] = (
        frozenset()
    )  # places of texts that are longer than the model reads, and of which only the beginning is read


def ask(context: int, asker: Asker, arm: Arm, task: TaskItems, evaluate: EvaluateParams) -> Asked:
    """Return the prompts of a task; so many exemplars are shown as the arm says and the context holds.

    Args:
        context: Tokens that the model reads at the most.
        asker: Of the arm's format.
        arm: Its wording and number of exemplars count.
        task: Items and exemplars.
        evaluate: How long a free answer may be.
    """
    if task.kind == "text":
        return _cut(_read(asker, arm, task), context)
    room = context - longest_answer(task, evaluate)
    if task.spec is not None and arm.format == "plain":
        return _joined(room, asker, arm, task, task.spec)
    asked = task.wording(arm.wording)
    exemplars = asker.fitting(asked.records, asked.exemplars[: arm.shots], room)
    options = [tuple((text, asker.answer(text)) for text in options_of(record)) for record in asked.records]
    return Asked(task, len(exemplars), [asker.prompt(record, exemplars) for record in asked.records], options)


def _read(asker: Asker, arm: Arm, task: TaskItems) -> Asked:
    """Return texts that are read: behind their prompt, or alone where it is blank."""
    wording = task.wording(arm.wording)
    if task.spec is not None and arm.format == "plain":
        name = _wording(arm, task.spec)
        asked = [
            _pair(asker, task.spec, item, [], name) if item.prompts[name].strip() else _alone(asker, item.reference)
            for item in task.items
        ]
    else:
        asked = [
            (asker.prompt(record), ((record.output, asker.answer(record.output)),))
            if record.instruction
            else _alone(asker, record.output)
            for record in wording.records
        ]
    return Asked(task, 0, [prompt for prompt, _ in asked], [options for _, options in asked])


def _alone(asker: Asker, text: str) -> tuple[list[int], tuple[tuple[str, list[int]], ...]]:
    return asker.start, ((text, asker.text(text)),)


def _cut(asked: Asked, context: int) -> Asked:
    """Return the texts as far as the model reads: what is longer loses its end, and a prompt that fills the context its beginning."""
    prompts = [prompt[-(context - 1) :] for prompt in asked.prompts]
    fitted = [
        tuple((text, ids[: context - len(prompt)]) for text, ids in options)
        for prompt, options in zip(prompts, asked.options, strict=True)
    ]
    lost = frozenset(
        place
        for place, options in enumerate(asked.options)
        if any(len(ids) > len(kept[1]) for (_, ids), kept in zip(options, fitted[place], strict=True))
    )
    return Asked(asked.task, 0, prompts, fitted, lost)


def longest_answer(task: TaskItems, evaluate: EvaluateParams) -> int:
    """Return the tokens that a free answer may have."""
    return (
        evaluate.max_new_tokens if task.spec is None or task.spec.max_new_tokens is None else task.spec.max_new_tokens
    )


def options_of(record: Record) -> list[str]:
    """Return what the log-likelihoods of an item are of."""
    if record.output in record.choices:
        return list(record.choices)
    return [record.output] if record.output else []


def _joined(room: int, asker: Asker, arm: Arm, task: TaskItems, spec: TaskSpec) -> Asked:
    """Return the items joined by the task file's own delimiter and separator."""
    wording = _wording(arm, spec)
    shown = _fitting(room, asker, task, spec, wording, task.exemplar_items[: arm.shots])
    prompts, options = zip(*(_pair(asker, spec, item, shown, wording) for item in task.items), strict=True)
    return Asked(task, len(shown), list(prompts), list(options))


def _wording(arm: Arm, spec: TaskSpec) -> str:
    """Return the name of the arm's wording; of the usual one where the file has not so many."""
    return list(spec.prompts)[arm.wording if arm.wording < len(spec.prompts) else 0]


def _fitting(
    room: int, asker: Asker, task: TaskItems, spec: TaskSpec, wording: str, exemplars: Sequence[Item]
) -> Sequence[Item]:
    """Return as many leading exemplars as leave room for the longest item; where not even that fits, none."""
    longest = max(task.items, key=lambda item: _length(asker, spec, item, [], wording))
    while exemplars and _length(asker, spec, longest, exemplars, wording) > room:
        exemplars = exemplars[:-1]
    return exemplars


def _length(asker: Asker, spec: TaskSpec, item: Item, exemplars: Sequence[Item], wording: str) -> int:
    prompt, options = _pair(asker, spec, item, exemplars, wording)
    return len(prompt) + max((len(ids) for _, ids in options), default=0)


def _pair(
    asker: Asker, spec: TaskSpec, item: Item, exemplars: Sequence[Item], wording: str
) -> tuple[list[int], tuple[tuple[str, list[int]], ...]]:
    """Return an item's prompt and options as tokens.

    An option's tokens are those that the whole has beyond the prompt's, and blanks at the prompt's end are the option's. Where a
    free answer is asked for, the prompt stays as it is. Source: lm-evaluation-harness, TemplateLM._encode_pair and generate_until.
    """
    context = few_shot_text(spec, item, exemplars, wording)
    texts = item.choices or tuple(filter(None, [item.reference]))
    free = spec.kind == "generate"
    pairs = [
        (context, spec.delimiter + text) if free else context_and_continuation(context, text, spec.delimiter)
        for text in texts
    ]
    given = asker.text(pairs[0][0] if pairs else context)
    options = tuple(
        (text, asker.text(before + after)[len(given) :]) for text, (before, after) in zip(texts, pairs, strict=True)
    )
    return [*asker.begin, *given] or asker.start, options


def context_of(model: Any) -> int:
    """Return the tokens that a model reads at the most."""
    return int(model.config.get_text_config().max_position_embeddings)
