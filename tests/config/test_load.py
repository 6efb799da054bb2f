"""params.yaml: one message for all errors; profiles that hold what they claim."""

from pathlib import Path

import pytest
import yaml

from seodang.cli.main import main
from seodang.config.load import DEFAULTS, load_params, merge_overlay, parse_params, resolve_params
from seodang.config.origin import list_parameters
from seodang.config.profiles import STARTER, list_profiles, load_profile, read_starter, resolve_overlay
from seodang.config.yaml_file import read_yaml
from seodang.errors import ParamsError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def raw() -> dict:
    return read_starter()


def test_every_fault_is_listed_with_place_rule_and_value(raw):
    broken = merge_overlay(
        raw, {"train": {"learning_rate": -1.0, "lorra": 1, "rank": "8"}, "prompt": {"format": "markdown"}}
    )
    del broken["gate"]["seed"]
    with pytest.raises(ParamsError) as caught:
        parse_params(broken, "params.yaml")
    message = str(caught.value)
    for part in (
        "train.learning_rate",
        "-1.0",
        "train.lorra: is not a known parameter",
        "train.rank",
        "'8'",
        "prompt.format",
        "gate.seed: is missing",
    ):
        assert part in message


def test_a_source_without_what_it_needs_is_a_fault(raw):
    with pytest.raises(ParamsError, match="needs hub, revision"):
        parse_params(merge_overlay(raw, {"model": {"source": "hub"}}), "params.yaml")


@pytest.mark.parametrize("weight", [0.0, 101.0, float("inf"), float("nan")])
def test_a_weight_that_makes_no_sensible_number_of_copies_is_a_fault(raw, weight):
    raw["ingest"]["sources"][0] |= {"weight": weight}
    with pytest.raises(ParamsError, match="weight"):
        parse_params(raw, "params.yaml")


def test_a_password_in_an_address_is_not_repeated(raw):
    raw["ingest"]["sources"][0] |= {"kind": "file", "path": "https://me:hunter2@localhost/a.json"}
    with pytest.raises(ParamsError, match="needs sha256") as caught:
        parse_params(raw, "params.yaml")
    assert "hunter2" not in str(caught.value)


def test_a_number_in_exponent_form_without_a_dot_is_reported_not_misread(raw):
    with pytest.raises(ParamsError, match=r"train\.learning_rate"):
        parse_params(merge_overlay(raw, {"train": {"learning_rate": yaml.safe_load("2e-4")}}), "params.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [("a: [1", "not readable YAML"), ("- 1", "has no sections"), ("\xff", "cannot be used|has no sections")],
)
def test_an_unreadable_file_is_named(tmp_path, text, said):
    file = tmp_path / "params.yaml"
    file.write_text(text)
    with pytest.raises(ParamsError, match=said):
        load_params(file)


def test_a_missing_file_says_how_to_restore_it(tmp_path):
    with pytest.raises(ParamsError, match="git checkout"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize("name", list_profiles(ROOT / "profiles"))
def test_every_shipped_profile_resolves_to_valid_parameters(name):
    assert load_profile(name, ROOT / "profiles")


def test_params_yaml_as_shipped_is_the_tiny_profile():
    assert (ROOT / "params.yaml").read_text("utf-8") == STARTER.read_text("utf-8")


def test_a_value_that_params_yaml_does_not_set_is_that_of_the_defaults():
    resolved = resolve_params({"train": {"rank": 4}})
    defaults = read_yaml(DEFAULTS)
    assert resolved["train"] == {**defaults["train"], "rank": 4}
    assert resolved["expectations"] == defaults["expectations"]


def test_a_source_and_a_rule_take_what_they_do_not_set_from_the_defaults_of_their_list():
    resolved = resolve_params({"ingest": {"sources": [{"name": "mine", "path": "mine.jsonl"}]}})
    (source,) = resolved["ingest"]["sources"]
    assert (source["name"], source["kind"], source["format"], source["weight"]) == ("mine", "file", "auto", 1.0)
    assert all(rule["group_by"] in ("all", "language") for rule in resolved["gate"]["rules"])
    assert "source_defaults" not in resolved["ingest"]


def test_default_rules_and_thresholds_take_what_they_do_not_set_from_the_same_defaults():
    rule = {"kind": "any", "against": "base", "test": "superiority", "metric": "loss"}
    resolved = resolve_params(
        read_starter()
        | {"gate": {"default_rules": [rule], "default_thresholds": [{"kind": "any", "metric": "loss", "maximum": 2.0}]}}
    )
    gate = parse_params(resolved, "params.yaml").gate
    gate = parse_params(resolved, "params.yaml").gate
    assert gate.default_rules[0].margin == 0.0
    assert (gate.default_thresholds[0].minimum, gate.default_thresholds[0].maximum) == (None, 2.0)


@pytest.mark.parametrize("method", ["dpo", "kto", "orpo", "grpo"])
def test_what_params_yaml_does_not_set_is_the_default_of_the_method(method):
    values = read_yaml(DEFAULTS)["align"]["method_defaults"].get(method, {})
    align = parse_params(resolve_params(read_starter() | {"align": {"method": method}}), "params.yaml").align
    assert align.model_dump(include=set(values)) == values
    own = {"method": method, "learning_rate": 1e-7, "bounds": {"minimum_pairs": 3}}
    align = parse_params(resolve_params(read_starter() | {"align": own}), "params.yaml").align
    assert align.model_dump(include=set(values)) == {**values, **({"learning_rate": 1e-7} if values else {})}
    assert (align.learning_rate, align.bounds.minimum_pairs) == (1e-7, 3)


def test_grpo_with_a_reward_model_has_defaults_of_its_own():
    values = read_yaml(DEFAULTS)["align"]["method_defaults"]
    resolved = {
        reward: resolve_params(read_starter() | {"align": {"method": "grpo", "reward": reward}})["align"]
        for reward in ("rules", "model")
    }
    assert {name: resolved["rules"][name] for name in values["grpo"]} == values["grpo"]
    assert {name: resolved["model"][name] for name in values["grpo_reward_model"]} == values["grpo_reward_model"]
    assert resolved["model"]["epochs"] < resolved["rules"]["epochs"]


def test_the_origin_of_a_default_of_the_method_is_its_line(tmp_path):
    params = tmp_path / "params.yaml"
    text = STARTER.read_text("utf-8").replace("align: {method: none}", "align: {method: dpo, epochs: 7.0}")
    params.write_text(text, "utf-8")
    found = {name: (value, origin) for name, value, origin in list_parameters(params)}
    lines = DEFAULTS.read_text("utf-8").splitlines()
    value, origin = found["align.learning_rate"]
    assert lines[int(origin.partition(":")[2]) - 1].strip().startswith("dpo: {")
    assert f"learning_rate: {value:.1e}".replace("e-0", "e-") in lines[int(origin.partition(":")[2]) - 1]
    assert found["align.epochs"][0] == 7.0
    assert found["align.epochs"][1].startswith("params.yaml:")


def test_a_wrong_name_in_the_defaults_of_a_method_is_an_error():
    own = {"align": {"method": "dpo", "method_defaults": {"dpo": {"learning_rat": 1.0}}}}
    with pytest.raises(ParamsError, match=r"align\.learning_rat"):
        parse_params(resolve_params(read_starter() | own), "params.yaml")


def test_a_wrong_name_in_the_defaults_of_a_list_is_an_error():
    resolved = resolve_params({"gate": {"threshold_defaults": {"minimun": 0.5}}})
    with pytest.raises(ParamsError, match=r"default_thresholds.*minimun"):
        parse_params(resolved, "params.yaml")


@pytest.mark.parametrize("choices", [["yes"], ["yes", "yes"], ["yes", " "]])
def test_choices_are_at_least_two_different_answers(choices):
    source = {"name": "mine", "path": "mine.jsonl", "choices": choices}
    with pytest.raises(ParamsError, match="at least two different answers"):
        parse_params(resolve_params({"ingest": {"sources": [source]}}), "params.yaml")


def test_rules_are_changed_by_exception():
    actions = resolve_params({"expectations": {"actions": {"refusal": "warn"}}})["expectations"]["actions"]
    assert actions["refusal"] == "warn"
    assert actions["mojibake"] == "reject"


def test_a_missing_section_is_named_with_the_line_to_add(tmp_path):
    raw = read_yaml(STARTER)
    del raw["prompt"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw), "utf-8")
    with pytest.raises(ParamsError, match=r"lacks sections that DVC looks for; add these lines:\n  prompt: \{\}"):
        load_params(tmp_path / "params.yaml")


def test_a_custom_overlay_outside_the_repository_extends_a_profile(tmp_path, monkeypatch):
    (tmp_path / "profiles").symlink_to(ROOT / "profiles")
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("extends: gemma-270m\ntrain:\n  epochs: 7.0\n")
    monkeypatch.chdir(tmp_path)
    assert main(["profile", "use", str(overlay)]) == 0
    params = load_params(tmp_path / "params.yaml")
    assert params.train.epochs == 7.0
    assert params.model.source == "gguf-package"


def test_profiles_in_a_circle_are_refused(tmp_path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(f"extends: {second}\n")
    second.write_text(f"extends: {first}\n")
    with pytest.raises(ParamsError, match="circle"):
        resolve_overlay(str(first), ROOT / "profiles")


def test_a_rule_about_a_task_file_that_is_not_asked_is_told_before_anything_runs(tmp_path):
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "retention.yaml").touch()
    raw = merge_overlay(read_starter(), {"evaluate": {"tasks": []}})
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw, allow_unicode=True), "utf-8")
    with pytest.raises(ParamsError, match=r"gate names the task files retention, which evaluate\.tasks does not"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize(("language", "words"), [("en", "is above maximum_length_ratio 0.5"), ("ko", "보다 커서")])
def test_a_minimum_of_the_length_above_its_maximum_is_refused(language, words, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", language)
    bounds = {"minimum_length_ratio": 3.0, "maximum_length_ratio": 0.5}
    with pytest.raises(ParamsError, match=words):
        parse_params(resolve_params(read_starter() | {"align": {"method": "dpo", "bounds": bounds}}), "params.yaml")
