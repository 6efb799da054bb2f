"""Every shipped profile: complete, pinned, described. No weights are needed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from seodang.cli.main import main
from seodang.config import Params
from seodang.config.load import load_params, merge_overlay, parse_params, resolve_params
from seodang.config.profiles import STARTER, list_profiles, read_heading, read_starter, resolve_overlay
from seodang.config.yaml_file import read_yaml
from seodang.errors import LicenceRefused, ParamsError
from seodang.licences.refusal import require_permission
from seodang.licences.table import find_licences
from seodang.licences.verdict import list_parts

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "profiles"
SHIPPED = ["tiny", *sorted(file.relative_to(FOLDER).with_suffix("").as_posix() for file in FOLDER.rglob("*.yaml"))]
OVERLAYS = SHIPPED[1:]
COMMIT = "ab" * 20


def shown(name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what `seodang profile show NAME` prints."""
    monkeypatch.chdir(ROOT)
    assert main(["profile", "show", name]) == 0
    return capsys.readouterr().out


def resolved(name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Params:
    return parse_params(resolve_params(yaml.safe_load(shown(name, capsys, monkeypatch))), name)


def test_the_profiles_that_are_promised_are_there():
    assert {"tiny", "gemma-270m", "qwen3-0.6b", "gemma-2b-qlora", "llama-8b-qlora", "llama-8b-fsdp"} <= set(SHIPPED)
    korean = {"ax-4.0-light-qlora", "exaone-4.0-1.2b", "hyperclovax-seed-1.5b", "kanana-1.5-2.1b", "kanana-2-3b"}
    assert korean | {"midm-2.0-mini", "gemma-3-1b", "solar-10.7b-qlora"} <= set(SHIPPED)
    assert list_profiles(FOLDER) == SHIPPED


@pytest.mark.parametrize("name", SHIPPED)
def test_a_profile_resolves_to_complete_parameters(name, capsys, monkeypatch):
    params = resolved(name, capsys, monkeypatch)
    assert params.train.max_length <= params.train.tokens_per_micro_batch
    assert (
        params.expectations.limits.max_tokens is None
        or params.train.max_length <= params.expectations.limits.max_tokens
    )


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_profile_shows_its_own_title_and_not_that_of_the_starter(name, capsys, monkeypatch):
    text = shown(name, capsys, monkeypatch)
    assert read_heading(FOLDER / f"{name}.yaml") in text
    assert "The embedded run" not in text


def test_the_profile_of_the_embedded_run_is_the_starter_file(capsys, monkeypatch):
    assert shown("tiny", capsys, monkeypatch) == (ROOT / "params.yaml").read_text("utf-8")


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_profile_says_which_machine_it_needs(name):
    assert re.search(r"^# Hardware[^:\n]*: .*\d+ GB", read_heading(FOLDER / f"{name}.yaml"), re.MULTILINE)


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_profile_whose_model_was_never_run_here_says_that_its_figures_are_not_verified(name, capsys, monkeypatch):
    content = yaml.safe_load(shown(name, capsys, monkeypatch))
    is_marked = "not verified; nobody has trained it here" in read_heading(FOLDER / f"{name}.yaml")
    assert is_marked == (content["model"]["source"] == "hub")


def test_the_list_gives_each_name_with_its_title(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert main(["profile", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == SHIPPED
    titles = dict(line.split(maxsplit=1) for line in lines)
    assert titles["gemma-2b-qlora"] == "Gemma 2B with KoAlpaca on one 16 GB GPU, QLoRA"


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_profile_of_another_base_takes_over_no_recipe_of_the_embedded_run(name):
    overlay = resolve_overlay(name, FOLDER)
    starter = read_yaml(STARTER)
    if overlay.get("model", {}).get("name", starter["model"]["name"]) == starter["model"]["name"]:
        return  # scratch trains the same base
    left = {
        f"{section}.{key}"
        for section in ("prepare", "train", "gate")
        for key in starter[section]
        if key not in overlay.get(section, {})
    }
    assert left <= {"train.method"}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_model_from_the_hub_is_pinned_to_a_commit_and_runs_no_code(name, capsys, monkeypatch):
    model = resolved(name, capsys, monkeypatch).model
    assert model.trust_remote_code is None
    if model.source == "hub":
        assert re.fullmatch("[0-9a-f]{40}", str(model.revision))
        assert len(set(str(model.revision))) > 8  # a real one, not a row of zeros
        assert model.path is None


@pytest.mark.parametrize("name", SHIPPED)
def test_the_licence_of_a_profile_allows_the_use_that_it_declares_and_its_name(name, capsys, monkeypatch):
    params = resolved(name, capsys, monkeypatch)
    assert find_licences(params.model.licence).is_complete
    parts = list_parts(params.model.licence, [source.model_dump() for source in params.ingest.sources])
    verdict = require_permission(params.package.intended_use, params.package.name, parts, "it is not shipped")
    declared = {"exaone-4.0-1.2b": ("research", "unknown"), "gemma-270m-nsmc": ("research", "allowed")}
    assert (verdict.use, verdict.status) == declared.get(name, (None, None))


def test_a_profile_whose_licence_forbids_commercial_use_refuses_it(capsys, monkeypatch):
    params = resolved("exaone-4.0-1.2b", capsys, monkeypatch)
    with pytest.raises(LicenceRefused, match="commercial use with another base model"):
        require_permission("commercial", params.package.name, list_parts(params.model.licence, []), "x")


def test_each_profile_trains_by_the_method_in_its_name(capsys, monkeypatch):
    found = {
        name: resolved(name, capsys, monkeypatch).train
        for name in ("tiny", "gemma-2b-qlora", "llama-8b-qlora", "llama-8b-fsdp")
    }
    assert {name: train.method for name, train in found.items()} == {
        "tiny": "lora",
        "gemma-2b-qlora": "qlora",
        "llama-8b-qlora": "qlora",
        "llama-8b-fsdp": "lora",
    }
    assert (found["llama-8b-fsdp"].sharding, found["llama-8b-fsdp"].processes) == ("fsdp", 4)


def test_a_profile_that_extends_another_takes_over_what_it_does_not_say(capsys, monkeypatch):
    fsdp, qlora = (resolved(name, capsys, monkeypatch) for name in ("llama-8b-fsdp", "llama-8b-qlora"))
    assert fsdp.model == qlora.model
    assert fsdp.train.max_length == qlora.train.max_length
    assert fsdp.train.learning_rate != qlora.train.learning_rate


def test_a_custom_overlay_on_a_shipped_profile_is_used(tmp_path, monkeypatch):
    (tmp_path / "profiles").symlink_to(FOLDER)
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("# 우리 회사 데이터\nextends: gemma-2b-qlora\ntrain: {epochs: 3.0}\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["profile", "use", str(overlay)]) == 0
    params = load_params(tmp_path / "params.yaml")
    assert (params.train.epochs, params.train.method, params.model.hub) == (3.0, "qlora", "google/gemma-2b")
    assert "# 우리 회사 데이터\n" in (tmp_path / "params.yaml").read_text("utf-8")


@pytest.mark.parametrize(
    "text", ["긍정일까요?", "왜? 이유는", "? 모름", "http://example.org/a.csv", "문장:감정", "가 :나"]
)
def test_a_text_in_a_list_reads_as_written_by_each_reader(text, tmp_path, capsys, monkeypatch):
    table = {"label_column": "label", "labels": {"0": text, "1": "긍정"}, "input": text, "instructions": [text]}
    source = {"name": "asked", "path": "asked.tsv", "format": "table", "table": table}
    overlay = tmp_path / "mine.yaml"
    overlay.write_text(yaml.safe_dump({"ingest": {"sources": [source]}}, allow_unicode=True), "utf-8")
    written = tmp_path / "params.yaml"
    written.write_text(shown(str(overlay), capsys, monkeypatch), "utf-8")
    for content in (read_yaml(written), yaml.safe_load(written.read_text("utf-8"))):
        assert content["ingest"]["sources"] == [source]


# The section `model` itself.


def model_fault(**changes: object) -> str:
    raw = merge_overlay(read_starter(), {"model": changes})
    with pytest.raises(ParamsError) as caught:
        parse_params(raw, "params.yaml")
    return str(caught.value)


@pytest.mark.parametrize("revision", ["main", "v1.0", "ab" * 19, "AB" * 20])
def test_a_revision_that_may_move_is_refused_with_the_command_that_names_the_commit(revision):
    message = model_fault(source="hub", hub="google/gemma-2b", revision=revision)
    assert f"revision '{revision}' is not a commit hash" in message
    assert "huggingface_hub.model_info('google/gemma-2b').sha" in message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"source": "hub", "hub": "someone/own", "revision": COMMIT, "trust_remote_code": "someone/else"},
            "trust_remote_code is 'someone/else', but it must be 'someone/own'",
        ),
        (
            {"source": "path", "path": "mine", "trust_remote_code": "yes"},
            "it must be 'mine', the model whose code you have read",
        ),
        (
            {"source": "bundled", "trust_remote_code": "models/primer-base"},
            "source 'bundled' has no code; set it to null",
        ),
        (
            {"source": "path", "path": "mine", "trust_remote_code": True},
            "model.trust_remote_code: must be text",
        ),
    ],
)
def test_code_is_trusted_by_the_name_of_its_model_alone(changes, message):
    assert message in model_fault(**changes)


def test_code_that_is_trusted_by_name_is_no_fault():
    raw = merge_overlay(
        read_starter(),
        {"model": {"source": "hub", "hub": "someone/own", "revision": COMMIT, "trust_remote_code": "someone/own"}},
    )
    assert parse_params(raw, "params.yaml").model.trust_remote_code == "someone/own"
