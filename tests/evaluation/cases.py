"""Task specs and rows for the tests of evaluation tasks."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from seodang.config.load import parse_section
from seodang.evaluation.tasks.loading import load_task
from seodang.evaluation.tasks.spec import TaskSpec
from seodang.records import Record, make_record

DATA = {"file": "items.tsv", "few_shot_file": None, "id": None, "columns": {}, "where": None}


def build_raw_spec(**others: Any) -> dict[str, Any]:
    """Return the content of a task file: a choice between good and bad."""
    data = {**DATA, **others.pop("data", {})}
    raw = {
        "kind": "choice",
        "language": "ko",
        "cluster": "sentiment",
        "data": data,
        "prompts": {"bare": "문장: {{text}}\n감정:"},
        "answer": "{{label}}",
        "options": {"0": "부정", "1": "긍정"},
        "delimiter": " ",
        "separator": "\n\n",
        "normalise": "none",
        "max_new_tokens": None,
        "until": [],
        "metrics": ["accuracy"],
        "extra": [],
        "limit": None,
        "stratified": False,
    }
    return {**raw, **others}


def build_spec(**others: Any) -> TaskSpec:
    return parse_section(TaskSpec, {"name": "films", **build_raw_spec(**others)}, "films.yaml")


def build_free_spec(**others: Any) -> TaskSpec:
    """Return a task with free answers."""
    return build_spec(**{"kind": "generate", "options": {}, "metrics": ["exact_match"], **others})


def build_record_spec(**others: Any) -> TaskSpec:
    raw = build_raw_spec(
        options={}, prompts={"plain": "{{instruction}}\n{{input}}"}, answer="{{output}}", language=None, **others
    )
    return parse_section(TaskSpec, {"name": "films", **raw, "data": {"split": "test", "task": "films"}}, "films.yaml")


GOOD, BAD = {"text": "좋다", "label": "1"}, {"text": "나쁘다", "label": "0"}


def build_task(
    spec: TaskSpec,
    rows: Iterable[Mapping[str, Any]],
    few_shot_rows: Iterable[Mapping[str, Any]] = (),
    *,
    folder: Path,
    seed: int = 1,
):
    """Return the task of rows that a reader yields."""
    files = {spec.data.file: rows, spec.data.few_shot_file: few_shot_rows}
    for name in filter(None, files):
        (folder / name).touch()
    return load_task(spec, folder, lambda path, name: files[name], seed=seed)


def make_records(count: int) -> list[Record]:
    """Return records of one task without options, of different lengths."""
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


def make_film(text: str, output: str, choices: tuple[str, ...] = ("부정", "긍정"), task: str = "films"):
    return make_record(
        instruction="감정은?", input=text, output=output, choices=choices, source="s", task=task, cluster="c"
    )
