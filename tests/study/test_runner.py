"""A study on a tiny model: what is tuned on, what is asked, and what the report says."""

import json
from dataclasses import dataclass

import pytest
from tiny_models import make_tiny_model
from training_cases import train_params

from seodang.config import ModelParams, PromptParams, TrainParams
from seodang.config.study import StudyParams
from seodang.errors import EvaluationError
from seodang.io.jsonl import read_json, write_json, write_records
from seodang.paths import Paths
from seodang.records import make_record
from seodang.stages import train as train_stage
from seodang.study.runner import run_study

TASKS = {"sentiment": "sentiment", "intent": "topic", "topic": "topic", "formality": "style"}


@dataclass
class Project:
    """What a study reads of params.yaml."""

    train: TrainParams
    prompt: PromptParams
    model: ModelParams


def records(tasks, count, split):
    return [
        make_record(
            instruction=f"{task}?", input=f"{split} {number}", output=("긍정", "부정")[number % 2],
            language="ko", source="test", task=task, cluster=TASKS[task], choices=("긍정", "부정"),
        )
        for task in tasks for number in range(count)
    ]  # fmt: skip


def study(**changes):
    evaluate = {
        "seed": 1,
        "items_per_task": 6,
        "shots": [0, 1, 2],
        "base_formats": ["plain"],
        "tokens_per_batch": 256,
        "max_new_tokens": 4,
        "generations_per_task": 1,
    }
    values = {
        "title_ko": "작은 연구", "title_en": "A small study", "held_in_tasks": ["sentiment"], "held_out_tasks": ["intent"], "held_out_clusters": ["style"],
        "confidence": 0.95, "resamples": 1000, "seed": 1, "evaluate": {**evaluate, "tasks": [], "data_folder": None},
    }  # fmt: skip
    return StudyParams.model_validate({**values, **changes})


@pytest.fixture
def paths(tmp_path):
    paths = Paths(tmp_path)
    make_tiny_model(paths.base)
    write_json(paths.base_report, {"name": "tiny-base"})
    write_records(paths.get_split_path("train"), records(("sentiment", "intent", "topic"), 8, "train"))
    write_records(paths.get_split_path("validation"), records(("sentiment", "topic"), 2, "validation"))
    write_records(paths.get_split_path("test"), records(("sentiment", "intent", "topic"), 8, "test"))
    write_records(paths.get_split_path("unseen"), records(("formality",), 8, "unseen"))
    return paths


@pytest.fixture
def project():
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
    return Project(train_params(epochs=1.0), PromptParams(format="koalpaca"), model)


def test_every_way_is_asked_in_every_group_and_tuned_on_no_more_than_it_may(paths, project, monkeypatch):
    folder = run_study(study(), "small", project, paths)
    found = read_json(folder / "study.json")
    assert [(cell["group"], cell["way"]) for cell in found["cells"]] == [
        (group, way) for group in ("seen", "unseen", "held_out") for way in ("zero_shot", "few_shot", "single", "many")
    ]
    assert all(cell["items"] == 6 and 0 <= cell["low"] <= cell["score"] <= cell["high"] <= 1 for cell in found["cells"])
    best = [cell for cell in found["cells"] if cell["difference"] is None]
    assert [cell["group"] for cell in best] == ["seen", "unseen", "held_out"]  # the base's best prompt, one a group
    few = next(cell for cell in found["cells"] if cell["way"] == "few_shot")
    zero = next(cell for cell in found["cells"] if cell["way"] == "zero_shot")
    assert few["prompt_tokens"] > zero["prompt_tokens"]
    assert {arm: told["records"]["train"] for arm, told in found["training"].items()} == {"single": 8, "many": 16}
    asked = [json.loads(line) for line in (paths.study("small") / "asked.jsonl").read_text("utf-8").splitlines()[1:]]
    single, many = (
        [row["result"] for row in asked if (row["kind"], row["variant"]) == ("options", arm)]
        for arm in ("single", "many")
    )
    assert len(single) == len(many) == 18
    assert single != many  # two models, asked the very same
    korean, english = ((folder / name).read_text("utf-8") for name in ("study.ko.md", "study.md"))
    assert "| 통째로 뺀 묶음 | 여러 과제 지시문 튜닝 |" in korean
    assert "| held-out cluster | instruction tuning |" in english
    page = (folder / "index.html").read_text("utf-8")
    assert "작은 연구" in page
    assert "A small study" in page

    monkeypatch.setattr(train_stage, "run", lambda **_: pytest.fail("what is trained is not trained again"))
    run_study(study(), "small", project, paths)
    assert read_json(folder / "study.json")["cells"] == found["cells"]


def test_a_study_of_tasks_that_nobody_has_is_refused_with_all_that_is_missing(paths, project):
    with pytest.raises(
        EvaluationError,
        match=r"task 'emotion' has no test items; cluster 'law' has no test items; nothing is left to tune the arm 'single' on",
    ):
        run_study(study(seen=["emotion"], held_out_clusters=["law"]), "none", project, paths)
