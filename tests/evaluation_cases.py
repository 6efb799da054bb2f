"""Task specs and rows for the tests of seodang.evaluation.tasks."""

from collections.abc import Iterable, Mapping
from typing import Any

from seodang.config.load import parse_section
from seodang.evaluation.tasks.loading import load_record_task, load_task
from seodang.evaluation.tasks.spec import TaskSpec
from seodang.records import make_record

DATA = {"file": "asked.tsv", "few_shot_file": None, "id": None, "columns": {}, "where": None}


def raw_spec(**others: Any) -> dict[str, Any]:
    """What a task file holds: a choice between good and bad."""
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


def spec(**others: Any) -> TaskSpec:
    return parse_section(TaskSpec, {"name": "films", **raw_spec(**others)}, "films.yaml")


def free_spec(**others: Any) -> TaskSpec:
    """A task with free answers."""
    return spec(**{"kind": "generate", "options": {}, "metrics": ["exact_match"], **others})


def records_spec(**others: Any) -> TaskSpec:
    raw = raw_spec(
        options={}, prompts={"plain": "{{instruction}}\n{{input}}"}, answer="{{output}}", language=None, **others
    )
    return parse_section(TaskSpec, {"name": "films", **raw, "data": {"split": "test", "task": "films"}}, "films.yaml")


GOOD, BAD = {"text": "좋다", "label": "1"}, {"text": "나쁘다", "label": "0"}


def task_of(
    spec: TaskSpec, rows: Iterable[Mapping[str, Any]], shelf: Iterable[Mapping[str, Any]] = (), *, folder, seed: int = 1
):
    """The task of rows that a reader gives."""
    files = {spec.data.file: rows, spec.data.few_shot_file: shelf}
    for name in filter(None, files):
        (folder / name).touch()
    return load_task(spec, folder, lambda path, place: files[place], seed=seed)


def film(text: str, output: str, choices: tuple[str, ...] = ("부정", "긍정"), task: str = "films"):
    return make_record(
        instruction="감정은?", input=text, output=output, choices=choices, source="s", task=task, cluster="c"
    )


__all__ = ["BAD", "GOOD", "film", "free_spec", "load_record_task", "raw_spec", "records_spec", "spec", "task_of"]
