"""Ask a model items and score its answers: the same way for every model, prompt and number of exemplars."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from seodang.config import EvaluateParams
from seodang.evaluation.aggregate import ItemScore
from seodang.evaluation.metrics import best_choice, chrf, same_answer
from seodang.evaluation.requests import Arm, Asked, ask, context_of, longest_answer
from seodang.evaluation.result_log import Journal
from seodang.evaluation.samples import TaskItems
from seodang.evaluation.tasks.prompts import cut
from seodang.evaluation.tasks.scoring import answer_scores, choice_scores, log_odds, text_scores
from seodang.evaluation.tasks.spec import GRADE
from seodang.inference.generation import Generated, generate
from seodang.inference.loglikelihood import Choice, score_choices
from seodang.inference.prompt_encoder import Asker

_TOGETHER = 64  # free answers between two entries of the journal


def most_wordings(tasks: Sequence[TaskItems]) -> int:
    """Return how many wordings the task with the most of them has."""
    return 1 + max((len(task.others) for task in tasks), default=0)


def ways_of_base(evaluate: EvaluateParams, wordings: int) -> Iterator[Arm]:
    """Yield the ways of asking the base: every format, number of exemplars and wording. Names tell as much as differs.

    Args:
        evaluate: Formats and numbers of exemplars.
        wordings: The most that a task has.
    """
    several_formats, several_shots = len(evaluate.base_formats) > 1, sum(count > 0 for count in evaluate.shots) > 1
    for count in evaluate.shots:
        for format in evaluate.base_formats:
            for wording in range(wordings):
                parts = ["few_shot" if count else "zero_shot"]
                parts += [format] if several_formats else []
                parts += [str(count)] if count and several_shots else []
                parts += [f"w{wording + 1}"] if wordings > 1 else []
                yield Arm("/".join(parts), format, count, "base", wording)


Key = tuple[str, str, str, str]  # kind of result, arm, place (split/task/language), item


class Results:
    """What has been measured so far, in memory and in the journal; a run that was killed finds its own again."""

    def __init__(self, journal: Journal) -> None:
        """Take what the journal holds."""
        self._journal = journal
        self._found: dict[Key, Any] = {_key(row): row["result"] for row in journal.rows}
        self._asked: dict[tuple[str, ...], str] = {}  # what the base was asked in this run -> the first arm that was

    def __contains__(self, key: Key) -> bool:
        return key in self._found

    def __getitem__(self, key: Key) -> Any:
        return self._found[key]

    def add(self, results: Iterable[tuple[Key, Any]]) -> None:
        """Keep results that came together."""
        new = dict(results)
        self._journal.append(
            {"kind": kind, "arm": arm, "place": place, "item": item, "result": result}
            for (kind, arm, place, item), result in new.items()
        )
        self._found |= new

    def take_over(self, arm: Arm, part: Asked) -> None:
        """Give an arm of the base the results of an earlier one that was asked the very same: where a task has no exemplars, their number changes nothing.

        Of tuned models there may be several, each with one way of asking.
        """
        if arm.model != "base":
            return
        place = part.task.place
        digest = hashlib.sha256(repr((part.prompts, part.options)).encode()).hexdigest()
        first = self._asked.setdefault((arm.format, place, digest), arm.name)
        if first != arm.name:
            known = [
                (kind, item, result)
                for (kind, name, where, item), result in self._found.items()
                if (name, where) == (first, place)
            ]
            self.add(
                ((kind, arm.name, place, item), result)
                for kind, item, result in known
                if (kind, arm.name, place, item) not in self
            )


def _key(row: dict[str, Any]) -> Key:
    return row["kind"], row["arm"], row["place"], row["item"]


def measure(
    model: Any,
    asker: Asker,
    arm: Arm,
    tasks: Sequence[TaskItems],
    evaluate: EvaluateParams,
    results: Results,
    progress: Callable[[], object],
) -> Iterator[ItemScore]:
    """Yield the scores of one arm; what `results` has already is not asked again.

    Args:
        model: With weights, on its device.
        asker: Of the arm's format.
        arm: Its name stands in the scores.
        tasks: Items and exemplars; so many exemplars are shown as the arm says and the model's context holds.
        evaluate: Batch sizes and how many items are answered freely.
        results: Of this and earlier runs.
        progress: Called after each task.
    """
    asked = [ask(context_of(model), asker, arm, task, evaluate) for task in tasks]
    for part in asked:
        results.take_over(arm, part)
    _answer_freely(model, asker, arm, asked, evaluate, results)
    for part in asked:
        _score_options(model, arm, part, evaluate, results)
        for index in range(len(part.prompts)):
            yield _item_score(asker, arm, part, index, results, freely=index < evaluate.generated_per_task)
        progress()


def _answer_freely(
    model: Any, asker: Asker, arm: Arm, asked: Sequence[Asked], evaluate: EvaluateParams, results: Results
) -> None:
    """Answer the first items of each task by greedy generation, those of all tasks together: full batches are quicker."""
    for longest in sorted({longest_answer(part.task, evaluate) for part in asked}):
        missing = [
            (key, prompt)
            for part in asked
            if longest_answer(part.task, evaluate) == longest and part.task.kind != "text"
            for record, prompt in list(zip(part.task.records, part.prompts, strict=True))[: evaluate.generated_per_task]
            if (key := ("answer", arm.name, part.task.place, record.id)) not in results
        ]
        missing.sort(key=lambda pair: len(pair[1]))
        for start in range(0, len(missing), _TOGETHER):
            some = missing[start : start + _TOGETHER]
            answers = generate(
                model,
                [prompt for _, prompt in some],
                end=asker.end,
                max_new_tokens=longest,
                batch_tokens=evaluate.batch_tokens,
            )
            results.add(
                (key, {"tokens": answer.tokens, "stopped": answer.stopped})
                for (key, _), answer in zip(some, answers, strict=True)
            )


def _score_options(model: Any, arm: Arm, part: Asked, evaluate: EvaluateParams, results: Results) -> None:
    """Find the log-likelihood of each option of each item of a task, of the reference where there are no options."""
    scored = [place for place, options in enumerate(part.options) if options]
    keys = [_options_key(arm, part, place) for place in scored]
    choices = [
        Choice(f"{part.task.place}/{part.task.records[place].id}", part.prompts[place], part.options[place])
        for place in scored
    ]
    known = {place for place, key in enumerate(keys) if key in results}
    for found in score_choices(model, choices, evaluate.batch_tokens, known=known):
        results.add(
            (keys[place], [[likelihood.nats, likelihood.tokens] for likelihood in likelihoods])
            for place, likelihoods in found
        )


def _options_key(arm: Arm, part: Asked, place: int) -> Key:
    return ("options", arm.name, part.task.place, part.task.records[place].id)


def _item_score(asker: Asker, arm: Arm, part: Asked, index: int, results: Results, *, freely: bool) -> ItemScore:
    record, task = part.task.records[index], part.task
    found = results["answer", arm.name, task.place, record.id] if freely and task.kind != "text" else None
    generated = None if found is None else Generated(**found)
    answer = None if generated is None else _text(asker, arm, task, generated)
    referred = answer if record.output else None  # None where there is nothing to hold an answer against
    read = _Read(*zip(*results[_options_key(arm, part, index)], strict=True)) if part.options[index] else None
    options = [text for text, _ in part.options[index]]
    chosen = _chosen(task, options, record.output, read) if read is not None and len(options) > 1 else _Chosen()
    place = options.index(record.output) if record.output in options else 0
    others, weights = _others(part, index, read, answer, generated)
    return ItemScore(
        arm=arm.name,
        shots=part.exemplars,
        item=record.id,
        task=task.task,
        language=task.language,
        split=task.split,
        kind=task.kind,
        headline=task.headline,
        reference=record.output,
        accuracy=chosen.scores.get("accuracy"),
        predicted=None if chosen.place is None else options[chosen.place],
        loss=None if read is None else -read.nats[place] / read.tokens[place],
        answer=answer,
        exact=None if referred is None else float(same_answer(referred, record.output)),
        chrf=None if referred is None else chrf(referred, record.output),
        stopped=None if generated is None else generated.stopped,
        prompt_tokens=len(part.prompts[index]),
        others=others | {name: score for name, score in chosen.scores.items() if name != "accuracy"},
        weights=weights,
        labels=(place, best_choice(read.nats))
        if read is not None and _asks_for(task, "macro_f1")
        else None,  # never by length: the harness's f1
        graded=(float(task.items[index].extra[GRADE]), log_odds(read.nats))
        if read is not None and _asks_for(task, "spearman")
        else None,
    )


def _asks_for(task: TaskItems, metric: str) -> bool:
    return task.spec is not None and metric in task.spec.metrics


@dataclass(frozen=True, slots=True)
class _Read:
    """What was found of an item's options."""

    nats: tuple[float, ...]
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Which option was chosen, and how right that was; nothing where there are none to choose from."""

    place: int | None = None
    scores: dict[str, float] = field(default_factory=dict)


def _chosen(task: TaskItems, options: Sequence[str], reference: str, read: _Read) -> _Chosen:
    if task.spec is not None:
        return _Chosen(*choice_scores(task.spec, options, reference, read.nats, read.tokens))
    place = best_choice(read.nats)
    return _Chosen(place, {"accuracy": float(options[place] == reference)})


def _others(
    part: Asked, index: int, read: _Read | None, answer: str | None, generated: Generated | None
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the further metrics of a task file, and what some of them weigh: of a text its bits per byte, if all of it was read, of a free answer those that the file names."""
    task = part.task
    if task.spec is None:
        return {}, {}
    if task.kind == "text" and read is not None:
        text = task.records[index].output
        if index in part.cut:
            return {}, {"loss": read.tokens[0]}
        return {"bits_per_byte": text_scores(read.nats[0], read.tokens[0], text)["bits_per_byte"]}, {
            "loss": read.tokens[0],
            "bits_per_byte": len(text.encode()),
        }
    if answer is None or generated is None:
        return {}, {}
    scores = answer_scores(task.spec, task.items[index], answer, stopped=generated.stopped)
    return scores, {
        name: len(task.items[index].extra["instruction_id_list"])
        for name in scores
        if name.startswith("ifeval_instruction")
    }


def _text(asker: Asker, arm: Arm, task: TaskItems, generated: Generated) -> str:
    answer = str(asker.tokenizer.decode(generated.tokens, skip_special_tokens=True)).strip()
    until = task.spec.until if task.spec is not None else []
    if arm.model != "base" or (task.spec is not None and not task.records[0].output and not until):
        return answer  # what a task without references asks for may have many lines
    # A base was never taught to stop: only what stands before an end is held against it, of a task that names none its first line.
    return cut(answer, until or ["\n"])
