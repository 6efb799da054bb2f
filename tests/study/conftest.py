"""A tiny project that a study runs in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from seodang.config import ModelParams, PromptParams, TrainParams
from seodang.io.jsonl import write_json, write_records
from seodang.paths import Paths
from seodang.records import Record, make_record

CLUSTERS = {"sentiment": "sentiment", "intent": "topic", "topic": "topic", "formality": "style"}
MakeRecords = Callable[[Sequence[str], int, str], list[Record]]


@dataclass
class Project:
    """The sections of params.yaml that a study reads."""

    train: TrainParams
    prompt: PromptParams
    model: ModelParams


def create_records(tasks: Sequence[str], count: int, split: str) -> list[Record]:
    return [
        make_record(
            instruction=f"{task}?",
            input=f"{split} {number}",
            output=("긍정", "부정")[number % 2],
            language="ko",
            source="test",
            task=task,
            cluster=CLUSTERS[task],
            choices=("긍정", "부정"),
        )
        for task in tasks
        for number in range(count)
    ]


@pytest.fixture
def make_records() -> MakeRecords:
    """Makes a number of records of each task; the split is part of their text."""
    return create_records


@pytest.fixture
def evaluate() -> dict[str, Any]:
    """Section `evaluate` of a small study."""
    return {
        "seed": 1,
        "items_per_task": 6,
        "skipped_items": {},
        "frequency_penalty": 0.0,
        "shots": [0, 1, 2],
        "base_formats": ["plain"],
        "tokens_per_batch": 256,
        "max_new_tokens": 4,
        "calibrate_base": False,
        "generations_per_task": 1,
        "generations_per_free_text_task": 1,
        "tasks": [],
        "data_folder": None,
    }


@pytest.fixture
def paths(tmp_path, make_tiny_model) -> Paths:
    """A project with a base and splits."""
    paths = Paths(tmp_path)
    make_tiny_model(paths.base)
    write_json(paths.base_report, {"name": "tiny-base"})
    write_records(paths.get_split_path("train"), create_records(("sentiment", "intent", "topic"), 8, "train"))
    write_records(paths.get_split_path("validation"), create_records(("sentiment", "topic"), 2, "validation"))
    write_records(paths.get_split_path("test"), create_records(("sentiment", "intent", "topic"), 8, "test"))
    write_records(paths.get_split_path("unseen"), create_records(("formality",), 8, "unseen"))
    return paths


@pytest.fixture
def project(build_train_params) -> Project:
    """The parameters of the project."""
    model = ModelParams.model_validate(
        {
            "name": "tiny",
            "source": "path",
            "path": "base",
            "sha256": None,
            "hub": None,
            "revision": None,
            "trust_remote_code": None,
            "gguf": None,
            "licence": "MIT",
            "scratch": None,
        }
    )
    return Project(build_train_params(epochs=1.0), PromptParams(format="koalpaca"), model)
