"""Fixtures of the tests of room `evaluation`: specs, tasks and records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest

from seodang.config import EvaluateParams
from seodang.config.load import parse_section
from seodang.evaluation.tasks.loading import load_task
from seodang.evaluation.tasks.samples import Task
from seodang.evaluation.tasks.spec import FileData, TaskSpec
from seodang.records import Record, make_record

BuildSpec = Callable[..., TaskSpec]


class BuildTask(Protocol):
    """Returns the task of rows that a reader yields; `folder` holds its empty files."""

    def __call__(
        self,
        spec: TaskSpec,
        rows: Iterable[Mapping[str, Any]],
        few_shot_rows: Iterable[Mapping[str, Any]] = (),
        *,
        folder: Path,
        seed: int = 1,
    ) -> Task: ...


class MakeFilm(Protocol):
    """Returns a record of a review with its labels."""

    def __call__(
        self, text: str, output: str, choices: tuple[str, ...] = ("부정", "긍정"), task: str = "films"
    ) -> Record: ...


@pytest.fixture(scope="session")
def build_spec(build_raw_spec: Callable[..., dict[str, Any]]) -> BuildSpec:
    """Builds the spec of a choice between good and bad, with changes."""
    return lambda **changes: parse_section(TaskSpec, {"name": "films", **build_raw_spec(**changes)}, "films.yaml")


@pytest.fixture(scope="session")
def build_free_spec(build_spec: BuildSpec) -> BuildSpec:
    """Builds the spec of a task with free answers, with changes."""
    return lambda **changes: build_spec(**{"kind": "generate", "options": {}, "metrics": ["exact_match"], **changes})


@pytest.fixture(scope="session")
def build_record_spec(build_raw_spec: Callable[..., dict[str, Any]]) -> BuildSpec:
    """Builds the spec of a task whose items are records of split `test`, with changes."""

    def build_record_spec(**changes: Any) -> TaskSpec:
        raw = build_raw_spec(
            options={}, prompts={"plain": "{{instruction}}\n{{input}}"}, answer="{{output}}", language=None, **changes
        )
        data = {"split": "test", "task": "films"}
        return parse_section(TaskSpec, {"name": "films", **raw, "data": data}, "films.yaml")

    return build_record_spec


@pytest.fixture(scope="session")
def build_task() -> BuildTask:
    def build_task(
        spec: TaskSpec,
        rows: Iterable[Mapping[str, Any]],
        few_shot_rows: Iterable[Mapping[str, Any]] = (),
        *,
        folder: Path,
        seed: int = 1,
    ) -> Task:
        assert isinstance(spec.data, FileData)
        files = {spec.data.file: rows, spec.data.few_shot_file: few_shot_rows}
        for name in filter(None, files):
            (folder / name).touch()
        return load_task(spec, folder, lambda path, name: files[name], seed=seed)

    return build_task


@pytest.fixture(scope="session")
def make_sentiment_records() -> Callable[[int], list[Record]]:
    """Makes a number of records of one task without options, of different lengths."""

    def make_sentiment_records(count: int) -> list[Record]:
        return [
            make_record(
                instruction="이 문장의 감정은?",
                input="정말 재미있는 영화였습니다. " * (1 + number % 3) + str(number),
                output=("긍정", "부정")[number % 2],
                language="ko",
                source="test",
                task="sentiment",
                cluster="sentiment",
            )
            for number in range(count)
        ]

    return make_sentiment_records


@pytest.fixture(scope="session")
def make_film() -> MakeFilm:
    def make_film(text: str, output: str, choices: tuple[str, ...] = ("부정", "긍정"), task: str = "films") -> Record:
        return make_record(
            instruction="감정은?", input=text, output=output, choices=choices, source="s", task=task, cluster="c"
        )

    return make_film


@pytest.fixture(scope="session")
def make_evaluate_params() -> Callable[..., EvaluateParams]:
    """Makes section `evaluate` without task files, with changes."""
    values = {
        "seed": 1,
        "items_per_task": 10,
        "skipped_items": {},
        "frequency_penalty": 0.0,
        "shots": [0],
        "base_formats": ["plain", "koalpaca"],
        "calibrate_base": False,
        "tokens_per_batch": 256,
        "max_new_tokens": 4,
        "generations_per_task": 2,
        "generations_per_free_text_task": 2,
        "tasks": [],
        "data_folder": None,
    }
    return lambda **changes: EvaluateParams.model_validate({**values, **changes})
