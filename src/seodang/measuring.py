"""Ask a model items and score its answers: the same way for every model, prompt and number of exemplars."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from seodang.evaluation.items import TaskItems
from seodang.evaluation.journal import Journal
from seodang.evaluation.metrics import best_choice, chrf, same_answer
from seodang.evaluation.summary import ItemScore
from seodang.evaluation.tasks.asking import cut
from seodang.evaluation.tasks.scoring import answer_scores, normalised, text_scores
from seodang.modeling.asking import Asker
from seodang.modeling.generating import Generated, generate
from seodang.modeling.scoring import Choice, score_choices
from seodang.params import EvaluateParams, PromptFormat
from seodang.records import Record

_TOGETHER = 64  # free answers between two entries of the journal


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
    """The prompts of one task as one arm gets them."""

    task: TaskItems
    records: list[Record]  # its items as this arm is asked them
    exemplars: list[Record]
    prompts: list[list[int]]


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

    def __contains__(self, key: Key) -> bool:
        return key in self._found

    def __getitem__(self, key: Key) -> Any:  # noqa: ANN401 - of two kinds
        return self._found[key]

    def add(self, results: Iterable[tuple[Key, Any]]) -> None:
        """Keep results that came together."""
        new = dict(results)
        self._journal.append({"kind": kind, "arm": arm, "place": place, "item": item, "result": result} for (kind, arm, place, item), result in new.items())
        self._found |= new


def _key(row: dict[str, Any]) -> Key:
    return row["kind"], row["arm"], row["place"], row["item"]


def measure(model: Any, asker: Asker, arm: Arm, tasks: Sequence[TaskItems], evaluate: EvaluateParams, results: Results, progress: Callable[[], object]) -> Iterator[ItemScore]:  # noqa: ANN401 - peft's wrapper behaves as a PreTrainedModel
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
    asked = [_asked(model, asker, arm, task, evaluate) for task in tasks]
    _answer_freely(model, asker, arm, asked, evaluate, results)
    for part in asked:
        _score_options(model, asker, arm, part, evaluate, results)
        for index in range(len(part.task.records)):
            yield _item_score(asker, arm, part, index, results, freely=index < evaluate.generated_per_task)
        progress()


def _asked(model: Any, asker: Asker, arm: Arm, task: TaskItems, evaluate: EvaluateParams) -> Asked:  # noqa: ANN401
    if task.kind == "text":
        return Asked(task, task.records, [], [asker.start] * len(task.records))
    context = _context(model) - _longest_answer(task, evaluate)
    asked = task.wording(arm.wording)
    exemplars = asker.fitting(asked.records, asked.exemplars[: arm.shots], context)
    return Asked(task, asked.records, exemplars, [asker.prompt(record, exemplars) for record in asked.records])


def _context(model: Any) -> int:  # noqa: ANN401
    return int(model.config.get_text_config().max_position_embeddings)


def _longest_answer(task: TaskItems, evaluate: EvaluateParams) -> int:
    """Return the tokens that a free answer may have."""
    return evaluate.max_new_tokens if task.spec is None or task.spec.max_new_tokens is None else task.spec.max_new_tokens


def _answer_freely(model: Any, asker: Asker, arm: Arm, asked: Sequence[Asked], evaluate: EvaluateParams, results: Results) -> None:  # noqa: ANN401
    """Answer the first items of each task by greedy generation, those of all tasks together: full batches are quicker."""
    for longest in sorted({_longest_answer(part.task, evaluate) for part in asked}):
        missing = [
            (key, prompt)
            for part in asked
            if _longest_answer(part.task, evaluate) == longest and part.task.kind != "text"
            for record, prompt in list(zip(part.records, part.prompts, strict=True))[: evaluate.generated_per_task]
            if (key := ("answer", arm.name, part.task.place, record.id)) not in results
        ]
        missing.sort(key=lambda pair: len(pair[1]))
        for start in range(0, len(missing), _TOGETHER):
            some = missing[start : start + _TOGETHER]
            answers = generate(model, [prompt for _, prompt in some], end=asker.end, max_new_tokens=longest, batch_tokens=evaluate.batch_tokens)
            results.add((key, {"tokens": answer.tokens, "stopped": answer.stopped}) for (key, _), answer in zip(some, answers, strict=True))


def _score_options(model: Any, asker: Asker, arm: Arm, part: Asked, evaluate: EvaluateParams, results: Results) -> None:  # noqa: ANN401
    """Find the log-likelihood of each option of each item of a task, of the reference where there are no options.

    A text that is longer than the model reads is cut to what it reads.
    """
    ids = (lambda text: asker.text(text)[: _context(model) - 1]) if part.task.kind == "text" else asker.answer
    keys = [("options", arm.name, part.task.place, record.id) for record in part.records]
    choices = [
        Choice(f"{part.task.place}/{record.id}", prompt, tuple((option, ids(option)) for option in options_of(record)))
        for record, prompt in zip(part.records, part.prompts, strict=True)
    ]
    known = {place for place, key in enumerate(keys) if key in results}
    for found in score_choices(model, choices, evaluate.batch_tokens, known=known):
        results.add((keys[place], [[likelihood.nats, likelihood.tokens] for likelihood in likelihoods]) for place, likelihoods in found)


def options_of(record: Record) -> list[str]:
    """Return what the log-likelihoods of an item are of."""
    return list(record.choices) if record.output in record.choices else [record.output]


def _item_score(asker: Asker, arm: Arm, part: Asked, index: int, results: Results, *, freely: bool) -> ItemScore:
    record, task = part.records[index], part.task
    options = options_of(record)
    nats, tokens = zip(*results["options", arm.name, task.place, record.id], strict=True)
    found = results["answer", arm.name, task.place, record.id] if freely and task.kind != "text" else None
    generated = None if found is None else Generated(**found)
    answer = None if generated is None else _text(asker, arm, task, generated)
    predicted = options[best_choice(normalised(nats, options, tokens, task.normalisation))] if len(options) > 1 else None
    return ItemScore(
        arm=arm.name,
        shots=len(part.exemplars),
        item=record.id,
        task=task.task,
        language=task.language,
        split=task.split,
        kind=task.kind,
        reference=record.output,
        accuracy=None if predicted is None else float(predicted == record.output),
        predicted=predicted,
        loss=-nats[options.index(record.output)] / tokens[options.index(record.output)],
        answer=answer,
        exact=None if answer is None else float(same_answer(answer, record.output)),
        chrf=None if answer is None else chrf(answer, record.output),
        stopped=None if generated is None else generated.stopped,
        prompt_tokens=len(part.prompts[index]),
        others=_others(asker, task, index, (nats[0], tokens[0]), answer, generated),
    )


def _others(asker: Asker, task: TaskItems, index: int, read: tuple[float, int], answer: str | None, generated: Generated | None) -> dict[str, float]:
    """Return the further metrics of a task file: of a text its bits per byte, if all of it was read, of a free answer those that the file names."""
    if task.spec is None:
        return {}
    if task.kind == "text":
        text = task.records[index].output
        nats, tokens = read
        return {"bits_per_byte": text_scores(nats, tokens, text)["bits_per_byte"]} if tokens == len(asker.text(text)) else {}
    return {} if answer is None or generated is None else answer_scores(task.spec, task.items[index], answer, stopped=generated.stopped)


def _text(asker: Asker, arm: Arm, task: TaskItems, generated: Generated) -> str:
    answer = str(asker.tokenizer.decode(generated.tokens, skip_special_tokens=True)).strip()
    if arm.model != "base":
        return answer
    # A base was never taught to stop: only what stands before an end is held against it, of a task that names none its first line.
    return cut(answer, task.spec.until if task.spec is not None and task.spec.until else ["\n"])
