"""Stage `train` on a tiny model: one process or two, its files, and the changes that start a new run."""

from pathlib import Path

import pytest

from seodang.config import PromptParams
from seodang.io.jsonl import read_json, write_records
from seodang.models.adapters import compute_tuned_sha256
from seodang.paths import Paths
from seodang.stages import train as stage

PROMPT = PromptParams(format="koalpaca")


@pytest.fixture
def paths(tmp_path: Path, make_tiny_model, make_training_records) -> Paths:
    """A project that is ready to be trained."""
    paths = Paths(tmp_path)
    make_tiny_model(paths.base)
    for split, count in (("train", 16), ("validation", 5)):
        paths.get_split_path(split).parent.mkdir(parents=True, exist_ok=True)
        write_records(paths.get_split_path(split), make_training_records(count))
    return paths


def test_a_run_leaves_adapter_curves_and_report_and_no_checkpoint(paths, build_train_params):
    report = stage.run(prompt=PROMPT, train=build_train_params(report_samples=2, save_steps=2), paths=paths)
    assert report["adapter_sha256"] == compute_tuned_sha256(paths.adapter)
    assert report["steps"] == 8
    assert [set(sample) for sample in report["samples"]] == [
        {"instruction", "input", "expected", "before", "after"}
    ] * 2
    assert report == read_json(paths.train_report)
    assert not list(paths.training.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"sharding": "fsdp"},
        {"method": "qlora"},
        {"early_stopping_patience": 1, "learning_rate": 5e-2, "epochs": 30.0},
    ],
    ids=str,
)
def test_two_processes_write_what_one_does(paths, changes, build_train_params):
    report = stage.run(prompt=PROMPT, train=build_train_params(processes=2, report_samples=1, **changes), paths=paths)
    assert report["processes"] == 2
    assert report["adapter_sha256"] == compute_tuned_sha256(paths.adapter)
    assert (report["steps"] < report["max_steps"]) is ("early_stopping_patience" in changes)
    assert not list(paths.training.iterdir())


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "config.json"])
def test_a_base_with_another_tokenizer_or_template_is_another_run(paths, name, build_train_params):
    (paths.base / "chat_template.jinja").write_text("{{ messages }}")
    _, first = stage._prepare_run_dir(PROMPT, build_train_params(), paths)
    assert stage._prepare_run_dir(PROMPT, build_train_params(), paths)[1] == first
    (paths.base / name).write_text((paths.base / name).read_text("utf-8") + " ", "utf-8")
    assert stage._prepare_run_dir(PROMPT, build_train_params(), paths)[1] != first
