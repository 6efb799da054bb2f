"""How lm-evaluation-harness and Seodang run a task on the same data, for benchmarks/korean_tasks.py."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from korean_task_cases import Case, write_file

REPOSITORY = Path(__file__).resolve().parents[1]
CANNED_ANSWERS = (
    "A", " a ", "B.", "답변: C", "정답은 D입니다. E가 아닙니다.", "", "\n\nA", "모르겠습니다", "  \nB\n", "Q: A", "E", "d",
    "따라서 $\\boxed{18}$", "x = 3.5", "정답은 $7$ 이다.", "\\boxed{\\frac{1}{2}}", "1024", "답: -4", "$\\boxed{-4}$",
    "100,000", "= 0.50.", "2.25개", "\\boxed{x=18}", "\\boxed{7", "답은 7.0</s> 8",
)  # fmt: skip
"""Free answers that both tools score besides those of the model."""


@dataclass(frozen=True, slots=True)
class Item:
    """What a tool asked and scored."""

    texts: list[tuple[str, str]]
    """Prompt and option; a free answer has the prompt and ""."""
    likelihoods: list[float]
    """Nats, for each option; [] for a free answer."""
    answer: str
    scores: dict[str, float]


Run = dict[str, list[Item]]
"""Items by file, in the order of its rows; canned answers under CANNED."""
CANNED = "canned answers"


def run_seodang(case: Case, model_folder: Path, data: Path, max_new_tokens: int | None) -> Run:
    """Return what Seodang asks and scores with the task file, as the base without few-shot examples in format plain.

    Args:
        case: The task.
        model_folder: Model and tokenizer.
        data: Folder of the data files.
        max_new_tokens: Limit of free answers; None for that of the task file.
    """
    from seodang.config import EvaluateParams
    from seodang.evaluation.requests import Variant
    from seodang.evaluation.result_log import ResultLog
    from seodang.evaluation.results import Results
    from seodang.evaluation.runner import run_requests
    from seodang.evaluation.task_files import load_task_samples
    from seodang.inference.prompt_encoder import PromptEncoder
    from seodang.models.loading import load_model, load_tokenizer

    evaluate = EvaluateParams(
        seed=1, items_per_task=10_000, shots=[0], base_formats=["plain"], calibrate_base=False, skipped_items={},
        frequency_penalty=0.0, tokens_per_batch=1,
        max_new_tokens=256, tasks=[case.task], data_folder=str(data), generations_per_task=10_000,
        generations_per_free_text_task=1,
    )  # fmt: skip
    tasks = load_task_samples(evaluate, REPOSITORY / "tasks", REPOSITORY, {})
    if max_new_tokens and tasks[0].spec.kind == "generate":
        spec = tasks[0].spec.model_copy(update={"max_new_tokens": max_new_tokens})
        tasks = [replace(tasks[0], spec=spec)]
    variant = Variant("zero_shot", "plain", 0, "base")
    encoder = PromptEncoder(load_tokenizer(model_folder), "plain")
    log = ResultLog(data / "results" / f"{case.task}.jsonl", "comparison")
    results = Results(log)
    scores = list(
        run_requests(load_model(model_folder, "fp32", "cpu"), encoder, variant, tasks, evaluate, results, lambda: None)
    )
    log.close()
    [task] = tasks
    positions = {sample.id: _get_position(case, sample) for sample in task.samples}
    run: Run = {}
    for sample, score in sorted(zip(task.samples, scores, strict=True), key=lambda pair: positions[pair[0].id]):
        run.setdefault(positions[sample.id][0], []).append(_build_item(task, sample, score, results))
    if task.spec.kind == "generate":
        run[CANNED] = _score_canned(task.spec, sorted(task.samples, key=lambda sample: positions[sample.id]))
    return run


def _get_position(case: Case, sample: Any) -> tuple[str, int]:
    """Return file and row of an item: its id, or its place in the only file of a task without ids."""
    file, _slash, number = sample.id.rpartition("/")
    if number.isdecimal():
        return file, int(number)
    rows = next(iter(case.files.values()))
    return "", next(
        index for index, row in enumerate(rows) if all(row[name] == text for name, text in sample.texts.items())
    )


def _build_item(task: Any, sample: Any, score: Any, results: Any) -> Item:
    from seodang.evaluation.tasks.prompts import render_few_shot_prompt, split_context_and_continuation

    prompt = render_few_shot_prompt(task.spec, sample, [], next(iter(task.spec.prompts)))
    extra = {name: value for name, value in score.extra_metrics.items() if name in ("accuracy_norm", "exact_match")}
    if not sample.choices:
        return Item([(prompt, "")], [], score.answer or "", extra)
    joined = [split_context_and_continuation(prompt, option, task.spec.delimiter) for option in sample.choices]
    rows = results["options", "zero_shot", task.key, sample.id]
    return Item(joined, [nats for nats, _tokens in rows], "", {"accuracy": score.accuracy or 0.0, **extra})


def _score_canned(spec: Any, samples: Iterable[Any]) -> list[Item]:
    from seodang.evaluation.tasks.matching import truncate_raw_answer
    from seodang.evaluation.tasks.scoring import compute_answer_metrics

    items = []
    for sample in samples:
        for text in CANNED_ANSWERS:
            answer = truncate_raw_answer(text, spec.until)
            scores = compute_answer_metrics(spec, sample, answer, has_eos=True)
            items.append(Item([], [], answer, {"exact_match": scores["exact_match"]}))
    return items


def load_harness_model(model_folder: Path) -> Any:
    """Return the model as the harness reads it, one item per forward pass."""
    from lm_eval.models.huggingface import HFLM

    return HFLM(pretrained=str(model_folder), dtype="float32", device="cpu", batch_size=1)


def run_harness(case: Case, model: Any, data: Path, scratch: Path, max_new_tokens: int | None) -> Run:
    """Return what the harness asks and scores with its own task; only the data are local.

    Args:
        case: The task.
        model: Of load_harness_model().
        data: Folder of the data files.
        scratch: Receives the task file that includes the harness's own.
        max_new_tokens: Limit of free answers; None for that of the harness.
    """
    run: Run = {}
    for file in _list_scored_files(case):
        task, samples = _evaluate(case, file, model, data, scratch, max_new_tokens)
        run[Path(file).stem] = [_read_item(sample) for sample in samples]
        if samples and task.OUTPUT_TYPE == "generate_until":
            run.setdefault(CANNED, []).extend(_score_canned_in_harness(task, [sample["doc"] for sample in samples]))
    return run


def _list_scored_files(case: Case) -> list[str]:
    return [file for file in case.files if not file.endswith("_train.tsv")]


def _evaluate(
    case: Case, file: str, model: Any, data: Path, scratch: Path, max_new_tokens: int | None
) -> tuple[Any, list[dict[str, Any]]]:
    """Return the harness's task over a file, and its samples in the order of the rows."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    folder = scratch / "harness" / case.task / Path(file).stem
    folder.mkdir(parents=True)
    path = data / file
    if case.harness_rows is not None:
        path = folder / "rows.jsonl"
        write_file(path, case.harness_rows)
    name = f"seodang_{case.task}"
    definition = Path(lm_eval.__file__).parent / "tasks" / case.definition
    (folder / "task.yaml").write_text(_build_harness_task(name, definition, case, path), "utf-8")
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    results = lm_eval.simple_evaluate(
        model=model,
        tasks=[name],
        task_manager=manager,
        gen_kwargs=f"max_gen_toks={max_new_tokens}" if max_new_tokens else None,
        bootstrap_iters=0,
        log_samples=True,
    )
    loaded = _load_task(manager, name)
    samples = sorted(results["samples"][name], key=lambda sample: sample["doc_id"])
    return loaded, samples


def _load_task(manager: Any, name: str) -> Any:
    loaded = manager.load([name])
    return loaded["tasks"][name] if "tasks" in loaded else loaded[name]


def _build_harness_task(name: str, definition: Path, case: Case, path: Path) -> str:
    """Return the harness's task with local files; everything else is included from the package."""
    table = path.suffix in (".csv", ".tsv")
    splits = ("train", "validation", "test") if case.split == "test" else (case.split,)
    files = ", ".join(f"{split}: {path}" for split in dict.fromkeys((case.split, *splits)))
    separator = ', sep: "\\t"' if path.suffix == ".tsv" else ""
    return (
        f"include: {definition}\ntask: {name}\ndataset_path: {'csv' if table else 'json'}\ndataset_name: null\n"
        f"dataset_kwargs: {{data_files: {{{files}}}{separator}}}\ntag: null\n"
        + ("fewshot_split: test\n" if case.split == "test" else "")
    )


def _read_item(sample: dict[str, Any]) -> Item:
    scores = {
        ours: float(sample[theirs])
        for ours, theirs in (("accuracy", "acc"), ("accuracy_norm", "acc_norm"), ("exact_match", "exact_match"))
        if theirs in sample
    }
    first = sample["arguments"][0]
    if isinstance(first[1], dict):
        return Item([(first[0], "")], [], sample["resps"][0][0], scores)
    texts = [(prompt, option) for prompt, option in sample["arguments"]]
    return Item([_move_blanks(*text) for text in texts], [response[0][0] for response in sample["resps"]], "", scores)


def _move_blanks(prompt: str, option: str) -> tuple[str, str]:
    """Return prompt and option as the harness encodes them: blanks at the prompt's end belong to the option."""
    given = prompt.rstrip()
    return given, prompt[len(given) :] + option


def _score_canned_in_harness(task: Any, docs: Iterable[Any]) -> list[Item]:
    """Return the scores of the canned answers by the harness's own stop texts, filters and metrics."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.utils import postprocess_generated_text

    until = task.config.generation_kwargs["until"]
    items = []
    for doc in docs:
        for text in CANNED_ANSWERS:
            answer = postprocess_generated_text(text, until, None)
            instance = Instance("generate_until", doc, ("", {}), 0, (task.config.task, 0, 1))
            instance.resps = [answer]
            task._instances = [instance]
            task.apply_filters()
            filtered = next(iter(instance.filtered_resps.values()))
            score = task.process_results(doc, [filtered])["exact_match"]
            items.append(Item([], [], answer, {"exact_match": float(score)}))
    return items


def write_model(source: Path, folder: Path, context_length: int) -> None:
    """Copy a model with another limit of its context, so that it also reads the long tasks."""
    folder.mkdir()
    for path in source.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    for name, key in (("config.json", "max_position_embeddings"), ("tokenizer_config.json", "model_max_length")):
        content = json.loads((folder / name).read_text("utf-8"))
        (folder / name).write_text(json.dumps(content | {key: context_length}), "utf-8")
