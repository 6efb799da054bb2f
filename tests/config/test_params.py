"""params.yaml: one message for all faults; profiles that are what they say."""

from pathlib import Path

import pytest
import yaml

from seodang.config.load import load_params, merge_overlay, parse_params, read_yaml
from seodang.config.profiles import list_names, render_profile, resolve_overlay, run_command
from seodang.errors import ParamsError
from seodang.paths import Paths

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def raw() -> dict:
    return read_yaml(ROOT / "profiles" / "tiny.yaml")


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
    with pytest.raises(ParamsError, match="needs hub and revision"):
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
    ("text", "said"), [("a: [1", "not readable YAML"), ("- 1", "holds list"), ("\xff", "cannot be used|holds str")]
)
def test_an_unreadable_file_is_named(tmp_path, text, said):
    file = tmp_path / "params.yaml"
    file.write_text(text)
    with pytest.raises(ParamsError, match=said):
        load_params(file)


def test_a_missing_file_says_how_to_restore_it(tmp_path):
    with pytest.raises(ParamsError, match="git checkout"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize("name", list_names(ROOT / "profiles"))
def test_every_shipped_profile_resolves_to_valid_parameters(name):
    folder = ROOT / "profiles"
    text = render_profile(folder / "tiny.yaml", resolve_overlay(name, folder))
    assert parse_params(yaml.safe_load(text), name)


def test_params_yaml_as_shipped_is_the_tiny_profile():
    assert (ROOT / "params.yaml").read_text("utf-8") == render_profile(ROOT / "profiles" / "tiny.yaml", {})


def test_an_own_overlay_outside_the_repository_extends_a_profile(tmp_path, monkeypatch, capsys):
    (tmp_path / "profiles").mkdir()
    for file in (ROOT / "profiles").glob("*.yaml"):
        (tmp_path / "profiles" / file.name).write_text(file.read_text("utf-8"), "utf-8")
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("extends: gemma-270m\ntrain:\n  epochs: 7.0\n")
    assert run_command("use", str(overlay), Paths(tmp_path)) == 0
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
    raw = merge_overlay(read_yaml(ROOT / "profiles" / "tiny.yaml"), {"evaluate": {"tasks": []}})
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw, allow_unicode=True), "utf-8")
    with pytest.raises(ParamsError, match=r"gate names the task files retention, which evaluate\.tasks does not"):
        load_params(tmp_path / "params.yaml")
