"""A round of calls that answer tasks, for the recipes `answer` and `translate`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from seodang.ingest.provenance import PROVENANCE_KEY
from seodang.records import Language
from seodang.synthesis.batches import Resolved, resolve_answer, resolve_batch
from seodang.synthesis.calls import Call, Message, Outcome, Rejection, Reply, Row
from seodang.synthesis.prompt_texts import ANSWER, LANGUAGE_NAMES
from seodang.synthesis.recipe_calls import Asker, CallRound, TaskPrompt
from seodang.synthesis.row_check import RowCheck
from seodang.synthesis.tasks import INPUT, INSTRUCTION, OUTPUT, ParsedTask

_FIELDS: Final = (INSTRUCTION, INPUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A task that needs an answer."""

    instruction: str
    input: str
    language: Language
    keys: tuple[str, ...] = ()
    """Of the calls that the task comes from; none for a task of the user."""
    text: str = ""
    """The task as a teacher wrote it."""

    @property
    def prompt(self) -> str:
        """Instruction and input in one text."""
        return f"{self.instruction}\n\n{self.input}" if self.input else self.instruction


class AnswerRound(CallRound):
    """One round of calls: all tasks are asked at once."""

    def __init__(
        self, asker: Asker, check: RowCheck, questions: Sequence[Question], *, tasks_per_call: int, first_number: int
    ) -> None:
        """Batch the tasks by language.

        Args:
            asker: Makes the calls.
            check: Rules that an answer must pass.
            questions: The tasks.
            tasks_per_call: 1: a call is the task itself, and its reply the answer.
            first_number: Of the first call in its recipe.
        """
        self._asker, self._check, self._questions, self._size = asker, check, questions, tasks_per_call
        self._batches = _split(questions, tasks_per_call)
        super().__init__([self._make_call(first_number + number, batch) for number, batch in enumerate(self._batches)])
        self._rows: dict[int, Row] = {}  # by index of the task
        self._rejections: dict[int, Rejection] = {}
        self._extra: list[Rejection] = []

    def take(self, outcomes: Sequence[Outcome]) -> None:
        """Take the answers, or the reasons why there are none."""
        for call, outcome, batch in zip(self.calls, outcomes, self._batches, strict=True):
            resolved = self._resolve(call, outcome, len(batch))
            for number, rejection in resolved.rejections:
                self._reject(batch[number - 1] if number else None, rejection)
            if isinstance(outcome, Reply):
                for number, task in resolved.tasks.items():
                    self._judge(call, outcome, batch[number - 1], task)

    def list_rows(self) -> list[Row]:
        """Return the answered tasks in the order in which they were given."""
        return [self._rows[index] for index in sorted(self._rows)]

    def list_rejections(self) -> list[Rejection]:
        """Return the other tasks with their reasons; one that a teacher wrote is paid for and has a reason, too."""
        unanswered = {
            index: Rejection(keys=question.keys, reason="unanswered", detail="", text=question.text)
            for index, question in enumerate(self._questions)
            if question.keys and index not in self._rows
        }
        rejections = unanswered | self._rejections
        return [*(rejections[index] for index in sorted(rejections)), *self._extra]

    def _make_call(self, number: int, batch: Sequence[int]) -> Call:
        questions = [self._questions[index] for index in batch]
        if self._size == 1:
            return self._asker.ask([Message(role="user", content=questions[0].prompt)], number=number)
        language = questions[0].language
        prompt = TaskPrompt(
            rules=ANSWER[language].format(language=LANGUAGE_NAMES[language][language]),
            language=language,
            given_fields=_FIELDS,
            given=[{"instruction": question.instruction, "input": question.input} for question in questions],
            reply_fields=(OUTPUT,),
            repeats_numbers=True,
        )
        return self._asker.ask_for_tasks(prompt, number=number)

    def _resolve(self, call: Call, outcome: Outcome, count: int) -> Resolved:
        return resolve_answer(call, outcome) if self._size == 1 else resolve_batch(call, outcome, (OUTPUT,), count)

    def _reject(self, index: int | None, rejection: Rejection) -> None:
        if index is None:
            self._extra.append(rejection)
        else:
            self._rejections[index] = replace(rejection, keys=(*self._questions[index].keys, *rejection.keys))

    def _judge(self, call: Call, reply: Reply, index: int, task: ParsedTask) -> None:
        """Keep an answer, or reject it by the rules of `validate`."""
        question, output = self._questions[index], task.texts[OUTPUT.name]
        texts = {"instruction": question.instruction, "input": question.input, "output": output}
        if violation := self._check.find(texts):
            id, finding = violation
            self._reject(index, Rejection(keys=(call.key,), reason=id, detail=finding.excerpt, text=task.raw))
            return
        content = {**texts, PROVENANCE_KEY: self._asker.trace(call, reply)}
        self._rows[index] = Row(keys=(*question.keys, call.key), content=content)


def _split(questions: Sequence[Question], size: int) -> list[list[int]]:
    """Return the indexes of the tasks of each call; all tasks of a call are in one language."""
    if size == 1:
        return [[index] for index in range(len(questions))]
    by_language: dict[Language, list[int]] = defaultdict(list)
    for index, question in enumerate(questions):
        by_language[question.language].append(index)
    return [indexes[start : start + size] for indexes in by_language.values() for start in range(0, len(indexes), size)]
