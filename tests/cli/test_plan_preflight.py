"""What `seodang plan` says about preferences that are not prepared yet."""

from __future__ import annotations

import pytest

from seodang.cli.plan_preflight import check_data
from seodang.config.load import merge_overlay, parse_params
from seodang.config.profiles import read_starter
from seodang.io.jsonl import write_json, write_records
from seodang.paths import Paths


@pytest.fixture
def paths(tmp_path, make_tiny_model, make_training_records):
    """A project after stage prepare, with align.method none."""
    paths = Paths(tmp_path)
    make_tiny_model(paths.base)
    for split, count in (("train", 36), ("test", 60), ("unseen", 0)):
        write_records(paths.get_split_path(split), make_training_records(count))
    write_records(paths.preferences_train, [])
    write_records(paths.preferences_test, [])
    write_json(paths.ingest_report, {"sources": []})
    write_json(paths.validate_report, {"by_source": {}})
    write_json(paths.prepare_report, {"replay_sources": [], "by_source": {}})
    return paths


def plan(paths, method, **align):
    overlay = {"align": {"method": method, **align}, "evaluate": {"tasks": []}, "gate": {"default_thresholds": []}}
    return check_data(parse_params(merge_overlay(read_starter(), overlay), "test"), paths)


@pytest.mark.parametrize("align", [{"method": "dpo"}, {"method": "grpo", "reward": "model"}])
def test_a_method_that_was_just_switched_on_lacks_no_source_but_a_run_of_prepare(paths, align):
    off, on = plan(paths, "none"), plan(paths, **align)
    assert on.problems == off.problems
    [warning] = [text for text in on.warnings if text not in off.warnings]
    assert "dvc repro prepare" in warning
    write_json(paths.ingest_report, {"sources": [], "preferences": {"sources": []}})
    assert any("no preference record to train on" in problem for problem in plan(paths, **align).problems)


def test_rewards_by_rules_need_no_preferences(paths):
    assert not any("preference" in text for text in plan(paths, "grpo").warnings)
