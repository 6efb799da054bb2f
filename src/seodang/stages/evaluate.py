"""Stage `evaluate`: the base, prompted, and the tuned model, on the same items."""

from __future__ import annotations

import csv
import gc
import io
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tqdm import tqdm

from seodang.errors import EvaluationError
from seodang.evaluation.items import TaskItems, choose_items, fingerprint
from seodang.evaluation.metrics import best_choice, chrf, same_answer
from seodang.evaluation.summary import TUNED, ItemScore, best_arm, by_arm, by_task
from seodang.jsonl import read_records, write_atomically, write_json, write_rows
from seodang.modeling.adapters import is_whole_model, load_adapter, trained_sha256
from seodang.modeling.asking import Asker
from seodang.modeling.device import choose_device, keep_freed_memory, peak_memory_mb
from seodang.modeling.generating import Generated, generate
from seodang.modeling.loading import load_model, load_tokenizer
from seodang.modeling.scoring import Question, log_likelihoods
from seodang.params import EvaluateParams, PromptFormat, PromptParams, TrainParams
from seodang.paths import Paths
from seodang.prompting import fingerprint as prompt_fingerprint
from seodang.records import Record
from seodang.stages import Report

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Arm:
    """A model and a way of asking it."""

    name: str
    format: PromptFormat
    shots: int
    tuned: bool


def run(*, prompt: PromptParams, train: TrainParams, evaluate: EvaluateParams, paths: Paths) -> Report:
    """Score every arm on every item and write items, summary, and tables for DVC."""
    keep_freed_memory()
    started, cpu_started = time.monotonic(), time.process_time()
    tokenizer = load_tokenizer(paths.base)
    device = choose_device(train.device)
    model = load_model(paths.base, train.precision, device)
    tasks = _tasks(evaluate, paths)
    arms = list(_arms(prompt, evaluate))
    scores: list[ItemScore] = []
    with tqdm(total=len(arms) * len(tasks), unit="task", disable=not sys.stderr.isatty()) as bar:
        for arm in arms:
            if arm.tuned and is_whole_model(paths.adapter):
                del model  # the tuned model is the last one, and a GPU that holds one of 8B need not hold two
                gc.collect()  # code of a model's own may refer to itself in a circle
                model = load_model(paths.adapter, train.precision, device)
            elif arm.tuned:  # the base becomes part of it
                model = load_adapter(model, paths.adapter)
            scores += _ask(model, Asker(tokenizer, arm.format), arm, tasks, evaluate, bar.update)
            logger.info("asked %s: %d items, %.0f s so far", arm.name, sum(len(task.records) for task in tasks), time.monotonic() - started)
    report = {
        "arms": by_arm(scores),
        "best": {kind: best_arm(scores, kind) for kind in ("zero_shot", "few_shot")},
        "tasks": by_task(scores),
        "items_fingerprint": fingerprint(tasks),
        "formats": {arm.name: {"format": arm.format, "shots": arm.shots, "fingerprint": prompt_fingerprint(arm.format, tokenizer)} for arm in arms},  # type: ignore[arg-type]
        "adapter_sha256": trained_sha256(paths.adapter),
        "seconds": round(time.monotonic() - started, 1),
        "cpu_seconds": round(time.process_time() - cpu_started, 1),
        "peak_memory_mb": peak_memory_mb(),
    }
    _write(report, scores, paths)
    return report


def _tasks(evaluate: EvaluateParams, paths: Paths) -> list[TaskItems]:
    training = list(read_records(paths.split("train")))
    tasks = []
    for split in ("test", "unseen"):
        tasks += choose_items(read_records(paths.split(split)), split, training, seed=evaluate.seed, items_per_task=evaluate.items_per_task, shots=evaluate.shots)
    if not tasks:
        raise EvaluationError("the test split is empty: nothing can be compared; raise prepare.test_share")
    return tasks


def _arms(prompt: PromptParams, evaluate: EvaluateParams) -> Iterator[Arm]:
    several = len(evaluate.base_formats) > 1
    for kind, shots in (("zero_shot", 0), ("few_shot", evaluate.shots)):
        for format in evaluate.base_formats:
            yield Arm(f"{kind}/{format}" if several else kind, format, shots, tuned=False)
    yield Arm(TUNED, prompt.format, 0, tuned=True)


@dataclass(frozen=True, slots=True)
class Asked:
    """The prompts of one task as one arm gets them."""

    task: TaskItems
    exemplars: list[Record]
    prompts: list[list[int]]


def _ask(model: Any, asker: Asker, arm: Arm, tasks: Sequence[TaskItems], evaluate: EvaluateParams, progress: Callable[[], object]) -> Iterator[ItemScore]:  # noqa: ANN401 - peft's wrapper behaves as a PreTrainedModel
    """Yield the scores of one arm. Free answers are made for all tasks at once: full batches are quicker."""
    context = int(model.config.get_text_config().max_position_embeddings) - evaluate.max_new_tokens
    asked = []
    for task in tasks:
        exemplars = asker.fitting(task.records, task.exemplars[: arm.shots], context)
        asked.append(Asked(task, exemplars, [asker.prompt(record, exemplars) for record in task.records]))
    freely = [prompt for part in asked for prompt in part.prompts[: evaluate.generated_per_task]]
    answers = iter(generate(model, freely, end=asker.end, max_new_tokens=evaluate.max_new_tokens, batch_tokens=evaluate.batch_tokens))
    for part in asked:
        free = [next(answers) for _ in part.prompts[: evaluate.generated_per_task]]
        yield from _task_scores(model, asker, arm, part, free, evaluate)
        progress()


def _task_scores(model: Any, asker: Asker, arm: Arm, part: Asked, free: list[Generated], evaluate: EvaluateParams) -> Iterator[ItemScore]:  # noqa: ANN401
    records = part.task.records
    options = [list(record.choices) if record.output in record.choices else [record.output] for record in records]
    questions = [Question(prompt, asker.answer(option)) for prompt, choices in zip(part.prompts, options, strict=True) for option in choices]
    likelihoods = iter(log_likelihoods(model, questions, evaluate.batch_tokens))
    for index, (record, choices) in enumerate(zip(records, options, strict=True)):
        found = [next(likelihoods) for _ in choices]
        generated = free[index] if index < len(free) else None
        yield _item_score(asker, arm, part.task, record, choices, found, generated, len(part.exemplars))


def _item_score(asker: Asker, arm: Arm, task: TaskItems, record: Record, choices: Sequence[str], likelihoods: list[float], generated: Generated | None, shots: int) -> ItemScore:
    predicted = choices[best_choice(likelihoods)] if len(choices) > 1 else None
    answer = None
    if generated is not None:
        answer = str(asker.tokenizer.decode(generated.tokens, skip_special_tokens=True)).strip()
        if not arm.tuned:  # a base was never taught to stop: only its first line is held against it
            answer = answer.partition("\n")[0].strip()
    return ItemScore(
        arm=arm.name,
        shots=shots,
        item=record.id,
        task=task.task,
        language=task.language,
        split=task.split,
        kind=task.kind,
        reference=record.output,
        accuracy=None if predicted is None else float(predicted == record.output),
        predicted=predicted,
        loss=-likelihoods[choices.index(record.output)] / max(1, len(asker.answer(record.output))),
        answer=answer,
        exact=None if answer is None else float(same_answer(answer, record.output)),
        chrf=None if answer is None else chrf(answer, record.output),
        stopped=None if generated is None else generated.stopped,
    )


def _write(report: dict[str, Any], scores: Sequence[ItemScore], paths: Paths) -> None:
    write_rows(paths.scores, (asdict(score) for score in scores))
    write_json(paths.evaluate_report, report)
    shown = {row["name"]: row for row in report["arms"]}
    names = {"zero_shot": report["best"]["zero_shot"], "few_shot": report["best"]["few_shot"], TUNED: TUNED}
    write_json(paths.metrics, {measure: {name: shown[arm][measure] for name, arm in names.items()} for measure in ("accuracy", "exact", "chrf", "loss")})
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    # DVC's bar template draws one bar per label: the arm has to be part of it.
    writer.writerow(["bar", "task", "language", "arm", "score"])
    for row in report["tasks"]:
        for name, arm in names.items():
            if row[arm] is not None:
                writer.writerow([f"{row['task']} {row['language']} · {name}", row["task"], row["language"], name, row[arm]])
    write_atomically(paths.scores_table, [table.getvalue()])
