"""Stage `evaluate` on a tiny model. Run: pytest tests/stages/test_evaluate.py"""

from __future__ import annotations

import weakref
from pathlib import Path
from typing import Any

import pytest
from tiny_models import make_tiny_adapter, make_tiny_model
from training_cases import records, train_params

from seodang.jsonl import write_records
from seodang.params import EvaluateParams, PromptParams
from seodang.paths import Paths
from seodang.stages import evaluate as stage

EVALUATE = EvaluateParams(seed=1, items_per_task=2, shots=1, base_formats=["koalpaca"], batch_tokens=256, max_new_tokens=4, generated_per_task=1)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """A project with a base and splits, in which training is to have run."""
    paths = Paths(tmp_path)
    make_tiny_model(paths.base)
    for split, count in (("train", 6), ("test", 3), ("unseen", 2)):
        write_records(paths.split(split), records(count))
    return paths


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[list[Any]]:
    """Of each model that is loaded, those still in memory when its loading begins."""
    alive: list[list[Any]] = []
    models: list[weakref.ref[Any]] = []
    load_model = stage.load_model

    def load(folder: Path, precision: str, device: str) -> Any:
        alive.append([reference() for reference in models if reference() is not None])
        model = load_model(folder, precision, device)
        models.append(weakref.ref(model))
        return model

    monkeypatch.setattr(stage, "load_model", load)
    return alive


def arms(paths: Paths) -> list[str]:
    report = stage.run(prompt=PromptParams(format="koalpaca"), train=train_params(), evaluate=EVALUATE, paths=paths)
    return [row["name"] for row in report["arms"]]


def test_the_base_has_left_the_memory_when_a_wholly_trained_model_is_loaded(paths, loaded):
    make_tiny_model(paths.adapter)
    assert arms(paths) == ["zero_shot", "few_shot", "tuned"]
    assert loaded == [[], []]


def test_an_adapter_is_put_onto_the_base_that_is_loaded(paths, loaded):
    make_tiny_adapter(paths.base, paths.adapter)
    assert arms(paths) == ["zero_shot", "few_shot", "tuned"]
    assert loaded == [[]]
