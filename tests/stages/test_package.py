"""Stage `package` on a tiny model. Run: pytest tests/stages/test_package.py"""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from starlette.testclient import TestClient
from tests.constants import ROOT
from tests.fixtures.align_report import REPORT as ALIGN_REPORT

from seodang.config import PackageParams, PromptParams
from seodang.config.load import parse_params
from seodang.config.profiles import read_starter
from seodang.errors import ArtifactError, GateRejected, LicenceRefused, ModelError, ParityError
from seodang.inference.generation import generate
from seodang.inference.prompt_encoder import PromptEncoder
from seodang.io.atomic import compute_sha256
from seodang.io.jsonl import read_json, read_records, write_json, write_records
from seodang.models.adapters import load_adapter
from seodang.models.loading import load_model, load_tokenizer
from seodang.models.tokenization import drop_replacements
from seodang.packaging.bento import MODEL_CARD, NOTICE
from seodang.packaging.model_folder import MANIFEST_NAME, read_manifest
from seodang.packaging.reader_parity import check_plain_reader
from seodang.paths import Paths
from seodang.records import make_record
from seodang.service.http.api_keys import ApiKeys
from seodang.service.model.loading import load_context
from seodang.service.web_app import create_app
from seodang.stages import package as stage

sys.path.insert(0, str(ROOT / "tools"))
import write_bento_requirements

PROMPT = PromptParams(format="koalpaca")
TRAIN = parse_params(read_starter(), "starter.yaml").train
PACKAGE = PackageParams(name="tiny", intended_use=None, parity_prompts=2, parity_tokens=6, max_new_tokens=24)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, make_tiny_adapter, make_tiny_model) -> Path:
    """Return a project with a base and an adapter."""
    paths = Paths(tmp_path_factory.mktemp("trained"))
    make_tiny_adapter(make_tiny_model(paths.base), paths.adapter)
    return paths.root


@pytest.fixture(autouse=True)
def skip_plain_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the process with plain transformers, which takes seconds; tests about it put it back."""
    monkeypatch.setattr(stage, "check_plain_reader", lambda *_, **__: 0)


INGEST_REPORT = {
    "sources": [
        {
            "name": "primer",
            "licence": "Apache-2.0",
            "files": [{"path": "씨앗.jsonl", "sha256": "ab"}],
            "rows_written": 3,
        }
    ]
}
EVALUATE_REPORT: dict[str, Any] = {
    "variants": [
        {
            "name": "tuned",
            "shots": 0,
            "items": 40,
            "accuracy": 0.95,
            "exact_match": None,
            "chrf": None,
            "loss": 1.25,
            "languages": {"ko": {}, "en": {}},
        }
    ],
    "tasks": [],
    "settings": {"frequency_penalty": 0.5},
}
TRAIN_REPORT = {
    "records": {"train": 3, "validation": 3},
    "steps": 9,
    "train_loss": 1.0,
    "validation_loss": 1.5,
}


@pytest.fixture
def paths(trained: Path, tmp_path: Path, bentoml_home: Path, copy_project) -> Paths:
    """Return a project in which all stages up to the gate have run, with the verdict `promote`."""
    paths = Paths(copy_project(tmp_path / "project"))
    paths.artifacts.mkdir()
    (paths.artifacts / "base").symlink_to(Paths(trained).artifacts / "base")
    paths.adapter.parent.mkdir()
    paths.adapter.symlink_to(Paths(trained).adapter)
    records = [
        make_record(instruction=f"{number}번 질문", input="", output="답", source="primer", task="t", cluster="c")
        for number in range(3)
    ]
    for file in (
        paths.records,
        paths.accepted_records,
        *(paths.get_split_path(name) for name in ("train", "validation", "test")),
    ):
        write_records(file, records)
    write_json(paths.ingest_report, INGEST_REPORT)
    write_json(paths.base_report, {"name": "tiny-base"})
    write_json(paths.evaluate_report, EVALUATE_REPORT)
    write_json(paths.train_report, TRAIN_REPORT)
    paths.scores.write_text("{}\n")
    write_json(paths.verdict, build_verdict(paths))
    return paths


def build_verdict(paths: Paths) -> dict[str, Any]:
    checksums = {
        "adapter_sha256": compute_sha256(paths.adapter / "adapter_model.safetensors"),
        "scores_sha256": compute_sha256(paths.scores),
    }
    return {"verdict": "promote", "reasons": [], "accuracy": 0.95, **checksums}


def run(paths: Paths, **changes: Any) -> dict[str, Any]:
    return dict(stage.run(prompt=PROMPT, train=TRAIN, package=PACKAGE.model_copy(update=changes), paths=paths))


def list_tags(tmp_path: Path, kind: str) -> list[str]:
    """Return the tags in one of BentoML's stores."""
    return sorted(
        f"{folder.parent.name}:{folder.name}" for folder in (tmp_path / "bentoml" / kind).glob("*/*") if folder.is_dir()
    )


def test_the_model_answers_with_the_frequency_penalty_of_its_evaluation(paths):
    run(paths)
    assert read_manifest(paths.merged_model).frequency_penalty == 0.5


def test_a_promoted_model_is_merged_stored_and_built(paths, tmp_path):
    report = run(paths)
    assert re.fullmatch(r"tiny:[0-9a-f]{12}", report["model_tag"])
    assert report["bento_tag"] == report["model_tag"]
    assert list_tags(tmp_path, "models") == list_tags(tmp_path, "bentos") == [report["model_tag"]]
    assert report["parity"]["prompts"] == 2
    assert report["weights_sha256"] == compute_sha256(paths.merged_model / "model.safetensors")
    assert {key: value for key, value in read_json(paths.package_report).items() if key != "schema"} == report


@pytest.mark.slow
def test_another_reader_of_the_packaged_folder_gets_the_services_answers(paths, monkeypatch):
    monkeypatch.setattr(stage, "check_plain_reader", check_plain_reader)
    assert run(paths)["parity"]["plain_prompts"] == 2
    settings = read_json(paths.merged_model / "generation_config.json")
    assert (settings["eos_token_id"], settings["max_new_tokens"]) == (read_manifest(paths.merged_model).end_id, 24)
    assert "### 질문" in (paths.merged_model / "chat_template.jinja").read_text("utf-8")


def test_a_folder_that_other_readers_would_ask_otherwise_is_removed(paths, monkeypatch):
    def check_plain_reader(*_: Any, **__: Any) -> int:
        raise ParityError("another prompt")

    monkeypatch.setattr(stage, "check_plain_reader", check_plain_reader)
    with pytest.raises(ParityError, match="another prompt"):
        run(paths)
    assert not list(paths.get_stage_folder("package").iterdir())


def test_a_fully_trained_model_is_packaged_unchanged(paths, make_tiny_model):
    base = paths.base.resolve()
    paths.adapter.unlink()
    make_tiny_model(paths.adapter)
    weights = load_file(paths.adapter / "model.safetensors")
    save_file(
        {name: weight * 1.01 for name, weight in weights.items()},
        paths.adapter / "model.safetensors",
        metadata={"format": "pt"},
    )
    trained = compute_sha256(paths.adapter / "model.safetensors")
    write_json(paths.verdict, {**read_json(paths.verdict), "adapter_sha256": trained})
    report = run(paths)
    assert report["lineage"]["adapter_sha256"] == trained
    assert report["weights_sha256"] != compute_sha256(base / "model.safetensors")
    assert report["parity"]["max_logit_difference"] == 0


def test_the_manifest_has_the_prompt_format_and_the_lineage(paths):
    report = run(paths)
    manifest = read_manifest(paths.merged_model)
    assert (manifest.prompt.format, manifest.max_new_tokens, manifest.fingerprint) == (
        "koalpaca",
        24,
        report["fingerprint"],
    )
    assert manifest.lineage == report["lineage"]
    assert "씨앗.jsonl" in (paths.merged_model / MANIFEST_NAME).read_text("utf-8")


def test_the_model_has_a_model_card_and_the_stored_model_has_the_same(paths, tmp_path):
    tag = run(paths)["model_tag"]
    text = (paths.merged_model / MODEL_CARD).read_text("utf-8")
    assert text.startswith("---\nlicense: ")
    assert "## 5. Verdict" in text
    assert "## 5. 판정" in text
    assert "| primer | Apache-2.0 |" in text
    assert (tmp_path / "bentoml" / "models" / tag.replace(":", "/") / MODEL_CARD).read_text("utf-8") == text


def test_the_lineage_leads_back_to_files_and_licences(paths):
    (paths.root / "dvc.lock").write_text("schema: '2.0'\n")
    lineage = run(paths)["lineage"]
    assert lineage["verdict"] == build_verdict(paths)
    assert lineage["adapter_sha256"] == compute_sha256(paths.adapter / "adapter_model.safetensors")
    assert lineage["splits"] == {
        name: compute_sha256(paths.get_split_path(name)) for name in ("train", "validation", "test")
    }
    assert lineage["sources"] == [
        {"name": "primer", "licence": "Apache-2.0", "files": [{"path": "씨앗.jsonl", "sha256": "ab"}]}
    ]
    assert lineage["base"] == {"name": "tiny-base"}
    assert lineage["terms"] == {"non_commercial": [], "share_alike": [], "unknown": [""]}
    assert lineage["dvc_lock_sha256"] == compute_sha256(paths.root / "dvc.lock")
    assert lineage["git_commit"] is None  # no repository here


def test_the_same_weights_keep_their_tag_and_get_the_newer_lineage(paths, tmp_path):
    first = run(paths)
    subprocess.run(
        "git init -q && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m a",
        shell=True,
        cwd=paths.root,
        check=True,
    )
    second = run(paths)
    assert second["model_tag"] == first["model_tag"]
    assert list_tags(tmp_path, "models") == list_tags(tmp_path, "bentos") == [first["model_tag"]]
    manifest = json.loads(
        (tmp_path / "bentoml" / "models" / first["model_tag"].replace(":", "/") / MANIFEST_NAME).read_text("utf-8")
    )
    assert re.fullmatch(r"[0-9a-f]{40}", manifest["lineage"]["git_commit"])


def test_an_incomplete_model_of_a_killed_run_is_replaced(paths, tmp_path):
    tag = run(paths)["model_tag"]
    weights = tmp_path / "bentoml" / "models" / tag.replace(":", "/") / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    (weights.parent / "model.yaml").unlink()
    assert run(paths)["model_tag"] == tag
    assert compute_sha256(weights) == compute_sha256(paths.merged_model / "model.safetensors")


def test_the_store_has_the_files_and_no_links(paths, tmp_path):
    folder = tmp_path / "bentoml" / "models" / run(paths)["model_tag"].replace(":", "/")
    assert compute_sha256(folder / "model.safetensors") == compute_sha256(paths.merged_model / "model.safetensors")
    assert not any(file.is_symlink() for file in folder.iterdir())


def enlarge(folder: Path, weights: int) -> None:
    """Write a model with one fp32 matrix into a sparse file, which takes no space."""
    header = json.dumps({"w": {"dtype": "F32", "shape": [weights], "data_offsets": [0, 4 * weights]}}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(8 + len(header) + 4 * weights)


def test_a_disk_too_small_for_the_merged_model_and_its_copy_is_an_error_before_anything_is_loaded(
    paths, tmp_path, make_tiny_model
):
    (paths.artifacts / "base").unlink()
    make_tiny_model(paths.base)
    write_json(paths.base_report, {"name": "tiny-base"})
    enlarge(paths.base, 1 << 40)
    with pytest.raises(
        ModelError, match=r"with its copy in .*/bentoml needs 8,796,093,022,208 bytes .* are free at .*free some space"
    ):
        run(paths)
    assert not paths.get_stage_folder("package").exists()


# The message of safetensors 0.8 on a full file system.
FULL = "Error while serializing: I/O error: No space left on device (os error 28)"


def test_a_disk_that_becomes_full_while_merging_is_reported_as_such(paths, monkeypatch):
    def merge(*_: Path) -> None:
        raise SafetensorError(FULL)

    monkeypatch.setattr(stage, "merge", merge)
    with pytest.raises(
        ModelError,
        match=(
            r"the disk became full while the model was packaged in .*package/model and .*/bentoml; .*free some space and"
            r" run the same command again"
        ),
    ):
        run(paths)


@pytest.mark.parametrize("decision", ["reject", "inconclusive"])
def test_a_verdict_other_than_promote_stops_with_the_reasons_and_writes_nothing(paths, tmp_path, decision):
    write_json(
        paths.verdict,
        {
            "verdict": decision,
            "reasons": [
                {"passed": False, "ko": "정확도 0.71 < 0.90", "en": "margin 0.01"},
                {"passed": True, "ko": "문항 수", "en": "items"},
            ],
        },
    )
    with pytest.raises(GateRejected, match=f"(?s){decision}.*nothing is packaged.*margin 0.01"):
        run(paths)
    assert not paths.get_stage_folder("package").exists()
    assert not (tmp_path / "bentoml" / "models").exists()


def test_a_merge_that_answers_differently_is_removed(paths, tmp_path, monkeypatch, make_tiny_adapter):
    other = make_tiny_adapter(paths.base, tmp_path / "other", seed=12)
    merge = stage.merge
    monkeypatch.setattr(stage, "merge", lambda base, adapter, out: merge(base, other, out))
    with pytest.raises(ParityError, match="prompt 1 of 2"):
        run(paths)
    assert not list(paths.get_stage_folder("package").iterdir())
    assert not (tmp_path / "bentoml" / "models").exists()


def test_a_verdict_on_another_adapter_is_refused(paths):
    write_json(paths.verdict, {**build_verdict(paths), "adapter_sha256": "0" * 64})
    with pytest.raises(ArtifactError, match=f"adapter_sha256 {'0' * 64}.*dvc repro gate"):
        run(paths)
    assert not paths.get_stage_folder("package").exists()


def test_the_terms_of_a_non_commercial_source_are_stored_in_both_languages(paths):
    empty = {"name": "empty", "licence": "CC-BY-NC-SA-4.0", "files": [], "rows_written": 0}
    sources = [{"name": "koalpaca", "licence": "CC-BY-NC-4.0", "files": [], "rows_written": 2}, empty]
    write_json(paths.ingest_report, {"sources": sources})
    run(paths)
    assert "CC-BY-NC-SA" not in (paths.merged_model / MODEL_CARD).read_text("utf-8")  # it gave no row
    terms = read_manifest(paths.merged_model).lineage["terms"]
    assert terms["non_commercial"] == ["CC-BY-NC-4.0"]
    assert terms["use_ko"] == "비상업적 이용만 허용: CC-BY-NC-4.0 조건의 데이터나 모델로 만들었습니다"
    assert terms["use_en"] == "non-commercial use only: built from data or a model under CC-BY-NC-4.0"


def test_a_missing_file_of_the_lineage_is_named(paths):
    paths.accepted_records.unlink()
    with pytest.raises(ArtifactError, match=r"accepted\.jsonl .*dvc repro validate"):
        run(paths)
    assert not paths.get_stage_folder("package").exists()


def test_messages_follow_the_language_of_the_terminal(paths, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    paths.accepted_records.unlink()
    with pytest.raises(ArtifactError, match="계보가 완전하지 않습니다"):
        run(paths)


def test_the_bento_installs_the_locked_versions_of_all_packages_that_the_service_imports():
    python = yaml.safe_load((ROOT / "bentofile.yaml").read_text("utf-8"))["python"]
    assert ROOT / python["requirements_txt"] == write_bento_requirements.OUTPUT
    content = write_bento_requirements.OUTPUT.read_text("utf-8")
    assert content == write_bento_requirements.build_requirements(), "run: python tools/write_bento_requirements.py"
    pins = {line.partition("==")[0] for line in content.splitlines() if "==" in line}
    assert {"bentoml", "pydantic", "starlette", "torch", "transformers"} <= pins


def test_the_built_bento_has_the_requirements_and_the_korean_messages(paths, tmp_path):
    bento = tmp_path / "bentoml" / "bentos" / run(paths)["bento_tag"].replace(":", "/")
    expected = write_bento_requirements.OUTPUT.read_text("utf-8")
    written = (bento / "env" / "python" / "requirements.txt").read_text("utf-8")
    assert {line for line in expected.splitlines() if "==" in line} <= set(written.splitlines())
    assert (bento / "src" / "seodang" / "locale" / "ko" / "LC_MESSAGES" / "seodang.mo").exists()


LLAMA = {"name": "llama", "licence": "Llama 3.1 Community License"}
KOALPACA = {
    "sources": [{"name": "koalpaca", "licence": "CC-BY-NC-4.0", "teachers": [], "files": [], "rows_written": 2}]
}


def test_a_use_that_the_licences_forbid_is_not_packaged_and_a_permitted_one_is(paths, tmp_path):
    write_json(paths.base_report, {"name": "tiny-base", "licence": "Apache-2.0"})
    write_json(paths.ingest_report, KOALPACA)
    with pytest.raises(LicenceRefused, match=r"(?s)not packaged.*source koalpaca.*package\.intended_use: research"):
        run(paths, intended_use="commercial")
    assert not paths.get_stage_folder("package").exists()
    assert not (tmp_path / "bentoml" / "models").exists()
    licences = run(paths, intended_use="research")["lineage"]["licences"]
    assert (licences["use"], licences["status"]) == ("research", "allowed")
    card = (paths.merged_model / MODEL_CARD).read_text("utf-8")
    assert "Declared use: research use. By the licences it is allowed." in card
    assert "선언한 용도: 연구 목적 이용. 라이선스에 따른 판정: 허용." in card


def test_a_name_that_breaks_a_naming_duty_is_not_packaged(paths):
    write_json(paths.base_report, LLAMA)
    with pytest.raises(LicenceRefused, match=r"must begin with “Llama”.*package\.name: llama-tiny"):
        run(paths)
    assert not paths.get_stage_folder("package").exists()
    assert run(paths, name="llama-tiny")["bento_tag"].startswith("llama-tiny:")
    card = (paths.merged_model / MODEL_CARD).read_text("utf-8")
    assert "\n# Llama-tiny&#58;" in card  # BentoML's names have no capital letters, the licence's has
    assert "show “Built with Llama”" in card


def test_the_notices_of_licences_lie_beside_the_weights_and_in_the_store(paths, tmp_path):
    write_json(paths.base_report, LLAMA)
    tag = run(paths, name="llama-tiny")["model_tag"]
    text = (paths.merged_model / NOTICE).read_text("utf-8")
    assert text.startswith("Llama 3.1 is licensed under the Llama 3.1 Community License")
    assert (tmp_path / "bentoml" / "models" / tag.replace(":", "/") / NOTICE).read_text("utf-8") == text


def test_a_model_without_required_notices_has_no_file_for_them(paths):
    run(paths)
    assert not (paths.merged_model / NOTICE).exists()


@pytest.fixture
def aligned(paths: Paths, make_tiny_adapter) -> Paths:
    """Return the same project after preference tuning, with a verdict that promotes the aligned model."""
    make_tiny_adapter(paths.base, paths.aligned_adapter, seed=12)
    tuned, candidate = (
        compute_sha256(folder / "adapter_model.safetensors") for folder in paths.list_candidates().values()
    )
    write_json(paths.align_report, {**ALIGN_REPORT, "tuned_sha256": tuned, "adapter_sha256": candidate})
    [variant] = EVALUATE_REPORT["variants"]
    task = {"task": "new", "language": "ko", "split": "unseen", "items": 3, "tuned": 0.125, "aligned": 0.875}
    forgetting = {"task": "old", "language": "ko", "replayed": False, "shared_instructions": 0, "items": 5}
    sides = {name: {"loss": 1.5, "exact_match": 0.5} for name in ("base", "tuned")}
    evaluation = {
        **EVALUATE_REPORT,
        "variants": [variant, {**variant, "name": "aligned", "accuracy": 0.9625}],
        "tasks": [task],
        "forgetting": [{**forgetting, **sides}],
    }
    write_json(paths.evaluate_report, evaluation)
    write_json(paths.verdict, {**build_verdict(paths), "candidate": "aligned", "adapter_sha256": candidate})
    return paths


def merge_by_hand(base: Path, adapter: Path) -> dict[str, Any]:
    """Return the weights of the base, with alpha / rank times B A added where the adapter has both."""
    weights, parts = load_file(base / "model.safetensors"), load_file(adapter / "adapter_model.safetensors")
    config = read_json(adapter / "adapter_config.json")
    for name in [name for name in parts if name.endswith("lora_A.weight")]:
        delta = parts[name.replace("lora_A", "lora_B")] @ parts[name] * config["lora_alpha"] / config["r"]
        weights[name.removeprefix("base_model.model.").replace("lora_A.", "")] += delta
    return weights


def test_the_aligned_adapter_of_the_candidate_is_merged(aligned):
    report = run(aligned)
    merged = load_file(aligned.merged_model / "model.safetensors")
    by_hand, tuned = (merge_by_hand(aligned.base, folder) for folder in (aligned.aligned_adapter, aligned.adapter))
    assert merged.keys() == by_hand.keys()
    assert all(merged[name].allclose(by_hand[name], atol=1e-6) for name in merged)
    assert not all(merged[name].allclose(tuned[name], atol=1e-3) for name in merged)
    assert report["parity"]["prompts"] == 2


def test_the_lineage_of_an_aligned_model_names_method_data_and_the_adapter_before(aligned):
    lineage = run(aligned)["lineage"]
    assert lineage["adapter_sha256"] == compute_sha256(aligned.aligned_adapter / "adapter_model.safetensors")
    alignment = read_manifest(aligned.merged_model).lineage["alignment"]
    assert alignment == lineage["alignment"]
    assert alignment["method"] == "dpo"
    assert alignment["settings"] == {"method": "dpo", "learning_rate": 2e-4}
    assert alignment["tuned_sha256"] == compute_sha256(aligned.adapter / "adapter_model.safetensors")
    assert alignment["input_sha256"] == {"preferences_train": "b" * 64}


def test_the_model_card_of_an_aligned_model_has_its_scores_and_a_section_on_preference_tuning(aligned):
    run(aligned)
    card = html.unescape((aligned.merged_model / MODEL_CARD).read_text("utf-8"))
    assert "### Preference tuning" in card
    assert "### 선호 튜닝" in card
    assert "| learning_rate | 0.0002 |" in card
    assert "pairs 318, rated answers 7, held-out pairs 85, held-out rated answers 0" in card
    assert (
        f"adapter before preference tuning | `{compute_sha256(aligned.adapter / 'adapter_model.safetensors')}`" in card
    )
    metadata = yaml.safe_load(card.split("---")[1])
    assert "dpo" in metadata["tags"]
    assert metadata["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.9625
    assert "| new | ko | 3 | 0.8750 |" in card
    assert "loss, tuned" in card
    assert "loss, this model" not in card


@pytest.mark.slow
def test_the_service_answers_with_the_aligned_model_as_evaluation_does(aligned):
    run(aligned)
    records = list(read_records(aligned.get_split_path("test")))
    context = load_context(aligned.merged_model, "tiny:0123456789ab")
    with TestClient(create_app(context, "", keys=ApiKeys({})), base_url="http://127.0.0.1") as client:
        bodies = [{"instruction": record.instruction, "temperature": 0.0} for record in records]
        served = [client.post("/generate", json=body).json()["output"] for body in bodies]
    encoder = PromptEncoder(load_tokenizer(aligned.base), PROMPT.format)
    model = load_adapter(load_model(aligned.base, "fp32", "cpu"), aligned.aligned_adapter)
    settings = {"end_id": encoder.end_id, "max_new_tokens": 24, "batch_tokens": 512, "frequency_penalty": 0.5}
    answers = generate(model, [encoder.encode_prompt(record) for record in records], **settings)
    texts = [encoder.tokenizer.decode(answer.tokens, skip_special_tokens=True) for answer in answers]
    assert served == [drop_replacements(text).strip() for text in texts]  # as both read an answer
