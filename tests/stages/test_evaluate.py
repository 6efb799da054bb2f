"""Stage `evaluate` on a tiny model. Run: pytest tests/stages/test_evaluate.py"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import weakref
from pathlib import Path
from typing import Any

import pytest
from tiny_models import make_tiny_adapter, make_tiny_model
from training_cases import records, train_params

from seodang.config import EvaluateParams, PromptParams
from seodang.evaluation import runner
from seodang.io.jsonl import read_json, read_rows, write_records
from seodang.models import slot
from seodang.paths import Paths
from seodang.registry.champion import write_champion
from seodang.stages import evaluate as stage

EVALUATE = EvaluateParams(
    seed=1,
    items_per_task=2,
    shots=[0, 1],
    base_formats=["koalpaca"],
    tokens_per_batch=256,
    max_new_tokens=4,
    generations_per_task=1,
    tasks=[],
    data_folder=None,
)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A project with a base and splits, in which training is to have run."""
    paths = Paths(tmp_path)
    make_tiny_model(paths.base)
    write_champion(paths.champion, None)
    for split, count in (("train", 6), ("test", 3), ("unseen", 2)):
        write_records(paths.get_split_path(split), records(count))
    return paths


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """Of each model that is loaded, those still in memory when its loading begins."""
    alive: list[list[Any]] = []
    models: list[weakref.ref[Any]] = []
    load_model = slot.load_model

    def load(folder: Path, precision: str, device: str) -> Any:
        alive.append([reference() for reference in models if reference() is not None])
        model = load_model(folder, precision, device)
        models.append(weakref.ref(model))
        return model

    monkeypatch.setattr(slot, "load_model", load)
    return alive


def arms(paths: Paths) -> list[str]:
    report = stage.run(prompt=PromptParams(format="koalpaca"), train=train_params(), evaluate=EVALUATE, paths=paths)
    return [row["name"] for row in report["variants"]]


def test_the_base_has_left_the_memory_when_a_wholly_trained_model_is_loaded(paths, loaded):
    make_tiny_model(paths.adapter)
    assert arms(paths) == ["zero_shot", "few_shot", "tuned"]
    assert loaded == [[], []]


def test_an_adapter_is_put_onto_the_base_that_is_loaded(paths, loaded):
    make_tiny_adapter(paths.base, paths.adapter)
    assert arms(paths) == ["zero_shot", "few_shot", "tuned"]
    assert loaded == [[]]


KILLED = """
import sys, time
from pathlib import Path
from seodang import measuring
from seodang.config import EvaluateParams, PromptParams, TrainParams
from seodang.paths import Paths
from seodang.stages import evaluate
score = measuring.score_choices
measuring.score_choices = lambda *arguments, **known: (time.sleep(0.3), score(*arguments, **known))[1]
evaluate.run(prompt=PromptParams(format="koalpaca"), train=TrainParams.model_validate_json(sys.argv[2]), evaluate=EvaluateParams.model_validate_json(sys.argv[3]), paths=Paths(Path(sys.argv[1])))
"""


def journal_lines(paths: Paths) -> int:
    return sum(file.read_bytes().count(b"\n") for file in paths.evaluation.glob("*.jsonl"))


@pytest.mark.slow
def test_an_evaluation_that_was_killed_goes_on_and_asks_nothing_twice(paths, monkeypatch):
    make_tiny_adapter(paths.base, paths.adapter)
    command = [
        sys.executable,
        "-c",
        KILLED,
        str(paths.root),
        train_params().model_dump_json(),
        EVALUATE.model_dump_json(),
    ]
    child = subprocess.Popen(command)
    deadline = time.monotonic() + 120
    while journal_lines(paths) < 8 and time.monotonic() < deadline:
        time.sleep(0.02)
    child.kill()  # SIGKILL: nothing can be tidied up
    child.wait()
    rows = [
        json.loads(line)
        for file in paths.evaluating.glob("*.jsonl")
        for line in file.read_text("utf-8").splitlines(keepends=True)[1:]
        if line.endswith("\n")
    ]
    kept = len(rows)
    assert kept >= 7
    asked: list[int] = []
    score = runner.score_choices
    monkeypatch.setattr(
        runner,
        "score_choices",
        lambda model, choices, tokens, *, known: (
            asked.append(len(choices) - len(known)),
            score(model, choices, tokens, skip=known),
        )[1],
    )
    assert arms(paths) == ["zero_shot", "few_shot", "tuned"]
    resumed = paths.scores.read_bytes()
    monkeypatch.undo()
    assert read_json(paths.evaluate_report)["resumed"] == kept
    assert journal_lines(paths) == 0
    assert arms(paths) == ["zero_shot", "few_shot", "tuned"]
    assert paths.scores.read_bytes() == resumed
    # One option an item here: what the journal held was not asked again.
    assert sum(asked) == len(list(read_rows(paths.scores))) - sum(row["kind"] == "options" for row in rows)
