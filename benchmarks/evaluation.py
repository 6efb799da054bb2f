"""Scoring options of a Korean choice task side by side: EleutherAI's lm-evaluation-harness and Seodang.

python benchmarks/evaluation.py --data DIR [--task sentineg|boolq] [--model DIR] [--precision fp32|bf16] [--shots 10]
    [--items 400] [--rounds 3] [--batch-sizes 1 8 32] [--threads 1] [--harness DIR] [--json FILE]

DIR of `--data` holds KoBEST's own files (BoolQ_train.tsv, BoolQ_dev.tsv, SentiNeg_...). The harness is lm_eval of
requirements-harness.lock (`make harness`), or stands in a folder of its own that `--harness` names. It runs its own task
definition, pointed at the same items, with the first training rows as exemplars; Seodang scores the same texts, cut into tokens
the same way. Each arm runs in a process of its own, in turn, round after round; the harness once with each batch size, and its
best median is what Seodang is held against. Counted is the time from texts to log-likelihoods, tokenising included, loading of
model and data not. Figures: items/s, items per second of CPU time, peak resident memory, the largest difference of a
log-likelihood, predictions that differ.

With other work on the machine take one thread, as two that wait for each other measure the scheduler, and trust the CPU time.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
OURS = "seodang"
BATCH_TOKENS = 4096  # evaluate.batch_tokens of params.yaml


@dataclass(frozen=True, slots=True)
class Task:
    """A task of KoBEST as the harness asks it (lm_eval/tasks/kobest)."""

    file: str  # first part of its files' names
    columns: dict[str, str]  # the harness's names, and the files'
    label: str
    text: str
    options: tuple[str, str]


TASKS = {
    "sentineg": Task("SentiNeg", {"sentence": "Text"}, "Label", "문장: {sentence} 긍부정:", ("부정", "긍정")),
    "boolq": Task(
        "BoolQ",
        {"paragraph": "Text", "question": "Question"},
        "Answer",
        "{paragraph} 질문: {question} 답변: ",
        ("아니오", "예"),
    ),
}
YAML = """\
include: {definition}
task: seodang_{task}
dataset_path: json
dataset_name: null
dataset_kwargs: {{data_files: {{train: {train}, validation: {items}, test: {items}}}}}
fewshot_split: train
fewshot_config: {{sampler: first_n}}
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""


def main() -> None:
    """Run every arm in turn and print medians with their range."""
    options = _options()
    if options.one:
        _measure(options)
        return
    arms = [OURS, *(f"harness-{size}" for size in options.batch_sizes)]
    rows: dict[str, list[dict[str, Any]]] = {arm: [] for arm in arms}
    with tempfile.TemporaryDirectory() as scratch:
        _write_task(options, Path(scratch))
        for number in range(options.rounds):
            start = number % len(arms)
            for arm in arms[start:] + arms[:start]:
                rows[arm].append(_in_its_own_process(arm, options, Path(scratch)))
                shown = {
                    name: rows[arm][-1][name]
                    for name in ("items_per_second", "items_per_cpu_second", "peak_mb", "accuracy")
                }
                print(f"round {number + 1} {arm}: {shown}", file=sys.stderr)
    print(_table(options, rows))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--task", choices=TASKS, default="sentineg")
    parser.add_argument("--model", type=Path, default=REPOSITORY / "models" / "primer-base")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    parser.add_argument("--shots", type=int, default=10)
    parser.add_argument("--items", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-sizes", nargs="*", default=["1", "8", "32"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--harness", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--scratch", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def _write_task(options: argparse.Namespace, scratch: Path) -> None:
    """Write the rows as the harness's task wants them."""
    task = TASKS[options.task]
    for split, name in (("train", "train"), ("dev", "items")):
        with (options.data / f"{task.file}_{split}.tsv").open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.DictReader(file, delimiter="\t") if row[task.label]]
        docs = [
            {ours: row[theirs] for ours, theirs in task.columns.items()}
            | {"label": int(row[task.label].lower() in {"1", "true"})}
            for row in rows
        ]
        kept = docs[: options.shots] if name == "train" else docs[: options.items]
        (scratch / f"{name}.jsonl").write_text(
            "".join(json.dumps(doc, ensure_ascii=False) + "\n" for doc in kept), "utf-8"
        )


def _in_its_own_process(arm: str, options: argparse.Namespace, scratch: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--one", arm, "--scratch", str(scratch)]
    for name in ("data", "task", "model", "precision", "shots"):
        command += [f"--{name}", str(getattr(options, name))]
    paths = [str(REPOSITORY / "src"), *([str(options.harness)] if options.harness and arm != OURS else [])]
    settings = {
        "PYTHONPATH": os.pathsep.join(paths),
        "OMP_NUM_THREADS": str(options.threads),
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(scratch),
        "TOKENIZERS_PARALLELISM": "false",
    }
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | settings)
    if done.returncode:
        sys.exit(f"{arm} failed:\n{done.stderr[-3000:]}")
    row: dict[str, Any] = json.loads((scratch / "result.json").read_text())
    return row


def _table(options: argparse.Namespace, rows: dict[str, list[dict[str, Any]]]) -> str:
    ours = rows[OURS][0]
    speeds = {
        name: {arm: [run[name] for run in runs] for arm, runs in rows.items()}
        for name in ("items_per_second", "items_per_cpu_second")
    }
    medians = {
        name: {arm: statistics.median(values) for arm, values in found.items()} for name, found in speeds.items()
    }
    lines = [
        f"\n{options.task}, {options.shots} shots, {len(ours['likelihoods'])} items, {options.model.name}, "
        f"{options.precision}, {options.threads} thread(s), {options.rounds} rounds",
        "| variant | items/s (range) | items/CPU s (range) | peak MB | accuracy | largest difference, nats "
        "| other predictions | seodang / it: items/s, items/CPU s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for arm, runs in rows.items():
        shown = [
            f"{medians[name][arm]:.2f} ({min(found[arm]):.2f} to {max(found[arm]):.2f})"
            for name, found in speeds.items()
        ]
        ratios = ", ".join(f"{found[OURS] / found[arm]:.2f}" for found in medians.values())
        difference, changed = _agreement(ours, runs[0])
        memory = statistics.median(run["peak_mb"] for run in runs)
        lines.append(
            f"| {arm} | {' | '.join(shown)} | {memory:.0f} | {runs[0]['accuracy']:.3f} | {difference:.1e} | {changed} | {ratios} |"
        )
    if len(rows) > 1:
        best = [found[OURS] / max(value for arm, value in found.items() if arm != OURS) for found in medians.values()]
        lines.append(
            f"Against the harness at its best batch size: {best[0]:.2f} times the items/s, {best[1]:.2f} times the items/CPU s."
        )
    return "\n".join(lines)


def _agreement(ours: dict[str, Any], theirs: dict[str, Any]) -> tuple[float, int]:
    """Return the largest difference of any option's log-likelihood, and how many items are answered otherwise."""
    if ours["texts"] != theirs["texts"]:
        odd = next(
            number for number, pair in enumerate(zip(ours["texts"], theirs["texts"], strict=True)) if pair[0] != pair[1]
        )
        sys.exit(f"item {odd} was not asked with the same text by both arms")
    pairs = list(zip(ours["likelihoods"], theirs["likelihoods"], strict=True))
    difference = max(abs(one - other) for mine, others in pairs for one, other in zip(mine, others, strict=True))
    return difference, sum(_best(mine) != _best(others) for mine, others in pairs)


def _best(likelihoods: Sequence[float]) -> int:
    return max(range(len(likelihoods)), key=likelihoods.__getitem__)


def _measure(options: argparse.Namespace) -> None:
    """Score all items one way, and write what came out and what it cost."""
    from seodang.models.device import get_peak_memory_mb

    docs = _docs(options.scratch / "items.jsonl")
    run = with_seodang if options.one == OURS else with_harness
    (seconds, cpu_seconds), texts, likelihoods = run(options, docs)
    right = [_best(scores) == doc["label"] for scores, doc in zip(likelihoods, docs, strict=True)]
    result = {
        "items_per_second": round(len(docs) / seconds, 4),
        "items_per_cpu_second": round(len(docs) / cpu_seconds, 4),
        "peak_mb": get_peak_memory_mb(),
        "accuracy": round(statistics.mean(right), 4),
        "texts": [hashlib.sha256(json.dumps(pair).encode()).hexdigest()[:16] for pair in texts],
        "likelihoods": likelihoods,
    }
    (options.scratch / "result.json").write_text(json.dumps(result))


def _docs(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def with_seodang(
    options: argparse.Namespace, docs: Sequence[dict[str, Any]]
) -> tuple[tuple[float, float], list[Any], list[list[float]]]:
    """Score by `score_choices`, as stage `evaluate` does; texts and tokens as the harness makes them."""
    from seodang.inference.loglikelihood import ChoiceRequest, score_choices
    from seodang.models.device import keep_freed_memory
    from seodang.models.loading import load_model, load_tokenizer

    keep_freed_memory()
    task, tokenizer = TASKS[options.task], load_tokenizer(options.model)
    model = load_model(options.model, options.precision, "cpu")
    exemplars = [
        f"{_asked(task, doc)}{task.options[doc['label']]}\n\n" for doc in _docs(options.scratch / "train.jsonl")
    ]
    started = _now()
    texts = [
        [(context, f" {option}") for option in task.options]
        for context in ("".join(exemplars) + task.text.format(**doc) for doc in docs)
    ]
    choices = []
    for number, pairs in enumerate(texts):
        context = pairs[0][0].rstrip(" ")  # blanks before an option belong to it
        prompt = tokenizer(context)["input_ids"]
        choices.append(
            ChoiceRequest(
                str(number),
                prompt,
                tuple((text, tokenizer(whole + text)["input_ids"][len(prompt) :]) for whole, text in pairs),
            )
        )
    likelihoods: list[list[float]] = [[] for _ in docs]
    for found in score_choices(model, choices, BATCH_TOKENS):
        for place, scores in found:
            likelihoods[place] = [score.nats for score in scores]
    return _since(started), texts, likelihoods


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(then: tuple[float, float]) -> tuple[float, float]:
    wall, cpu = _now()
    return wall - then[0], cpu - then[1]


def _asked(task: Task, doc: dict[str, Any]) -> str:
    return f"{task.text.format(**doc)} "


def with_harness(
    options: argparse.Namespace, docs: Sequence[dict[str, Any]]
) -> tuple[tuple[float, float], list[Any], list[list[float]]]:
    """Score by the harness's own evaluation of its own task; only its call of the model is timed."""
    import lm_eval
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    scratch: Path = options.scratch
    definition = Path(lm_eval.__file__).parent / "tasks" / "kobest" / f"kobest_{options.task}.yaml"
    folder = scratch / "tasks"
    folder.mkdir(exist_ok=True)
    text = YAML.format(
        definition=definition, task=options.task, train=scratch / "train.jsonl", items=scratch / "items.jsonl"
    )
    (folder / "task.yaml").write_text(text, "utf-8")
    size = options.one.removeprefix("harness-")
    model = HFLM(
        pretrained=str(options.model),
        dtype={"fp32": "float32", "bf16": "bfloat16"}[options.precision],
        device="cpu",
        batch_size=int(size) if size.isdecimal() else size,
    )
    scored, spent = model.loglikelihood, []

    def timed(*arguments: Any, **named: Any) -> Any:
        started = _now()
        found = scored(*arguments, **named)
        spent.append(_since(started))
        return found

    model.loglikelihood = timed
    manager = TaskManager(include_path=str(folder), include_defaults=False)
    found = lm_eval.simple_evaluate(
        model=model,
        tasks=[f"seodang_{options.task}"],
        num_fewshot=options.shots,
        task_manager=manager,
        bootstrap_iters=0,
        log_samples=True,
    )
    samples = sorted(found["samples"][f"seodang_{options.task}"], key=lambda sample: sample["doc_id"])
    texts = [[tuple(pair) for pair in sample["arguments"]] for sample in samples]
    return spent[0], texts, [[response[0][0] for response in sample["resps"]] for sample in samples]


if __name__ == "__main__":
    main()
