"""A learning curve on a tiny model: training, resuming, choosing a recipe, and the report."""

import re

import pytest

from seodang.cli.study import print_curve
from seodang.config.curve import CurveParams
from seodang.config.load import parse_section
from seodang.errors import EvaluationError, ParamsError, TrainingError
from seodang.io.jsonl import read_json, read_records, write_records
from seodang.licences.permissions import build_permissions
from seodang.licences.verdict import Part
from seodang.stages import train as train_stage
from seodang.study.curve import runner
from seodang.study.curve.runner import run_curve


class Interrupted(Exception):
    """The user stops the study."""


def stop_after(count, monkeypatch):
    """Let training run a number of times; the next call stops the study."""
    run, names = train_stage.run, []

    def train(**arguments):
        if len(names) == count:
            raise Interrupted
        names.append(arguments["paths"].root.name)
        return run(**arguments)

    monkeypatch.setattr(train_stage, "run", train)
    return names


def test_every_point_has_a_score_a_cost_and_a_place_on_the_page(make_curve, paths, project, capsys):
    permissions = build_permissions([Part("base", "base", "Gemma"), Part("source", "faq", "CC-BY-NC-4.0")], None)
    folder = run_curve(make_curve(), "small", project, paths, permissions)
    report = read_json(folder / "curve.json")
    assert [(point["group"], point["method"], point["records"]) for point in report["points"]] == [
        (group, method, records)
        for group in ("held_in", "held_out")
        for method in ("single", "mix", "letters")
        for records in (2, 4)
    ]
    assert all(point["items"] == 6 and len(point["seed_scores"]) == (1 if point["method"] == "letters" else 2)
               for point in report["points"])  # fmt: skip
    assert [(line["group"], line["method"]) for line in report["lines"]] == [
        (group, method) for group in ("held_in", "held_out") for method in ("base", "majority")
    ]
    assert len(report["models"]) == report["planned_models"] == 8
    assert [model["trained_records"] for model in report["models"][:4]] == [2, 2, 4, 4]
    assert all(model["tokens"] > model["label_tokens"] > 0 for model in report["models"])
    page = (folder / "index.html").read_text("utf-8")
    assert "작은 곡선" in page
    assert not re.search(r"(?:src|href)=|http(?!://www.w3.org/2000/svg)", page)
    assert page.count('role="img"') == 2
    assert "Learning curve: score by number of training records, sentiment" in page
    assert "| 한 과제 | 2 |" in (folder / "curve.ko.md").read_text("utf-8")
    assert "commercial use forbidden, non-commercial use allowed" in page
    assert "상업적 이용 금지" in (folder / "curve.ko.md").read_text("utf-8")
    print_curve(report)
    assert max(map(len, capsys.readouterr().out.splitlines()[:8])) <= 100


@pytest.mark.slow
def test_a_stopped_study_goes_on_where_it_was(make_curve, paths, project, monkeypatch):
    reference = read_json(run_curve(make_curve(), "reference", project, paths) / "curve.json")
    with monkeypatch.context() as patch:
        first = stop_after(3, patch)
        with pytest.raises(Interrupted):
            run_curve(make_curve(), "stopped", project, paths)
    report = paths.get_study_folder("stopped") / "report"
    assert len(read_json(report / "curve.json")["models"]) == 3
    assert "5 models are not trained yet" in (report / "curve.md").read_text("utf-8")
    with monkeypatch.context() as patch:
        second = stop_after(8, patch)
        run_curve(make_curve(), "stopped", project, paths)
        assert len(first) == 3
        assert len(second) == 5
        assert not set(first) & set(second)
        rows = (paths.get_study_folder("stopped") / "results.jsonl").read_text("utf-8")
        run_curve(make_curve(), "stopped", project, paths)
        assert len(second) == 5
        assert (paths.get_study_folder("stopped") / "results.jsonl").read_text("utf-8") == rows
    finished = read_json(report / "curve.json")
    # The models after one another in a process have the weights that they have alone.
    assert [model["adapter_sha256"] for model in finished["models"]] == [
        model["adapter_sha256"] for model in reference["models"]
    ]
    assert finished["points"] == reference["points"]


@pytest.mark.slow
def test_a_further_size_trains_and_scores_only_its_own_models(make_curve, paths, project, monkeypatch):
    run_curve(make_curve(variants=["single"], seeds=[1]), "more", project, paths)
    trained = stop_after(8, monkeypatch)
    log = paths.get_study_folder("more") / "results.jsonl"
    before = log.read_text("utf-8")
    folder = run_curve(make_curve(variants=["single"], seeds=[1], records=[2, 4, 6]), "more", project, paths)
    assert trained == ["single-6-seed1-recipe1"]
    assert log.read_text("utf-8").startswith(before)
    assert len(read_json(folder / "curve.json")["trends"]) == 4  # of single and of the letters, in both groups


@pytest.mark.slow
def test_a_model_that_stopped_during_training_is_not_taken_for_trained(make_curve, paths, project, monkeypatch):
    curve = make_curve(variants=["single"], seeds=[1], records=[4])
    run_curve(curve, "changed", project, paths)
    records = list(read_records(paths.get_split_path("validation")))
    write_records(paths.get_split_path("validation"), records[:1])
    with monkeypatch.context() as patch:
        stop_after(0, patch)
        with pytest.raises(Interrupted):
            run_curve(curve, "changed", project, paths)
    write_records(paths.get_split_path("validation"), records)
    trained = stop_after(1, monkeypatch)
    run_curve(curve, "changed", project, paths)
    assert len(trained) == 1


@pytest.mark.slow
def test_validation_loss_chooses_a_recipe_for_all_seeds_of_a_point(make_curve, paths, project, monkeypatch):
    run, losses = train_stage.run, {0.001: 0.5, 0.002: 0.25}

    def train(*, prompt, train, paths):
        report = run(prompt=prompt, train=train, paths=paths)
        (paths.train_report).write_text(
            (paths.train_report)
            .read_text("utf-8")
            .replace(
                f'"validation_loss": {report["validation_loss"]}', f'"validation_loss": {losses[train.learning_rate]}'
            )
        )

    monkeypatch.setattr(train_stage, "run", train)
    curve = make_curve(variants=["mix"], records=[4], recipes=[{"learning_rate": rate} for rate in losses])
    first, second = read_json(run_curve(curve, "recipes", project, paths) / "curve.json")["models"]
    assert (first["recipe"], second["recipe"]) == (1, 1)
    assert first["recipe_validation_losses"] == [0.5, 0.25]
    assert second["recipe_validation_losses"] == []  # the other seed trains the chosen recipe only
    folders = {path.name for path in (paths.get_study_folder("recipes") / "models").iterdir()}
    assert folders == {"mix-4-seed1-recipe1", "mix-4-seed1-recipe2", "mix-4-seed2-recipe2"}
    validation = {
        record.task for record in read_records(paths.get_study_folder("recipes") / "models/mix-4-seed1-recipe1" /
                                               "artifacts/prepare/validation.jsonl")
    }  # fmt: skip
    assert validation == {"sentiment"}


def test_a_training_without_a_usable_result_does_not_stop_the_other_points(make_curve, paths, project, monkeypatch):
    run = train_stage.run

    def train(*, prompt, train, paths):
        if "single-2-" in paths.root.name:
            raise TrainingError("the loss is not finite")
        return run(prompt=prompt, train=train, paths=paths)

    monkeypatch.setattr(train_stage, "run", train)
    folder = run_curve(make_curve(seeds=[1]), "failed", project, paths)
    report = read_json(folder / "curve.json")
    tuned = [(point["method"], point["records"]) for point in report["points"] if point["group"] == "held_in"]
    assert tuned[:3] == [("single", 4), ("mix", 2), ("mix", 4)]
    assert {"en": "single-2-seed1: no result. the loss is not finite"}.items() <= report["shortages"][0].items()
    assert "the loss is not finite" in (folder / "index.html").read_text("utf-8")


def test_a_point_with_fewer_records_than_named_says_so(make_curve, paths, project):
    folder = run_curve(make_curve(records=[4, 16, 64], seeds=[1]), "short", project, paths)
    report = read_json(folder / "curve.json")
    assert [(point["asked"], point["records"]) for point in report["points"][:2]] == [(4, 4), (16, 8)]
    assert [note["en"] for note in report["shortages"]] == [
        "records 16: training has only 8 of sentiment, so the point has these",
        "records 64: left out, as training has only 8",
    ]


def test_one_message_lists_everything_that_is_missing(make_curve, paths, project):
    write_records(paths.get_split_path("validation"), [])
    with pytest.raises(EvaluationError, match="task 'law' has no test items; no records in validation: sentiment"):
        run_curve(make_curve(held_out_tasks=["law"]), "none", project, paths)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"records": [4, 2]}, "records must ascend"),
        ({"seeds": [1, 1]}, "seeds has a value twice"),
        ({"held_out_tasks": ["sentiment"]}, "sentiment is in held_in_tasks and in held_out_tasks"),
        ({"recipes": [{"rate": 1}]}, "recipes: rate are no parameters of train"),
        ({"recipes": [{"seed": 1}]}, "seed belongs into seeds"),
        ({"mix_ratio": 0.0}, "mix_ratio"),
    ],
)
def test_a_study_file_that_cannot_be_used_is_refused_with_its_reason(make_curve, changes, message):
    content = {**make_curve().model_dump(), **changes}
    with pytest.raises(ParamsError, match=message):
        parse_section(CurveParams, content, "curve.yaml")


def test_a_recipe_that_makes_training_invalid_is_refused_before_anything_runs(make_curve, paths, project, monkeypatch):
    monkeypatch.setattr(runner, "evaluate_variants", lambda *_: pytest.fail("the base is evaluated"))
    with pytest.raises(ParamsError, match="recipe 2"):
        run_curve(make_curve(recipes=[{}, {"epochs": -1.0}]), "invalid", project, paths)
