"""Preference: two answers to each prompt, and the teacher's own judgement in both orders.

A judge favours a position (Zheng et al. 2023, arXiv 2306.05685). So a pair counts only if both orders prefer the same
answer. The prompt and the reading of the verdicts are those of `seodang judge`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from seodang.config.recipe_kinds import PreferenceParams
from seodang.evaluation.judge.prompt import ORDERS, ModelAnswer, Order, build_messages, parse_verdict
from seodang.ingest.provenance import PROVENANCE_KEY
from seodang.synthesis.batches import resolve_answer
from seodang.synthesis.calls import Call, Estimate, Failure, Generated, Message, Outcome, Refusal, Rejection, Reply, Row
from seodang.synthesis.figures import summarize
from seodang.synthesis.inputs import Skipped, SourceTask, read_tasks
from seodang.synthesis.recipe_calls import Asker, sum_estimate
from seodang.synthesis.row_check import RowCheck
from seodang.synthesis.task_reply import drop_thought, is_cut
from seodang.synthesis.tasks import OUTPUT
from seodang.validation.check_files import CheckParams

_ANSWERS: Final = 2  # to each prompt
_BYTES_PER_TOKEN: Final = 4  # of an answer in the prompt of the judge, for the estimate


def build_preference(asker: Asker, recipe: PreferenceParams, folder: Path) -> Preference:
    """Return the recipe with its prompts.

    Raises:
        SourceError: If the file cannot be used, or has no prompt.
    """
    skipped = Skipped()
    tasks = read_tasks(recipe.prompts, folder, skipped, recipe.limit)
    return Preference(asker, RowCheck(CheckParams.load_default()), recipe, tasks, skipped)


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer with its call."""

    call: Call
    reply: Reply
    text: str


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two different answers to a prompt."""

    number: int  # of the prompt
    answers: tuple[_Answer, _Answer]

    @property
    def keys(self) -> tuple[str, ...]:
        """Return the keys of both calls."""
        return tuple(answer.call.key for answer in self.answers)


class Preference:
    """The recipe: a round of answers, then a round of verdicts."""

    def __init__(
        self, asker: Asker, check: RowCheck, recipe: PreferenceParams, tasks: Sequence[SourceTask], skipped: Skipped
    ) -> None:
        """Begin with the prompts."""
        self._asker, self._check, self._recipe = asker, check, recipe
        self._tasks, self._skipped = tasks, skipped
        self._answer_calls = [
            asker.ask([Message(role="user", content=task.prompt)], number=_ANSWERS * number + answer)
            for number, task in enumerate(tasks)
            for answer in range(_ANSWERS)
        ]
        self._pairs: list[_Pair] | None = None
        self._judge_calls: list[Call] = []
        self._round = 0
        self._rows: list[Row] = []
        self._rejections: list[Rejection] = []
        self._judged: set[int] = set()

    def estimate(self) -> Estimate:
        """Return what answers and verdicts ask, if each prompt gets two answers of the largest length."""
        answers = sum_estimate(self._answer_calls)
        longest = _BYTES_PER_TOKEN * self._recipe.max_tokens
        judged = sum_estimate(
            [call for number in range(len(self._tasks)) for call in self._make_judge_calls(number, "", "")]
        )
        return Estimate(
            calls=answers.calls + judged.calls,
            prompt_bytes=answers.prompt_bytes + judged.prompt_bytes + judged.calls * _ANSWERS * longest,
            completion_tokens=answers.completion_tokens + judged.completion_tokens,
        )

    def name_calls(self) -> Sequence[Call]:
        """Return the answers, then the verdicts."""
        self._round += 1
        if self._round == 1:
            return self._answer_calls
        if self._round == 2:
            self._judge_calls = [
                call
                for pair in self._pairs or ()
                for call in self._make_judge_calls(pair.number, *(answer.text for answer in pair.answers))
            ]
            return self._judge_calls
        return []

    def take(self, outcomes: Sequence[Outcome]) -> None:
        """Pair the answers; then take the verdicts."""
        if self._pairs is None:
            self._pairs = []
            for number in range(len(self._tasks)):
                self._pair(number, outcomes[_ANSWERS * number : _ANSWERS * (number + 1)])
            return
        for position, pair in enumerate(self._pairs):
            chosen = slice(len(ORDERS) * position, len(ORDERS) * (position + 1))
            self._take_verdicts(pair, self._judge_calls[chosen], outcomes[chosen])

    def finish(self) -> Generated:
        """Return the pairs; one without verdicts, because the budget ended, is rejected: it is paid for."""
        pairs = self._pairs or []
        unjudged = [self._reject(pair, "unjudged", "") for pair in pairs if pair.number not in self._judged]
        figures = {"prompts": len(self._tasks), "skipped": self._skipped.counts, "pairs": len(pairs)}
        return summarize(self._rows, [*self._rejections, *unjudged], figures)

    def _make_judge_calls(self, number: int, first: str, second: str) -> list[Call]:
        task = self._tasks[number]
        candidate, champion = (
            ModelAnswer(task="preference", item=str(number), language=task.language, prompt=task.prompt, answer=answer)
            for answer in (first, second)
        )
        begin = len(self._answer_calls) + len(ORDERS) * number
        return [
            self._asker.ask(
                [_convert_message(message) for message in build_messages(candidate, champion, order)],
                number=begin + position,
                max_tokens=self._recipe.judge_max_tokens,
                temperature=0.0,
            )
            for position, order in enumerate(ORDERS)
        ]

    def _pair(self, number: int, outcomes: Sequence[Outcome]) -> None:
        """Take the two answers to a prompt; a missing one leaves the other without a pair."""
        answers: list[_Answer] = []
        calls = self._answer_calls[_ANSWERS * number : _ANSWERS * (number + 1)]
        for call, outcome in zip(calls, outcomes, strict=True):
            resolved = resolve_answer(call, outcome)
            self._rejections += [rejection for _number, rejection in resolved.rejections]
            if isinstance(outcome, Reply) and resolved.tasks:
                answers.append(_Answer(call, outcome, resolved.tasks[1].texts[OUTPUT.name]))
        if len(answers) == _ANSWERS and answers[0].text != answers[1].text:
            assert self._pairs is not None
            self._pairs.append(_Pair(number, (answers[0], answers[1])))
        elif answers:
            reason = "equal_answers" if len(answers) == _ANSWERS else "unpaired"
            keys = tuple(answer.call.key for answer in answers)
            self._rejections.append(Rejection(keys=keys, reason=reason, detail="", text=answers[0].text))

    def _take_verdicts(self, pair: _Pair, calls: Sequence[Call], outcomes: Sequence[Outcome]) -> None:
        """Keep a pair whose two verdicts prefer the same answer, and whose better answer passes the rules."""
        replies = [outcome for outcome in outcomes if isinstance(outcome, Reply)]
        refusals = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
        keys = tuple(outcome.key for outcome in outcomes if not isinstance(outcome, Failure))
        if not keys:  # nothing was paid for
            return
        self._judged.add(pair.number)
        if len(replies) < len(ORDERS):
            self._rejections.append(self._reject(pair, "unjudged", "; ".join(each.reason for each in refusals), keys))
            return
        scores = [_read_verdict(reply, order) for reply, order in zip(replies, ORDERS, strict=True)]
        verdict = " / ".join("none" if score is None else f"{score:g}" for score in scores)
        if reason := _find_indecision(scores):
            self._rejections.append(self._reject(pair, reason, f"score of the first answer: {verdict}", keys))
            return
        better, worse = pair.answers if scores[0] == 1 else pair.answers[::-1]
        self._keep(pair, better, worse, keys)

    def _keep(self, pair: _Pair, better: _Answer, worse: _Answer, keys: tuple[str, ...]) -> None:
        task = self._tasks[pair.number]
        if violation := self._check.find({**task.texts, OUTPUT.name: better.text}):
            id, finding = violation
            self._rejections.append(self._reject(pair, id, finding.excerpt, keys))
            return
        content = {
            "instruction": task.instruction,
            "input": task.input,
            "chosen": better.text,
            "rejected": worse.text,
            PROVENANCE_KEY: self._asker.trace(better.call, better.reply),
        }
        self._rows.append(Row(keys=(*pair.keys, *keys), content=content))

    def _reject(self, pair: _Pair, reason: str, detail: str, keys: tuple[str, ...] = ()) -> Rejection:
        text = "\n\n".join(answer.text for answer in pair.answers)
        return Rejection(keys=(*pair.keys, *keys), reason=reason, detail=detail, text=text)


def _read_verdict(reply: Reply, order: Order) -> float | None:
    """Return the score of a verdict; a cut one has none: its last mark may be a mention, as in `seodang judge`."""
    return None if is_cut(reply) else parse_verdict(drop_thought(reply.text), order)


def _find_indecision(scores: Sequence[float | None]) -> str:
    """Return why two verdicts prefer neither answer; "" if they prefer one."""
    if None in scores:
        return "no_verdict"
    if scores[0] != scores[1]:
        return "orders_disagree"
    return "tie" if scores[0] == 0.5 else ""


def _convert_message(message: Mapping[str, str]) -> Message:
    return Message(role="system" if message["role"] == "system" else "user", content=message["content"])
