"""A study on a tiny model: training records, evaluated items and the report."""

import html
import json
import shutil
from dataclasses import replace

import pytest

from seodang.config.study import StudyParams
from seodang.errors import EvaluationError
from seodang.io.jsonl import read_json, write_records
from seodang.licences.permissions import build_permissions
from seodang.licences.verdict import Part
from seodang.paths import Paths
from seodang.stages import train as train_stage
from seodang.study.runner import run_study
from seodang.study.tuned_models import train_in_project


@pytest.fixture
def make_study(evaluate):
    """Builds a study, with changes."""

    def make(**changes) -> StudyParams:
        values = {
            "title_ko": "작은 연구",
            "title_en": "A small study",
            "held_in_tasks": ["sentiment"],
            "held_out_tasks": ["intent"],
            "held_out_clusters": ["style"],
            "confidence": 0.95,
            "resamples": 1000,
            "seed": 1,
            "evaluate": evaluate,
        }
        return StudyParams.model_validate({**values, **changes})

    return make


def test_every_method_is_evaluated_on_every_group_and_tuned_on_its_own_tasks(make_study, paths, project, monkeypatch):
    permissions = build_permissions([Part("base", "base", "Gemma")], "research")
    folder = run_study(make_study(), "small", project, paths, permissions)
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
    assert "declared (package.intended_use): research" in page
    assert "package.intended&#95;use)&#58; research" in english

    monkeypatch.setattr(train_stage, "run", lambda **_: pytest.fail("a finished training runs again"))
    run_study(make_study(), "small", project, paths)
    assert read_json(folder / "study.json")["cells"] == found["cells"]


@pytest.mark.parametrize("old_base", ["gone", "there"])
def test_a_study_in_another_place_trains_on_the_base_of_that_place(
    paths, project, make_records, tmp_path, monkeypatch, old_base
):
    bases = []
    monkeypatch.setattr(train_stage, "run", lambda paths, **_: bases.append(paths.base.resolve()))
    records = make_records(["sentiment"], 2, "train")
    old, new = (Paths(tmp_path / name) for name in ("old", "new"))
    for place in (old, new):
        shutil.copytree(paths.artifacts, place.artifacts)

    def train(place: Paths) -> None:
        folder = place.get_study_folder("small")
        train_in_project("one", records, records, folder, place, prompt=project.prompt, train=project.train)

    train(old)
    shutil.copytree(old.get_study_folder("small"), new.get_study_folder("small"), symlinks=True)
    (new.get_study_folder("small") / "trained.json").unlink()  # as if training had been stopped
    if old_base == "gone":
        shutil.rmtree(old.root)
    train(new)
    assert bases == [old.base, new.base]


@pytest.mark.slow
def test_a_group_without_baseline_says_why(make_study, make_records, paths, project):
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


def test_errors_are_in_the_language_of_the_user(make_study, paths, project, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    with pytest.raises(EvaluationError, match="묶음 'law'에 테스트 문항이 없습니다"):
        run_study(make_study(held_out_clusters=["law"]), "none", project, paths)


def test_one_message_lists_all_tasks_and_clusters_without_records(make_study, paths, project):
    with pytest.raises(
        EvaluationError,
        match=r"task 'emotion' has no test items; cluster 'law' has no test items; no training records .* 'single'",
    ):
        run_study(make_study(held_in_tasks=["emotion"], held_out_clusters=["law"]), "none", project, paths)
