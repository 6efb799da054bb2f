"""Reference answers that are longer than the answers that the evaluation generates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from seodang.config import EvaluateParams, GateParams, PromptFormat
from seodang.evaluation.aggregate import TASK_FILE_SPLIT
from seodang.evaluation.requests import get_generation_count
from seodang.evaluation.samples import TaskSamples
from seodang.i18n import _
from seodang.inference.prompt_encoder import PromptEncoder

_TOLERATED_SHARE = 0.05  # of the references of a task; more of them are worth a warning, whatever the thresholds say


@dataclass(frozen=True, slots=True)
class AnswerLengths:
    """Lengths of the references of a task's free answers, in tokens with the end token."""

    task: str
    is_task_file: bool
    limit: int
    """Tokens that are generated at most."""
    lengths: tuple[int, ...]

    @property
    def cut(self) -> int:
        """Return how many references do not fit: a model that answers alike does not reach its end."""
        return sum(length > self.limit for length in self.lengths)


def measure_answers(
    tasks: Iterable[TaskSamples], tokenizer: PreTrainedTokenizerBase, format: PromptFormat, evaluate: EvaluateParams
) -> list[AnswerLengths]:
    """Return the lengths of the references of all tasks whose limit of tokens is evaluate.max_new_tokens."""
    encoder = PromptEncoder(tokenizer, format)
    result = []
    for task in tasks:
        if task.kind == "text" or task.split == "unseen" or task.spec.max_new_tokens is not None:
            continue
        references = [record.output for record in task.records[: get_generation_count(task, evaluate)] if record.output]
        lengths = tuple(len(encoder.encode_answer(reference)) + 1 for reference in references)
        result.append(AnswerLengths(task.task, task.split == TASK_FILE_SPLIT, evaluate.max_new_tokens, lengths))
    return result


def find_cut_answers(gate: GateParams, answers: Sequence[AnswerLengths]) -> tuple[list[str], list[str]]:
    """Return a problem for each threshold of EOS rate that cut answers make unreachable, and warnings for other tasks.

    Tasks that may go unjudged are left out: nobody expects answers like their references.

    Args:
        gate: With the default thresholds.
        answers: Of the evaluated tasks.
    """
    answers = [each for each in answers if each.task not in gate.unjudged_tasks]
    problems, explained = [], set[str]()
    for threshold in gate.thresholds:
        if threshold.metric != "eos_rate" or threshold.minimum is None:
            continue
        selected = [
            each for each in answers if (each.task in threshold.tasks if threshold.tasks else not each.is_task_file)
        ]
        if _compute_cut_share(selected) > 1 - threshold.minimum:
            cut_tasks = [each for each in selected if each.cut]
            explained |= {each.task for each in cut_tasks}
            problems.append(_describe_cut(cut_tasks))
    by_task: dict[str, list[AnswerLengths]] = {}
    for each in answers:
        if each.task not in explained:
            by_task.setdefault(each.task, []).append(each)
    others = [members for members in by_task.values() if _compute_cut_share(members) > _TOLERATED_SHARE]
    return list(dict.fromkeys(problems)), [_describe_cut(members) for members in others]


def _compute_cut_share(answers: Sequence[AnswerLengths]) -> float:
    total = sum(len(each.lengths) for each in answers)
    return sum(each.cut for each in answers) / total if total else 0.0


def _describe_cut(answers: Sequence[AnswerLengths]) -> str:
    return _(
        "{tasks}: {cut} of {count} reference answers are longer than evaluate.max_new_tokens {limit}, so answers like "
        "them are cut and count as not ended. Write evaluate.max_new_tokens: {longest}",
        tasks=", ".join(dict.fromkeys(each.task for each in answers)),
        cut=sum(each.cut for each in answers),
        count=sum(len(each.lengths) for each in answers),
        limit=answers[0].limit,
        longest=max(length for each in answers for length in each.lengths),
    )
