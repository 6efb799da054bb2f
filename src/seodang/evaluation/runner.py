"""Ask a model items and score its answers: the same way for every model, prompt and number of exemplars."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from seodang.config import EvaluateParams
from seodang.evaluation.aggregate import ItemScore
from seodang.evaluation.metrics import compute_chrf, is_exact_match, select_best_choice
from seodang.evaluation.requests import Requests, Variant, build_requests, get_context_length, get_max_new_tokens
from seodang.evaluation.result_log import ResultLog
from seodang.evaluation.samples import TaskSamples
from seodang.evaluation.tasks.prompts import truncate_at_stop
from seodang.evaluation.tasks.scoring import (
    compute_answer_metrics,
    compute_choice_metrics,
    compute_log_odds,
    compute_text_metrics,
)
from seodang.evaluation.tasks.spec import GRADE_COLUMN
from seodang.inference.generation import Generation, generate
from seodang.inference.loglikelihood import ChoiceRequest, score_choices
from seodang.inference.prompt_encoder import PromptEncoder

_ANSWERS_PER_LOG_ENTRY = 64  # free answers between two entries of the journal


def count_templates(tasks: Sequence[TaskSamples]) -> int:
    """Return how many wordings the task with the most of them has."""
    return 1 + max((len(task.extra_templates) for task in tasks), default=0)


def iter_base_variants(evaluate: EvaluateParams, template_count: int) -> Iterator[Variant]:
    """Yield the ways of asking the base: every format, number of exemplars and wording. Names tell as much as differs.

    Args:
        evaluate: Formats and numbers of exemplars.
        wordings: The most that a task has.
    """
    several_formats, several_shots = len(evaluate.base_formats) > 1, sum(count > 0 for count in evaluate.shots) > 1
    for count in evaluate.shots:
        for format in evaluate.base_formats:
            for template_index in range(template_count):
                parts = ["few_shot" if count else "zero_shot"]
                parts += [format] if several_formats else []
                parts += [str(count)] if count and several_shots else []
                parts += [f"w{template_index + 1}"] if template_count > 1 else []
                yield Variant("/".join(parts), format, count, "base", template_index)


ResultKey = tuple[str, str, str, str]  # kind of result, arm, place (split/task/language), item


class Results:
    """What has been measured so far, in memory and in the journal; a run that was killed finds its own again."""

    def __init__(self, result_log: ResultLog) -> None:
        """Take what the journal holds."""
        self._result_log = result_log
        self._results: dict[ResultKey, Any] = {_parse_key(row): row["result"] for row in result_log.rows}
        self._first_variants: dict[
            tuple[str, ...], str
        ] = {}  # what the base was asked in this run -> the first arm that was

    def __contains__(self, key: ResultKey) -> bool:
        return key in self._results

    def __getitem__(self, key: ResultKey) -> Any:
        return self._results[key]

    def add(self, results: Iterable[tuple[ResultKey, Any]]) -> None:
        """Keep results that came together."""
        new = dict(results)
        self._result_log.append(
            {"kind": kind, "variant": arm, "place": place, "item": item, "result": result}
            for (kind, arm, place, item), result in new.items()
        )
        self._results |= new

    def reuse_results(self, variant: Variant, requests: Requests) -> None:
        """Give an arm of the base the results of an earlier one that was asked the very same: where a task has no exemplars, their number changes nothing.

        Of tuned models there may be several, each with one way of asking.
        """
        if variant.model != "base":
            return
        task_key = requests.task.key
        digest = hashlib.sha256(repr((requests.prompts, requests.options)).encode()).hexdigest()
        first = self._first_variants.setdefault((variant.format, task_key, digest), variant.name)
        if first != variant.name:
            known = [
                (kind, item, result)
                for (kind, name, where, item), result in self._results.items()
                if (name, where) == (first, task_key)
            ]
            self.add(
                ((kind, variant.name, task_key, item), result)
                for kind, item, result in known
                if (kind, variant.name, task_key, item) not in self
            )


def _parse_key(row: dict[str, Any]) -> ResultKey:
    return row["kind"], row["variant"], row["place"], row["item"]


def run_requests(
    model: Any,
    encoder: PromptEncoder,
    variant: Variant,
    tasks: Sequence[TaskSamples],
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
    task_requests = [build_requests(get_context_length(model), encoder, variant, task, evaluate) for task in tasks]
    for requests in task_requests:
        results.reuse_results(variant, requests)
    _generate_answers(model, encoder, variant, task_requests, evaluate, results)
    for requests in task_requests:
        _score_options(model, variant, requests, evaluate, results)
        for index in range(len(requests.prompts)):
            yield _build_item_score(
                encoder, variant, requests, index, results, is_generated=index < evaluate.generations_per_task
            )
        progress()


def _generate_answers(
    model: Any,
    encoder: PromptEncoder,
    variant: Variant,
    task_requests: Sequence[Requests],
    evaluate: EvaluateParams,
    results: Results,
) -> None:
    """Answer the first items of each task by greedy generation, those of all tasks together: full batches are quicker."""
    for max_new_tokens in sorted({get_max_new_tokens(part.task, evaluate) for part in task_requests}):
        missing = [
            (key, prompt)
            for part in task_requests
            if get_max_new_tokens(part.task, evaluate) == max_new_tokens and part.task.kind != "text"
            for record, prompt in list(zip(part.task.records, part.prompts, strict=True))[
                : evaluate.generations_per_task
            ]
            if (key := ("answer", variant.name, part.task.key, record.id)) not in results
        ]
        missing.sort(key=lambda pair: len(pair[1]))
        for start in range(0, len(missing), _ANSWERS_PER_LOG_ENTRY):
            batch = missing[start : start + _ANSWERS_PER_LOG_ENTRY]
            answers = generate(
                model,
                [prompt for _, prompt in batch],
                end_id=encoder.end_id,
                max_new_tokens=max_new_tokens,
                batch_tokens=evaluate.tokens_per_batch,
            )
            results.add(
                (key, {"tokens": answer.tokens, "has_eos": answer.has_eos})
                for (key, _), answer in zip(batch, answers, strict=True)
            )


def _score_options(
    model: Any, variant: Variant, requests: Requests, evaluate: EvaluateParams, results: Results
) -> None:
    """Find the log-likelihood of each option of each item of a task, of the reference where there are no options."""
    indices = [place for place, options in enumerate(requests.options) if options]
    keys = [_build_options_key(variant, requests, place) for place in indices]
    choices = [
        ChoiceRequest(
            f"{requests.task.key}/{requests.task.records[place].id}", requests.prompts[place], requests.options[place]
        )
        for place in indices
    ]
    known = {place for place, key in enumerate(keys) if key in results}
    for found in score_choices(model, choices, evaluate.tokens_per_batch, skip=known):
        results.add(
            (keys[place], [[likelihood.nats, likelihood.tokens] for likelihood in likelihoods])
            for place, likelihoods in found
        )


def _build_options_key(variant: Variant, requests: Requests, index: int) -> ResultKey:
    return ("options", variant.name, requests.task.key, requests.task.records[index].id)


def _build_item_score(
    encoder: PromptEncoder, variant: Variant, requests: Requests, index: int, results: Results, *, is_generated: bool
) -> ItemScore:
    record, task = requests.task.records[index], requests.task
    found = results["answer", variant.name, task.key, record.id] if is_generated and task.kind != "text" else None
    generated = None if found is None else Generation(**found)
    answer = None if generated is None else _decode_answer(encoder, variant, task, generated)
    compared_answer = answer if record.output else None  # None where there is nothing to hold an answer against
    log_likelihoods = (
        _LogLikelihoods(*zip(*results[_build_options_key(variant, requests, index)], strict=True))
        if requests.options[index]
        else None
    )
    options = [text for text, _ in requests.options[index]]
    prediction = (
        _predict_choice(task, options, record.output, log_likelihoods)
        if log_likelihoods is not None and len(options) > 1
        else _Prediction()
    )
    reference_index = options.index(record.output) if record.output in options else 0
    extra_metrics, weights = _compute_extra_metrics(requests, index, log_likelihoods, answer, generated)
    return ItemScore(
        variant=variant.name,
        shots=requests.shots,
        item=record.id,
        task=task.task,
        language=task.language,
        split=task.split,
        kind=task.kind,
        primary_metric=task.primary_metric,
        reference=record.output,
        accuracy=prediction.scores.get("accuracy"),
        prediction=None if prediction.index is None else options[prediction.index],
        loss=None
        if log_likelihoods is None
        else -log_likelihoods.nats[reference_index] / log_likelihoods.tokens[reference_index],
        answer=answer,
        exact_match=None if compared_answer is None else float(is_exact_match(compared_answer, record.output)),
        chrf=None if compared_answer is None else compute_chrf(compared_answer, record.output),
        eos_rate=None if generated is None else generated.has_eos,
        prompt_tokens=len(requests.prompts[index]),
        extra_metrics=extra_metrics | {name: score for name, score in prediction.scores.items() if name != "accuracy"},
        weights=weights,
        labels=(reference_index, select_best_choice(log_likelihoods.nats))
        if log_likelihoods is not None and _has_metric(task, "macro_f1")
        else None,  # never by length: the harness's f1
        grades=(float(task.samples[index].extra[GRADE_COLUMN]), compute_log_odds(log_likelihoods.nats))
        if log_likelihoods is not None and _has_metric(task, "spearman")
        else None,
    )


def _has_metric(task: TaskSamples, metric: str) -> bool:
    return task.spec is not None and metric in task.spec.metrics


@dataclass(frozen=True, slots=True)
class _LogLikelihoods:
    """What was found of an item's options."""

    nats: tuple[float, ...]
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Prediction:
    """Which option was chosen, and how right that was; nothing where there are none to choose from."""

    index: int | None = None
    scores: dict[str, float] = field(default_factory=dict)


def _predict_choice(
    task: TaskSamples, options: Sequence[str], reference: str, log_likelihoods: _LogLikelihoods
) -> _Prediction:
    if task.spec is not None:
        return _Prediction(
            *compute_choice_metrics(task.spec, options, reference, log_likelihoods.nats, log_likelihoods.tokens)
        )
    index = select_best_choice(log_likelihoods.nats)
    return _Prediction(index, {"accuracy": float(options[index] == reference)})


def _compute_extra_metrics(
    requests: Requests,
    index: int,
    log_likelihoods: _LogLikelihoods | None,
    answer: str | None,
    generated: Generation | None,
) -> tuple[dict[str, float], dict[str, float]]:
    """Return the further metrics of a task file, and what some of them weigh: of a text its bits per byte, if all of it was read, of a free answer those that the file names."""
    task = requests.task
    if task.spec is None:
        return {}, {}
    if task.kind == "text" and log_likelihoods is not None:
        text = task.records[index].output
        if index in requests.truncated_indices:
            return {}, {"loss": log_likelihoods.tokens[0]}
        return {
            "bits_per_byte": compute_text_metrics(log_likelihoods.nats[0], log_likelihoods.tokens[0], text)[
                "bits_per_byte"
            ]
        }, {
            "loss": log_likelihoods.tokens[0],
            "bits_per_byte": len(text.encode()),
        }
    if answer is None or generated is None:
        return {}, {}
    scores = compute_answer_metrics(task.spec, task.samples[index], answer, has_eos=generated.has_eos)
    return scores, {
        name: len(task.samples[index].extra["instruction_id_list"])
        for name in scores
        if name.startswith("ifeval_instruction")
    }


def _decode_answer(encoder: PromptEncoder, variant: Variant, task: TaskSamples, generated: Generation) -> str:
    answer = str(encoder.tokenizer.decode(generated.tokens, skip_special_tokens=True)).strip()
    until = task.spec.until if task.spec is not None else []
    if variant.model != "base" or (task.spec is not None and not task.records[0].output and not until):
        return answer  # what a task without references asks for may have many lines
    # A base was never taught to stop: only what stands before an end is held against it, of a task that names none its first line.
    return truncate_at_stop(answer, until or ["\n"])
