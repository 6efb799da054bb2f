"""Stage `preflight` finds before training what would keep the gate from a verdict, with the values that would do."""

import re
from dataclasses import replace

import pytest

from seodang.config import Params
from seodang.config.load import merge_overlay, parse_params, resolve_params
from seodang.config.profiles import STARTER
from seodang.config.yaml_file import read_yaml
from seodang.errors import LicenceRefused, PreflightError
from seodang.io.jsonl import read_json, write_json, write_records
from seodang.paths import Paths
from seodang.stages import run_stage

FAQ = "faq"


def make_params(**overlay) -> Params:
    base = {
        "model": read_yaml(STARTER)["model"],
        "evaluate": {"tasks": [], "max_new_tokens": 64},
        "gate": {"minimum_items": 20, "default_thresholds": []},
    }
    return parse_params(resolve_params(merge_overlay(base, overlay)), "test")


@pytest.fixture
def paths(tmp_path, make_tiny_model, make_training_records):
    """A project after stage prepare: 60 records of a support FAQ, of which 24 are in the test split."""
    paths = Paths(tmp_path)
    make_tiny_model(paths.base)
    records = [replace(record, task=FAQ, source=FAQ) for record in make_training_records(60)]
    write_records(paths.get_split_path("train"), records[:36])
    write_records(paths.get_split_path("test"), records[36:])
    write_records(paths.get_split_path("unseen"), [])
    write_json(paths.base_report, {"licence": "Apache-2.0"})
    write_json(paths.ingest_report, {"sources": [{"name": FAQ, "licence": "CC-BY-NC-4.0", "rows_written": 60}]})
    write_json(paths.validate_report, {"by_source": {FAQ: {"accepted": 60, "quarantined": 0, "rules": {}}}})
    write_json(paths.prepare_report, {"replay_sources": [], "by_source": {FAQ: {"train": 36, "test": 24}}})
    return paths


def run(paths, **overlay):
    return run_stage("preflight", make_params(**overlay), paths)


def test_a_first_task_may_be_trained_without_an_edit(paths):
    report = run(paths)
    assert paths.preflight_passed.exists()
    [task] = report["tasks"]
    assert (task["name"], task["kind"], task["training_records"], task["test_records"]) == (FAQ, "generate", 36, 24)
    assert task["items"]["chrf"] == 24
    [rows] = read_json(paths.preflight_report)["rows"]
    assert (rows["read"], rows["held_out"], rows["learned"] + rows["too_long"]) == (60, 24, 36)


def test_all_problems_come_in_one_message_with_the_values_that_would_do(paths):
    with pytest.raises(PreflightError) as caught:
        run(
            paths,
            evaluate={"generations_per_free_text_task": 3, "max_new_tokens": 1},
            gate={
                "default_thresholds": [{"kind": "generate", "metric": "eos_rate", "minimum": 0.5}],
            },
        )
    message = str(caught.value)
    for part in (
        "evaluate.generations_per_free_text_task: 20",
        "evaluate.max_new_tokens: ",
    ):
        assert part in message
    assert not paths.preflight_passed.exists()


def test_a_permission_for_a_task_that_is_not_trained_is_a_warning(paths, caplog):
    run(paths, gate={"unjudged_tasks": ["misspelt"]})
    assert "unjudged_tasks names misspelt" in caplog.text


def test_a_misspelt_task_is_found_before_training(paths):
    rule = {"against": "base", "test": "superiority", "metric": "chrf", "tasks": ["faqq"]}
    with pytest.raises(PreflightError, match=r"faqq.*available tasks: faq"):
        run(paths, gate={"rules": [rule]})


def test_a_task_without_test_records_must_be_permitted_to_go_unjudged(paths, make_training_records):
    chat = [replace(record, task="chat", source="chat") for record in make_training_records(5)]
    records = [replace(record, task=FAQ, source=FAQ) for record in make_training_records(36)]
    write_records(paths.get_split_path("train"), [*records, *chat])
    with pytest.raises(
        PreflightError, match=r"task chat: 5 training records and no test record.*unjudged_tasks: \[chat\]"
    ):
        run(paths)
    run(paths, gate={"unjudged_tasks": ["chat"]})
    assert paths.preflight_passed.exists()


def test_an_older_permission_to_train_does_not_survive_a_problem(paths):
    run(paths)
    with pytest.raises(PreflightError):
        run(paths, gate={"minimum_items": 30})
    assert not paths.preflight_passed.exists()


def test_the_advice_of_the_message_is_enough(paths):
    with pytest.raises(PreflightError, match=r"gate\.minimum_items: 24"):
        run(paths, gate={"minimum_items": 30})
    run(paths, gate={"minimum_items": 24})


def test_the_marker_that_training_depends_on_never_changes(paths):
    run(paths)
    first = paths.preflight_passed.read_bytes()
    run(paths, gate={"minimum_items": 24})
    assert paths.preflight_passed.read_bytes() == first


def test_a_use_that_the_licence_of_the_data_forbids_stops_before_training(paths):
    with pytest.raises(LicenceRefused, match=r"(?s)training does not start.*source faq under CC-BY-NC-4\.0"):
        run(paths, package={"intended_use": "commercial"})
    assert not paths.preflight_passed.exists()
    assert read_json(paths.preflight_report)["licences"]["status"] == "forbidden"


def test_the_advice_of_the_licence_verdict_is_enough(paths):
    assert run(paths, package={"intended_use": "non-commercial"})["licences"]["status"] == "allowed"
    assert paths.preflight_passed.exists()


def test_a_source_without_rows_imposes_no_licence(paths):
    sources = read_json(paths.ingest_report)["sources"]
    empty = {"name": "empty", "licence": "CC-BY-NC-4.0", "rows_written": 0}
    write_json(paths.ingest_report, {"sources": [{**sources[0], "licence": "MIT"}, empty]})
    assert run(paths, package={"intended_use": "commercial"})["licences"]["status"] == "allowed"


def test_a_name_that_breaks_a_naming_duty_stops_before_training(paths):
    write_json(paths.base_report, {"licence": "Llama 3.1 Community License"})
    with pytest.raises(LicenceRefused, match=r"package\.name: llama-seodang"):
        run(paths, package={"name": "seodang"})
    run(paths, package={"name": "llama-seodang"})


def test_without_a_declared_use_nothing_is_judged(paths):
    assert run(paths)["licences"]["status"] is None


def test_too_few_held_out_pairs_stop_a_run_with_preference_tuning(paths, make_preference_records):
    write_records(paths.preferences_train, [])
    write_records(paths.preferences_test, make_preference_records(3, rated=60))
    with pytest.raises(PreflightError) as caught:
        run(paths, align={"method": "dpo"})
    assert "no preference record to train on; name sources in align.sources" in str(caught.value)
    assert "3 held-out pairs, and align.bounds.minimum_pairs is 50" in str(caught.value)
    write_records(paths.preferences_train, make_preference_records(3))
    run(paths, align={"method": "dpo", "bounds": {"minimum_pairs": 3}})


def test_thumbs_alone_judge_kto_if_both_kinds_have_enough_questions(paths, make_preference_records):
    thumbs = make_preference_records(0, rated=60)
    write_records(paths.preferences_train, thumbs)
    write_records(paths.preferences_test, thumbs)
    with pytest.raises(PreflightError) as caught:
        run(paths, align={"method": "kto"})
    assert "0 held-out pairs and thumbs for 30 held-out questions (up or down, whichever has fewer)" in str(
        caught.value
    )
    assert "lower align.bounds.minimum_pairs" in str(caught.value)
    run(paths, align={"method": "kto", "bounds": {"minimum_pairs": 30}})


@pytest.mark.parametrize(("language", "words"), [("en", "thumbs of both kinds"), ("ko", "좋고 나쁨 평가를 모두")])
@pytest.mark.parametrize("method", ["kto", "dpo"])
def test_thumbs_of_one_kind_judge_nothing_and_no_lower_bound_is_advised(
    paths, make_preference_records, method, language, words, monkeypatch
):
    monkeypatch.setenv("SEODANG_LANG", language)
    thumbs = [record for record in make_preference_records(0, rated=60) if record.desirable]
    write_records(paths.preferences_train, thumbs)
    write_records(paths.preferences_test, thumbs)
    with pytest.raises(PreflightError) as caught:
        run(paths, align={"method": method})
    assert (words in str(caught.value)) == (method == "kto")
    assert "prepare.preferences_test_ratio" in str(caught.value)
    assert "lower align.bounds" not in str(caught.value)


@pytest.mark.parametrize("align", [{"method": "dpo"}, {"method": "grpo", "reward": "model"}])
def test_no_bound_is_advised_so_low_that_the_figures_have_no_interval(paths, make_preference_records, align):
    advised = {}
    for count in (9, 10):
        write_records(paths.preferences_train, make_preference_records(3))
        write_records(paths.preferences_test, make_preference_records(count))
        with pytest.raises(PreflightError) as caught:
            run(paths, align=align)
        advised[count] = "lower align.bounds" in str(caught.value)
    assert advised == {9: False, 10: True}


def test_rewards_by_rules_need_held_out_prompts_and_no_preference_records(paths):
    with pytest.raises(PreflightError) as caught:
        run(paths, align={"method": "grpo", "selections": 2})
    assert "at most 48 held-out prompts, and align.bounds.minimum_prompts is 50" in str(caught.value)
    run(paths, align={"method": "grpo", "selections": 2, "bounds": {"minimum_prompts": 48}})


def test_prompts_of_pairs_that_leave_no_room_for_an_answer_do_not_count(paths, make_preference_records):
    write_records(paths.preferences_train, make_preference_records(3))
    write_records(paths.preferences_test, make_preference_records(3))
    align = {"method": "grpo", "reward": "model", "max_length": 96, "bounds": {"minimum_pairs": 3}}
    with pytest.raises(PreflightError) as caught:
        run(paths, align={**align, "max_new_tokens": 90})
    assert "no held-out prompt can judge the aligned model" in str(caught.value)
    assert "leaves align.max_new_tokens, 90, of align.max_length, 96, tokens" in str(caught.value)


def test_preference_records_that_align_leaves_out_as_too_long_are_counted_before_training(
    paths, make_preference_records, caplog
):
    short, long = make_preference_records(3), make_preference_records(2, first=3)
    long = [replace(record, output=record.output * 40) for record in long]
    write_records(paths.preferences_train, [short[0], *long])
    write_records(paths.preferences_test, [*short, *long])
    align = {"method": "dpo", "bounds": {"minimum_pairs": 3}}
    run(paths, align=align)
    assert "longer than align.max_length, 96, and left out: 4 preference records. The longest needs" in caplog.text
    with pytest.raises(PreflightError) as caught:
        run(paths, align={**align, "bounds": {"minimum_pairs": 5}})
    assert "3 held-out pairs, and align.bounds.minimum_pairs is 5" in str(caught.value)
    (longest,) = re.findall(r"raise align.max_length, 96: with (\d+) no held-out record", str(caught.value))
    run(paths, align={**align, "max_length": int(longest), "bounds": {"minimum_pairs": 5}})


def test_the_length_that_the_advice_names_leaves_no_preference_record_out(paths, make_preference_records, caplog):
    write_records(paths.preferences_train, make_preference_records(3))
    write_records(paths.preferences_test, make_preference_records(3))
    align = {"method": "dpo", "max_length": 8, "bounds": {"minimum_pairs": 3}}
    with pytest.raises(PreflightError, match="no preference record to train on has at most") as caught:
        run(paths, align=align)
    (longest,) = re.findall(r"with (\d+) none would be left out", str(caught.value))
    caplog.clear()
    run(paths, align={**align, "max_length": int(longest)})
    assert "and left out" not in caplog.text


def test_without_any_held_out_prompt_no_lower_bound_is_advised(paths):
    write_records(paths.preferences_train, [])
    write_records(paths.preferences_test, [])
    with pytest.raises(PreflightError) as caught:
        run(paths, align={"method": "grpo", "reward": "model"})
    assert "no held-out prompt can judge the aligned model. Add records to align.sources" in str(caught.value)
    assert "minimum_prompts, 50, are needed" in str(caught.value)
    assert "lower align.bounds" not in str(caught.value)


def test_a_reward_model_needs_preference_pairs_for_itself_and_for_its_prompts(paths, make_preference_records):
    write_records(paths.preferences_train, [])
    write_records(paths.preferences_test, make_preference_records(3))
    with pytest.raises(PreflightError) as caught:
        run(paths, align={"method": "grpo", "reward": "model"})
    assert "no preference record to train on; name sources in align.sources" in str(caught.value)
    assert "3 held-out pairs, and align.bounds.minimum_pairs is 50" in str(caught.value)
    assert "3 held-out prompts, and align.bounds.minimum_prompts is 50" in str(caught.value)
    write_records(paths.preferences_train, make_preference_records(3))
    bounds = {"minimum_pairs": 3, "minimum_prompts": 3}
    run(paths, align={"method": "grpo", "reward": "model", "bounds": bounds})
