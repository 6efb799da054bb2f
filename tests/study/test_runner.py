"""A study on a tiny model: training records, evaluated items and the report."""

import html
import json
from dataclasses import dataclass, replace

import pytest

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
    """The sections of params.yaml that a study reads."""

    train: TrainParams
    prompt: PromptParams
    model: ModelParams


def make_records(tasks, count, split):
    return [
        make_record(
            instruction=f"{task}?",
            input=f"{split} {number}",
            output=("긍정", "부정")[number % 2],
            language="ko",
            source="test",
            task=task,
            cluster=TASKS[task],
            choices=("긍정", "부정"),
        )
        for task in tasks
        for number in range(count)
    ]


def make_study(**changes):
    evaluate = {
        "seed": 1,
        "items_per_task": 6,
        "shots": [0, 1, 2],
        "base_formats": ["plain"],
        "tokens_per_batch": 256,
        "max_new_tokens": 4,
        "calibrate_base": False,
        "generations_per_task": 1,
        "generations_per_free_text_task": 1,
    }
    values = {
        "title_ko": "작은 연구",
        "title_en": "A small study",
        "held_in_tasks": ["sentiment"],
        "held_out_tasks": ["intent"],
        "held_out_clusters": ["style"],
        "confidence": 0.95,
        "resamples": 1000,
        "seed": 1,
        "evaluate": {**evaluate, "tasks": [], "data_folder": None},
    }
    return StudyParams.model_validate({**values, **changes})


@pytest.fixture
def paths(tmp_path, make_tiny_model):
    paths = Paths(tmp_path)
    make_tiny_model(paths.base)
    write_json(paths.base_report, {"name": "tiny-base"})
    write_records(paths.get_split_path("train"), make_records(("sentiment", "intent", "topic"), 8, "train"))
    write_records(paths.get_split_path("validation"), make_records(("sentiment", "topic"), 2, "validation"))
    write_records(paths.get_split_path("test"), make_records(("sentiment", "intent", "topic"), 8, "test"))
    write_records(paths.get_split_path("unseen"), make_records(("formality",), 8, "unseen"))
    return paths


@pytest.fixture
def project(build_train_params):
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


def test_every_method_is_evaluated_on_every_group_and_tuned_on_its_own_tasks(paths, project, monkeypatch):
    folder = run_study(make_study(), "small", project, paths)
    found = read_json(folder / "study.json")
    assert [(cell["group"], cell["method"]) for cell in found["cells"]] == [
        (group, method)
        for group in ("seen", "unseen", "held_out")
        for method in ("zero_shot", "few_shot", "majority", "letters", "single", "many")
    ]
    assert all(cell["items"] == 6 and 0 <= cell["low"] <= cell["score"] <= cell["high"] <= 1 for cell in found["cells"])
    best = [cell for cell in found["cells"] if cell["difference"] is None]
    assert [cell["group"] for cell in best] == ["seen", "unseen", "held_out"]  # the base's best prompt, one a group
    few = next(cell for cell in found["cells"] if cell["method"] == "few_shot")
    zero = next(cell for cell in found["cells"] if cell["method"] == "zero_shot")
    assert few["prompt_tokens"] > zero["prompt_tokens"]
    assert {name: summary["records"]["train"] for name, summary in found["training"].items()} == {
        "single": 8,
        "many": 16,
    }
    log = paths.get_study_folder("small") / "results.jsonl"
    rows = [json.loads(line) for line in log.read_text("utf-8").splitlines()[1:]]
    single, many = (
        [row["result"] for row in rows if (row["kind"], row["variant"]) == ("options", variant)]
        for variant in ("single", "many")
    )
    assert len(single) == len(many) == 18
    assert single != many  # two models with the same requests
    korean, english = ((folder / name).read_text("utf-8") for name in ("study.ko.md", "study.md"))
    assert "| 학습에서 뺀 묶음 | 여러 과제 지시문 튜닝 |" in korean
    assert "| held-out cluster | instruction tuning |" in english
    page = (folder / "index.html").read_text("utf-8")
    assert "작은 연구" in page
    assert "A small study" in page

    monkeypatch.setattr(train_stage, "run", lambda **_: pytest.fail("a finished training runs again"))
    run_study(make_study(), "small", project, paths)
    assert read_json(folder / "study.json")["cells"] == found["cells"]


@pytest.mark.slow
def test_a_group_without_baseline_says_why(paths, project):
    write_records(
        paths.get_split_path("unseen"),
        [
            replace(record, choices=("격식", "반말"), output="격식")
            for record in make_records(["formality"], 8, "unseen")
        ],
    )
    folder = run_study(make_study(), "gaps", project, paths)
    found = read_json(folder / "study.json")
    assert "letters" not in [cell["method"] for cell in found["cells"] if cell["group"] == "held_out"]
    reason = "labels no training record of their language has: formality [ko]: 격식, 반말"
    for name in ("study.md", "index.html"):
        assert reason in html.unescape((folder / name).read_text("utf-8"))
    assert "formality [ko]: 격식, 반말" in html.unescape((folder / "study.ko.md").read_text("utf-8"))


def test_errors_are_in_the_language_of_the_user(paths, project, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    with pytest.raises(EvaluationError, match="묶음 'law'에 테스트 문항이 없습니다"):
        run_study(make_study(held_out_clusters=["law"]), "none", project, paths)


def test_one_message_lists_all_tasks_and_clusters_without_records(paths, project):
    with pytest.raises(
        EvaluationError,
        match=r"task 'emotion' has no test items; cluster 'law' has no test items; no training records .* 'single'",
    ):
        run_study(make_study(held_in_tasks=["emotion"], held_out_clusters=["law"]), "none", project, paths)
