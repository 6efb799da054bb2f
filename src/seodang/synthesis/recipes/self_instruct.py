"""Self-instruct: new tasks like the seed tasks, in Alpaca's batches.

A call shows some seed tasks as the beginning of a list and asks for the rest of it, with answers: Alpaca's batch
decoding of 20 (Taori et al. 2023), where Self-Instruct (Wang et al. 2023, arXiv 2212.10560) asks in four steps. As in
Self-Instruct, each task says whether it is a classification: then it has choices, and the answer is one of them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seodang.config.recipe_kinds import SelfInstructParams
from seodang.errors import SourceError
from seodang.i18n import _
from seodang.ingest.provenance import PROVENANCE_KEY
from seodang.synthesis.batches import reject_part, reject_refusal
from seodang.synthesis.calls import Call, Estimate, Failure, Generated, Outcome, Refusal, Rejection, Reply, Row
from seodang.synthesis.figures import summarize
from seodang.synthesis.inputs import Skipped, SourceTask, read_tasks
from seodang.synthesis.novelty import NoveltyFigures, NoveltyPool
from seodang.synthesis.prompt_texts import SELF_INSTRUCT
from seodang.synthesis.recipe_calls import Asker, TaskPrompt, sum_estimate
from seodang.synthesis.row_check import RowCheck
from seodang.synthesis.task_filters import FilterLimits, find_rejection
from seodang.synthesis.task_reply import parse_reply
from seodang.synthesis.tasks import ALL_FIELDS, CHOICE_SEPARATOR, ParsedTask, split_choices
from seodang.validation.check_files import CheckParams

_SEPARATOR = f" {CHOICE_SEPARATOR} "


def build_self_instruct(asker: Asker, recipe: SelfInstructParams, folder: Path) -> SelfInstruct:
    """Return the recipe with its seed tasks: those in its language.

    Raises:
        SourceError: If the file has fewer seed tasks in that language than a call shows.
    """
    skipped = Skipped()
    seeds = read_seeds(recipe, folder, skipped)
    if len(seeds) < recipe.examples_per_call:
        raise SourceError(
            _(
                "{path}: seed tasks with an answer in the language {language}: {count}, fewer than "
                "recipe.examples_per_call ({needed}); add seed tasks, or change recipe.language or examples_per_call",
                path=recipe.seeds,
                count=len(seeds),
                language=recipe.language,
                needed=recipe.examples_per_call,
            )
        )
    return SelfInstruct(asker, recipe, seeds, skipped)


def read_seeds(recipe: SelfInstructParams, folder: Path, skipped: Skipped) -> list[SourceTask]:
    """Return the seed tasks of the recipe: those with an answer in its language.

    Raises:
        SourceError: If the file cannot be used.
    """
    tasks = read_tasks(recipe.seeds, folder, skipped)
    return [task for task in tasks if task.output and task.language == recipe.language]


@dataclass(frozen=True, slots=True)
class _Kept:
    """A kept task with the value that it was judged by."""

    row: Row
    is_classification: bool


class SelfInstruct:
    """The recipe: rounds of calls until enough tasks are kept."""

    def __init__(self, asker: Asker, recipe: SelfInstructParams, seeds: Sequence[SourceTask], skipped: Skipped) -> None:
        """Begin with the seed tasks."""
        self._asker, self._recipe, self._seeds, self._skipped = asker, recipe, seeds, skipped
        self._pool = NoveltyPool([seed.instruction for seed in seeds])
        self._limits = FilterLimits(language=recipe.language, min_words=recipe.min_words, max_words=recipe.max_words)
        self._check = RowCheck(CheckParams.load_default())
        self._asked = 0
        self._calls: list[Call] = []
        self._kept: list[_Kept] = []
        self._rejections: list[Rejection] = []
        self._parsed = 0
        self._figures = NoveltyFigures()

    def estimate(self) -> Estimate:
        """Return what the largest number of calls asks."""
        return sum_estimate([self._make_call(number) for number in range(self._recipe.max_calls)])

    def name_calls(self) -> Sequence[Call]:
        """Return the next round; none if enough tasks are kept or all calls are made."""
        last = min(self._asked + self._recipe.calls_per_round, self._recipe.max_calls)
        if len(self._kept) >= self._recipe.tasks:
            last = self._asked
        self._calls = [self._make_call(number) for number in range(self._asked, last)]
        self._asked = last
        return self._calls

    def take(self, outcomes: Sequence[Outcome]) -> None:
        """Keep the new tasks of the replies; each one is compared with all that were kept before it."""
        for call, outcome in zip(self._calls, outcomes, strict=True):
            if isinstance(outcome, Refusal):
                self._rejections.append(reject_refusal(call, outcome))
            elif not isinstance(outcome, Failure):
                parsed = parse_reply(outcome, ALL_FIELDS, first=self._recipe.examples_per_call + 1)
                self._rejections += [reject_part(call, part) for part in parsed.broken]
                self._parsed += len(parsed.tasks)
                for task in parsed.tasks:
                    self._judge(call, outcome, task)

    def finish(self) -> Generated:
        """Return the kept tasks, the rejected ones, and the figures of their novelty."""
        figures = {
            "seeds": len(self._seeds),
            "skipped": self._skipped.counts,
            "tasks_asked": self._asked * (self._recipe.tasks_per_call - self._recipe.examples_per_call),
            "tasks_parsed": self._parsed,
            "classification": sum(kept.is_classification for kept in self._kept),
            "novelty": self._figures.to_json(self._recipe.max_rouge_l),
        }
        return summarize([kept.row for kept in self._kept], self._rejections, figures)

    def _make_call(self, number: int) -> Call:
        """Return a call with other seed tasks than the others, drawn by the seed of the recipe and its number."""
        generator = random.Random(f"{self._asker.params.seed}:{number}")
        examples = generator.sample(self._seeds, self._recipe.examples_per_call)
        given = len(examples)
        rules = SELF_INSTRUCT[self._recipe.language].format(
            given=given, first=given + 1, last=self._recipe.tasks_per_call
        )
        prompt = TaskPrompt(
            rules=rules,
            language=self._recipe.language,
            given_fields=ALL_FIELDS,
            given=[{**example.texts, "choices": _SEPARATOR.join(example.choices)} for example in examples],
            reply_fields=ALL_FIELDS,
            repeats_numbers=False,
        )
        return self._asker.ask_for_tasks(prompt, number=number)

    def _judge(self, call: Call, reply: Reply, task: ParsedTask) -> None:
        """Keep a task or reject it with its reason."""
        if rejected := find_rejection(task.texts, self._limits):
            self._rejections.append(
                Rejection(keys=(call.key,), reason=rejected.reason, detail=rejected.detail, text=task.raw)
            )
            return
        if violation := self._check.find(task.texts):
            id, finding = violation
            self._rejections.append(Rejection(keys=(call.key,), reason=id, detail=finding.excerpt, text=task.raw))
            return
        instruction = task.texts["instruction"]
        similarity = self._pool.find_most_similar(instruction)
        self._figures.add(instruction, similarity)
        if similarity.rouge_l >= self._recipe.max_rouge_l:
            detail = f"ROUGE-L {similarity.rouge_l:.2f} with: {similarity.instruction}"
            self._rejections.append(Rejection(keys=(call.key,), reason="not_novel", detail=detail, text=task.raw))
            return
        self._pool.add(instruction)
        self._kept.append(self._build_kept(call, reply, task))

    def _build_kept(self, call: Call, reply: Reply, task: ParsedTask) -> _Kept:
        choices = split_choices(task.texts["choices"])
        content: dict[str, Any] = {name: task.texts[name] for name in ("instruction", "input", "output")}
        provenance = self._asker.trace(call, reply) | ({"choices": list(choices)} if choices else {})
        return _Kept(Row(keys=(call.key,), content={**content, PROVENANCE_KEY: provenance}), bool(choices))
