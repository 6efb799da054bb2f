"""The promise that what is served is what was evaluated: all items of task files, three ways.

    python benchmarks/served_evaluated.py --model FOLDER [--splits DIR] [--tasks primer_sentiment primer_addition]
        [--max-new-tokens 24] [--harness PYTHON] [--port 8700] [--json FILE]

FOLDER is a packaged model (artifacts/package/model), DIR the folder of the splits (artifacts/prepare), which tasks made
of records need. The script serves the model under uvicorn, and compares with the pipeline's own evaluation: POST
/choose and POST /generate, and lm-evaluation-harness over POST /v1/completions. PYTHON is that of an environment with
lm_eval[api]==0.4.13 and transformers; without it the harness is left out.

Figures: items, equal predictions (chosen options, or answers to the last character), and the largest difference of a
log-likelihood in nats.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from served_items import Item, ask_harness, ask_routes, evaluate_items
from served_process import run_server

from seodang.config import EvaluateParams
from seodang.evaluation.samples import TaskSamples
from seodang.evaluation.task_files import load_task_samples
from seodang.io.jsonl import read_records
from seodang.packaging.model_folder import read_manifest

REPOSITORY = Path(__file__).resolve().parents[1]
CLIENT = REPOSITORY / "tests" / "service" / "clients" / "harness_client.py"
TASKS = ["primer_sentiment", "primer_addition"]


def main() -> None:
    """Compare the ways and print a table."""
    options = _parse_options()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        evaluate = _build_params(options)
        own, questions = evaluate_items(options.model, _load_tasks(options, evaluate), evaluate, scratch)
        ways: dict[str, list[Item]] = {}
        with run_server(options.model, options.port) as url:
            ways["/choose, /generate"] = ask_routes(url, questions)
            if options.harness:
                ways["lm-eval"] = ask_harness(
                    url, questions, python=options.harness, client=CLIENT, model=options.model, scratch=scratch
                )
    rows = [
        _compare(task, name, own, items) for name, items in ways.items() for task in dict.fromkeys(i.task for i in own)
    ]
    print(_build_table(rows))
    if options.json:
        different = [
            {"way": name, "evaluated": asdict(mine), "served": asdict(other)}
            for name, items in ways.items()
            for mine, other in zip(own, items, strict=True)
            if mine.prediction != other.prediction
        ]
        content = {"rows": rows, "different": different}
        options.json.write_text(json.dumps(content, ensure_ascii=False, indent=1), "utf-8")


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--splits", type=Path)
    parser.add_argument("--tasks", nargs="+", default=TASKS)
    parser.add_argument("--max-new-tokens", type=int, default=24)
    parser.add_argument("--harness", type=Path)
    parser.add_argument("--port", type=int, default=8700)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def _build_params(options: argparse.Namespace) -> EvaluateParams:
    """Return settings with which every item is scored and answered."""
    every = 10**9
    return EvaluateParams(
        seed=1446,
        items_per_task=every,
        skipped_items={},
        frequency_penalty=read_manifest(options.model).frequency_penalty,
        shots=[0],
        base_formats=["plain"],
        calibrate_base=False,
        tokens_per_batch=4096,
        max_new_tokens=options.max_new_tokens,
        tasks=options.tasks,
        data_folder="tasks/data",
        generations_per_task=every,
        generations_per_free_text_task=every,
    )


def _load_tasks(options: argparse.Namespace, evaluate: EvaluateParams) -> list[TaskSamples]:
    splits: dict[str, list[Any]] = {"train": [], "test": [], "unseen": []}
    if options.splits:
        splits = {name: list(read_records(options.splits / f"{name}.jsonl")) for name in splits}
    tasks = load_task_samples(evaluate, REPOSITORY / "tasks", REPOSITORY, splits)
    return [replace(task, spec=task.spec.model_copy(update={"generations": None})) for task in tasks]


def _compare(task: str, way: str, own: Sequence[Item], served: Sequence[Item]) -> dict[str, Any]:
    pairs = [(mine, other) for mine, other in zip(own, served, strict=True) if mine.task == task]
    differences = [
        abs(a - b) for mine, other in pairs if other.nats for a, b in zip(mine.nats, other.nats, strict=True)
    ]
    return {
        "task": task,
        "way": way,
        "items": len(pairs),
        "equal": sum(mine.prediction == other.prediction for mine, other in pairs),
        "largest_difference": max(differences, default=None),
    }


def _build_table(rows: Sequence[dict[str, Any]]) -> str:
    lines = ["| task | way | items | equal predictions | largest difference, nats |", "|---|---|---|---|---|"]
    for row in rows:
        largest = row["largest_difference"]
        difference = "-" if largest is None else f"{largest:.1e}"
        lines.append(f"| `{row['task']}` | {row['way']} | {row['items']} | {row['equal']} | {difference} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
