"""Answer: one answer to each given prompt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seodang.config.recipe_kinds import AnswerParams
from seodang.synthesis.answering import AnswerRound, Question
from seodang.synthesis.calls import Call, Estimate, Generated, Outcome
from seodang.synthesis.figures import summarize
from seodang.synthesis.inputs import Skipped, read_tasks
from seodang.synthesis.recipe_calls import Asker
from seodang.synthesis.row_check import RowCheck
from seodang.validation.check_files import CheckParams


def build_answer(asker: Asker, recipe: AnswerParams, folder: Path) -> Answer:
    """Return the recipe with its prompts.

    Raises:
        SourceError: If the file cannot be used, or has no prompt.
    """
    skipped = Skipped()
    questions = [
        Question(instruction=task.instruction, input=task.input, language=task.language)
        for task in read_tasks(recipe.prompts, folder, skipped, recipe.limit)
    ]
    check = RowCheck(CheckParams.load_default())
    return Answer(AnswerRound(asker, check, questions, tasks_per_call=recipe.tasks_per_call, first_number=0), skipped)


class Answer:
    """The recipe: one round."""

    def __init__(self, answers: AnswerRound, skipped: Skipped) -> None:
        """Begin with the round."""
        self._answers, self._skipped = answers, skipped

    def estimate(self) -> Estimate:
        """Return what the round asks."""
        return self._answers.estimate()

    def name_calls(self) -> Sequence[Call]:
        """Return all calls, once."""
        return self._answers.name_calls()

    def take(self, outcomes: Sequence[Outcome]) -> None:
        """Take the answers."""
        self._answers.take(outcomes)

    def finish(self) -> Generated:
        """Return the answered prompts."""
        figures = {"skipped": self._skipped.counts}
        return summarize(self._answers.list_rows(), self._answers.list_rejections(), figures)
