"""Stage report: the pages of a run from small artifacts."""

import re
from dataclasses import asdict

import pytest
from tests.constants import ITEM_SCORE
from tests.fixtures.align_report import REPORT as ALIGN_REPORT
from tests.fixtures.gate import build_align

import seodang.stages.report as stage
from seodang.config import GateParams, PrepareParams, PromptParams, TrainParams
from seodang.config.profiles import read_starter
from seodang.errors import ArtifactError
from seodang.evaluation.aggregate import (
    ItemScore,
    aggregate_by_task,
    aggregate_by_variant,
    list_variants,
    select_best_variant,
)
from seodang.evaluation.task_metrics import compute_task_metrics
from seodang.io.jsonl import write_json, write_records, write_rows
from seodang.records import make_record
from seodang.training.curves import get_curves_folder

PARAMS = read_starter()
LABELS = ("긍정", "부정")
ITEMS = [
    make_record(
        instruction="감정은?",
        input=f"영화 {number}",
        output=LABELS[number % 2],
        language="ko",
        source="test",
        task="sentiment",
        cluster="mood",
    )
    for number in range(6)
]
TRAIN_REPORT = {
    "steps": 4,
    "max_steps": 4,
    "elapsed_seconds": 12.5,
    "train_loss": 0.9,
    "validation_loss": 0.8,
    "resume_steps": [],
    "records": {"train": 6, "validation": 2},
    "too_long": {"train": 0, "validation": 0},
    "without_answer": {"train": 0, "validation": 0},
    "tokens": 1000,
    "label_tokens": 100,
    "packed": True,
    "computed_ratio": 0.75,
    "trainable_parameters": 100,
    "parameters": 1000,
    "device": "cpu",
    "peak_memory_mb": 900,
    "versions": {"torch": "2.13.0"},
    "health": {"max_logit_change": 7.25, "eos_ratio": 0.98, "eos_ratio_before": 0.03},
    "samples": [
        {"instruction": "감정은?", "input": "영화가 좋았다", "expected": "긍정", "before": "감정은", "after": "긍정"}
    ],
    "input_sha256": {"train": "a" * 64, "validation": "b" * 64},
    "adapter_sha256": "c" * 64,
    "prompt_fingerprint": "d" * 64,
}
VERDICT = {
    "verdict": "inconclusive",
    "reasons": [{"passed": None, "en": "there are too few items", "ko": "문항이 너무 적습니다"}],
    "results": [],
    "confidence": 0.95,
    "items_fingerprint": "e" * 64,
}
PAGES = ("data_card", "training", "evaluation")


def make_score(variant: str, number: int, right: bool) -> ItemScore:
    item = ITEMS[number]
    fields = {
        "variant": variant,
        "item": item.id,
        "task": item.task,
        "language": item.language,
        "reference": item.output,
        "accuracy": float(right),
        "prediction": item.output if right else LABELS[1 - number % 2],
        "loss": 0.5 if right else 1.5,
    }
    return ItemScore(**{**ITEM_SCORE, **fields})


def write_training(paths):
    write_json(paths.train_report, TRAIN_REPORT)
    folder = get_curves_folder(paths.dvclive)
    folder.mkdir(parents=True)
    for name in ("train_loss", "validation_loss"):
        lines = [f"{step}\t{1 / step}" for step in range(1, 5)]
        (folder / f"{name}.tsv").write_text("\n".join([f"step\t{name}", *lines]) + "\n")


def write_evaluation(paths):
    variants = {"zero_shot": 2, "few_shot/1": 3, "tuned": 5}
    scores = [
        make_score(variant, number, number < correct)
        for variant, correct in variants.items()
        for number in range(len(ITEMS))
    ]
    report = {
        "variants": aggregate_by_variant(scores),
        "best": {kind: select_best_variant(scores, kind) for kind in ("zero_shot", "few_shot")},
        "tasks": aggregate_by_task(scores),
        "task_metrics": compute_task_metrics(scores),
        "formats": {
            name: {"format": "koalpaca", "shots": int(name == "few_shot/1"), "fingerprint": "f" * 64}
            for name in list_variants(scores)
        },
        "settings": {"seed": 1446},
    }
    write_json(paths.evaluate_report, report)
    write_rows(paths.scores, [asdict(score) for score in scores])
    write_records(paths.items, ITEMS)
    write_json(paths.verdict, VERDICT)


@pytest.fixture(scope="module")
def write_run(write_card_artifacts):
    def write_run(root):
        paths = write_card_artifacts(root)
        write_training(paths)
        write_json(paths.align_report, {"method": "none"})
        write_evaluation(paths)
        return paths

    return write_run


def run_stage(paths):
    return stage.run(
        prompt=PromptParams.model_validate(PARAMS["prompt"]),
        prepare=PrepareParams.model_validate(PARAMS["prepare"]),
        train=TrainParams.model_validate(PARAMS["train"]),
        align=build_align(),
        gate=GateParams.model_validate({**PARAMS["gate"], "resamples": 1000}),
        paths=paths,
    )


def read_files(paths):
    folder = paths.get_stage_folder("report")
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def read_page(paths, name):
    return (paths.get_stage_folder("report") / name / "index.html").read_text("utf-8")


@pytest.fixture(scope="module")
def rendered_run(tmp_path_factory, write_run):
    """Return the paths of a run whose pages are rendered, and the report of the stage."""
    paths = write_run(tmp_path_factory.mktemp("run"))
    return paths, run_stage(paths)


def test_the_report_lists_the_three_pages_and_they_exist(rendered_run):
    paths, report = rendered_run
    assert report == {"pages": [f"artifacts/report/{name}/index.html" for name in PAGES]}
    assert all((paths.root / page).is_file() for page in report["pages"])


def test_the_same_artifacts_give_the_same_bytes(rendered_run, tmp_path, write_run):
    paths = write_run(tmp_path)
    run_stage(paths)
    assert read_files(paths) == read_files(rendered_run[0])


def test_a_switched_off_stage_align_changes_no_page(rendered_run):
    paths, _report = rendered_run
    assert not paths.alignment_page.exists()
    for name in PAGES:
        assert not re.search(r"preference tuning|aligned|align\.html", read_page(paths, name), re.IGNORECASE)


def test_preference_tuning_has_a_page_until_it_is_switched_off(tmp_path, write_run):
    paths = write_run(tmp_path)
    write_json(paths.align_report, ALIGN_REPORT)
    assert run_stage(paths)["pages"][2] == "artifacts/report/training/align.html"
    assert "Preference tuning" in paths.alignment_page.read_text("utf-8")
    write_json(paths.align_report, {"method": "none"})
    assert len(run_stage(paths)["pages"]) == 3
    assert not paths.alignment_page.exists()


@pytest.mark.parametrize(
    ("name", "english", "korean"),
    [
        ("data_card", "Data card", "데이터 카드"),
        ("training", "Training report", "학습 보고서"),
        ("evaluation", "Evaluation report", "평가 보고서"),
    ],
)
def test_each_page_holds_both_languages_and_a_switch(rendered_run, name, english, korean):
    page = read_page(rendered_run[0], name)
    assert f'<span lang="en">{english}</span><span lang="ko">{korean}</span>' in page
    assert '<input type="radio" name="language" id="language-en" checked>' in page
    assert '<input type="radio" name="language" id="language-ko">' in page


def test_a_korean_terminal_gets_a_korean_data_card_and_korean_log_lines(tmp_path, monkeypatch, caplog, write_run):
    paths = write_run(tmp_path)
    monkeypatch.setenv("SEODANG_LANG", "ko")
    with caplog.at_level("INFO"):
        run_stage(paths)
    assert 'id="language-ko" checked' in read_page(paths, "data_card")
    assert "페이지: artifacts/report/data_card/index.html" in caplog.messages


def test_a_missing_report_names_the_stage_to_run(tmp_path, write_run):
    paths = write_run(tmp_path)
    paths.train_report.unlink()
    with pytest.raises(ArtifactError, match="dvc repro train"):
        run_stage(paths)
