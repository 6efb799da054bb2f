"""The items of task files three ways: by the pipeline's own evaluation, over Seodang's routes, and over the harness."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from seodang.config import EvaluateParams
from seodang.evaluation.aggregate import TUNED_VARIANT
from seodang.evaluation.metrics import select_best_choice
from seodang.evaluation.requests import Variant, build_requests
from seodang.evaluation.result_log import ResultLog
from seodang.evaluation.results import Results, build_options_key
from seodang.evaluation.runner import run_requests
from seodang.evaluation.samples import TaskSamples
from seodang.inference.prompt_encoder import PromptEncoder
from seodang.models.loading import get_context_length, load_tokenizer
from seodang.packaging.model_folder import load_inference_model, read_manifest
from seodang.prompting import Renderer

CLIENTS = 8


@dataclass(frozen=True, slots=True)
class Item:
    """What one way gives for an item."""

    task: str
    id: str
    prediction: str
    """The chosen option, or the answer."""
    nats: tuple[float, ...]
    """Log-likelihood of each option; of the reference where there are no options; empty if it was not computed."""


@dataclass(frozen=True, slots=True)
class Question:
    """An item as a client sends it."""

    task: str
    id: str
    instruction: str
    input: str
    context: str
    """The rendered prompt."""
    options: tuple[str, ...]
    """Choices; empty where an answer is generated."""
    scored: tuple[str, ...]
    """Texts that are scored after the context: the options, else the reference."""
    max_new_tokens: int


def evaluate_items(
    folder: Path, tasks: Sequence[TaskSamples], evaluate: EvaluateParams, scratch: Path
) -> tuple[list[Item], list[Question]]:
    """Return the scores of the pipeline's own evaluation of a packaged model, and the items as a client sends them.

    Items beyond the context are left out: evaluation truncates them, and a server must refuse them.
    """
    manifest, tokenizer = read_manifest(folder), load_tokenizer(folder)
    model = load_inference_model(folder, "cpu")
    variant = Variant(TUNED_VARIANT, manifest.prompt.format, 0, "tuned")
    encoder, renderer = PromptEncoder(tokenizer, variant.format), Renderer(variant.format, tokenizer)
    results = Results(ResultLog(scratch / "results.jsonl", "served"))
    scores = list(run_requests(model, encoder, variant, tasks, evaluate, results, lambda: None))
    items, questions = [], []
    for task in tasks:
        requests = build_requests(get_context_length(model.config), encoder, variant, task, evaluate)
        limit = task.spec.max_new_tokens or evaluate.max_new_tokens
        own = [score for score in scores if (score.task, score.language) == (task.task, task.language)]
        for index, (record, score) in enumerate(zip(task.records, own, strict=True)):
            if score.is_truncated or len(requests.prompts[index]) + limit > (get_context_length(model.config) or 2**31):
                continue
            nats = tuple(nats for nats, _tokens in results[build_options_key(variant, requests, index)])
            prediction = score.answer if score.prediction is None else score.prediction
            items.append(Item(task.key, record.id, str(prediction), nats))
            context = "".join(segment.text for segment in renderer.render_record(record))
            scored = tuple(text for text, _ids in requests.options[index])
            questions.append(
                Question(task.key, record.id, record.instruction, record.input, context, record.choices, scored, limit)
            )
    return items, questions


def ask_routes(url: str, questions: Sequence[Question]) -> list[Item]:
    """Return what POST /choose and POST /generate answer."""

    def ask(question: Question) -> Item:
        body: dict[str, Any] = {"instruction": question.instruction, "input": question.input}
        if not question.options:
            answer = _post(f"{url}/generate", {**body, "max_new_tokens": question.max_new_tokens})
            return Item(question.task, question.id, answer["output"], ())
        answer = _post(f"{url}/choose", {**body, "options": question.options})
        nats = tuple(answer["log_likelihoods"][option] for option in question.options)
        return Item(question.task, question.id, answer["option"], nats)

    with ThreadPoolExecutor(CLIENTS) as pool:
        return list(pool.map(ask, questions))


def ask_harness(
    url: str, questions: Sequence[Question], *, python: Path, client: Path, model: Path, scratch: Path
) -> list[Item]:
    """Return what lm-evaluation-harness gets over POST /v1/completions.

    Args:
        url: Of the server.
        questions: Items; those with an answer are also scored by their reference.
        python: Of an environment with lm_eval[api] and transformers.
        client: The program tests/service/clients/harness_client.py.
        model: Folder with the tokenizer.
        scratch: Folder for files.
    """
    tokenizer = load_tokenizer(model)
    encoder = PromptEncoder(tokenizer, read_manifest(model).prompt.format)
    renderer = Renderer(encoder.format, tokenizer)
    rows: list[dict[str, Any]] = []
    for number, question in enumerate(questions):
        options = [renderer.render_answer(text).text for text in question.scored]
        rows.append({"id": f"{number}", "context": question.context, "options": options})
        if not question.options:
            limit = question.max_new_tokens
            rows.append({"id": f"{number}-answer", "context": question.context, "max_tokens": limit})
    file, results = scratch / "harness-items.jsonl", scratch / "harness-results.json"
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    command = [str(python), str(client), url, "-", str(file), str(results), "--tokenizer", str(model)]
    completed = subprocess.run(
        [*command, "--max-length", str(tokenizer.model_max_length)], capture_output=True, text=True, check=False
    )
    if completed.returncode:
        raise SystemExit(f"the harness failed:\n{completed.stderr[-3000:]}")
    return list(_read_harness(json.loads(results.read_text("utf-8")), questions))


def _read_harness(found: Mapping[str, Any], questions: Sequence[Question]) -> Iterator[Item]:
    for number, question in enumerate(questions):
        nats = tuple(found[f"{number}"]["log_likelihoods"])
        item = Item(question.task, question.id, "", nats)
        if question.options:
            yield replace(item, prediction=question.options[select_best_choice(nats, -1)])
        else:
            yield replace(item, prediction=found[f"{number}-answer"]["answer"].strip())


def _post(url: str, body: Mapping[str, Any]) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as answer:
        return json.loads(answer.read())
