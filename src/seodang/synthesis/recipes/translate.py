"""Translate: instruction and input are translated, the output is written anew in the target language.

KoAlpaca was made in this way: an output that answers the translated task reads like one that was written in the
language, and a translated output does not. Both steps give several tasks to one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seodang.config.recipe_kinds import TranslateParams
from seodang.errors import SourceError
from seodang.i18n import _
from seodang.records import Language
from seodang.synthesis.answering import AnswerRound, Question
from seodang.synthesis.batches import resolve_batch
from seodang.synthesis.calls import Call, Estimate, Generated, Outcome, Rejection
from seodang.synthesis.figures import summarize
from seodang.synthesis.inputs import Skipped, SourceTask, read_tasks
from seodang.synthesis.prompt_texts import TRANSLATE
from seodang.synthesis.recipe_calls import Asker, TaskPrompt, add_estimates, sum_estimate
from seodang.synthesis.row_check import RowCheck
from seodang.synthesis.tasks import INPUT, INSTRUCTION, ParsedTask
from seodang.synthesis.translation_check import find_lost, is_translated
from seodang.validation.check_files import CheckParams

_FIELDS = (INSTRUCTION, INPUT)


def build_translate(asker: Asker, recipe: TranslateParams, folder: Path) -> Translate:
    """Return the recipe with the tasks of other languages than the target language.

    Raises:
        SourceError: If the file cannot be used, or all of its tasks are in the target language.
    """
    skipped = Skipped()
    tasks = read_untranslated(recipe, folder, skipped)
    if not tasks:
        raise SourceError(
            _(
                "{path} has no task in another language than {language}; change recipe.language or recipe.tasks",
                path=recipe.tasks,
                language=recipe.language,
            )
        )
    return Translate(asker, recipe, tasks, skipped)


def read_untranslated(recipe: TranslateParams, folder: Path, skipped: Skipped) -> list[SourceTask]:
    """Return the tasks to translate: those of other languages, up to the limit.

    Raises:
        SourceError: If the file cannot be used.
    """
    tasks = []
    for task in read_tasks(recipe.tasks, folder, skipped):
        if task.language == recipe.language:
            skipped.add("in_target_language")
        else:
            tasks.append(task)
    return tasks[: recipe.limit]


class Translate:
    """The recipe: a round of translations, then a round of answers."""

    def __init__(self, asker: Asker, recipe: TranslateParams, tasks: Sequence[SourceTask], skipped: Skipped) -> None:
        """Begin with the tasks."""
        self._asker, self._recipe, self._skipped = asker, recipe, skipped
        self._row_check = RowCheck(CheckParams.load_default())
        size = recipe.tasks_per_call
        self._batches = [tasks[start : start + size] for start in range(0, len(tasks), size)]
        self._calls: list[Call] | None = None
        self._translated: list[Question] = []
        self._rejections: list[Rejection] = []
        self._answers: AnswerRound | None = None

    def estimate(self) -> Estimate:
        """Return what translations and answers ask; an answer gets the task in its source language in the estimate."""
        tasks = [task for batch in self._batches for task in batch]
        questions = [
            Question(instruction=task.instruction, input=task.input, language=self._recipe.language) for task in tasks
        ]
        return add_estimates(sum_estimate(self._make_calls()), self._start_answers(questions).estimate())

    def name_calls(self) -> Sequence[Call]:
        """Return the translations, then the answers."""
        if self._calls is None:
            self._calls = self._make_calls()
            return self._calls
        if self._answers is None:
            self._answers = self._start_answers(self._translated)
        return self._answers.name_calls()

    def take(self, outcomes: Sequence[Outcome]) -> None:
        """Check the translations; then the answers."""
        if self._answers is not None:
            self._answers.take(outcomes)
            return
        for call, outcome, batch in zip(self._calls or (), outcomes, self._batches, strict=True):
            resolved = resolve_batch(call, outcome, _FIELDS, len(batch))
            self._rejections += [rejection for _number, rejection in resolved.rejections]
            for number, task in resolved.tasks.items():
                self._check(call, batch[number - 1], task)

    def finish(self) -> Generated:
        """Return the answered translations.

        A translation without an answer, because the budget ended, is a rejection: it is paid for.
        """
        answers = self._answers or self._start_answers(self._translated)
        figures = {
            "tasks": sum(map(len, self._batches)),
            "skipped": self._skipped.counts,
            "translated": len(self._translated),
        }
        return summarize(answers.list_rows(), [*self._rejections, *answers.list_rejections()], figures)

    def _make_calls(self) -> list[Call]:
        return [self._make_call(number, batch) for number, batch in enumerate(self._batches)]

    def _make_call(self, number: int, batch: Sequence[SourceTask]) -> Call:
        prompt = TaskPrompt(
            rules=TRANSLATE[self._recipe.language].format(),
            language=self._recipe.language,
            given_fields=_FIELDS,
            given=[task.texts for task in batch],
            reply_fields=_FIELDS,
            repeats_numbers=True,
        )
        return self._asker.ask_for_tasks(prompt, number=number)

    def _start_answers(self, questions: Sequence[Question]) -> AnswerRound:
        size, first = self._recipe.tasks_per_call, len(self._batches)
        return AnswerRound(self._asker, self._row_check, questions, tasks_per_call=size, first_number=first)

    def _check(self, call: Call, source: SourceTask, task: ParsedTask) -> None:
        """Take a translation, or reject it for what it lost or for its language."""
        reason, detail = _find_mistake(source, task, self._recipe.language)
        if reason:
            self._rejections.append(Rejection(keys=(call.key,), reason=reason, detail=detail, text=task.raw))
            return
        question = Question(
            instruction=task.texts["instruction"],
            input=task.texts["input"],
            language=self._recipe.language,
            keys=(call.key,),
            text=task.raw,
        )
        self._translated.append(question)


def _find_mistake(source: SourceTask, task: ParsedTask, language: Language) -> tuple[str, str]:
    """Return the reason and the detail of a mistake in a translation; two empty texts for none."""
    for name in ("instruction", "input"):
        before, after = source.texts[name], task.texts[name]
        if lost := find_lost(before, after):
            return "lost_in_translation", f"{name}: {lost}"
        if not is_translated(before, after, language):
            return "not_translated", name
    return "", ""
