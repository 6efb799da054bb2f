"""A base from the hub: fetched once, resumed, checked, or refused with what to do. Run: pytest tests/models/test_hub.py"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from base_cases import ROOT, in_shards, refused, run
from loopback import serving
from model_hub import COMMIT, ModelHub
from safetensors.torch import load_file, save_file
from tiny_models import make_tiny_model

from seodang.config.load import merge_overlay, read_yaml
from seodang.errors import ChecksumError
from seodang.models import hub as hub_models
from seodang.models.checkpoints import compute_weights_sha256
from seodang.models.loading import load_tokenizer
from seodang.paths import Paths


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture
def hub(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelHub]:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    model = ModelHub(tiny)
    model.files |= {
        "README.md": b"---\n",
        "pytorch_model.bin": b"pickle",
        "modeling_own.py": b"raise SystemExit",
        "consolidated.safetensors": b"the same again",
    }
    with serving(model.site, model.handler()) as site:
        monkeypatch.setenv("HF_ENDPOINT", site.url)
        yield model


HUB = {"source": "hub", "hub": "someone/tiny", "revision": COMMIT}


def test_a_commit_of_the_hub_is_fetched_without_pickles_code_and_second_copies(hub, tmp_path, tiny):
    report = run(tmp_path, **HUB)
    assert report["weights_sha256"] == compute_weights_sha256(tiny)
    assert report["revision"] == COMMIT
    assert sorted(hub.fetched()) == sorted(file.name for file in tiny.iterdir())
    assert load_tokenizer(Paths(tmp_path).base).eos_token == "<|end|>"


def test_what_was_fetched_once_needs_no_network(hub, tmp_path):
    run(tmp_path, **HUB)
    before = len(hub.site.asked)
    run(tmp_path, **HUB)
    assert len(hub.site.asked) == before


def test_a_model_in_several_files_is_fetched(hub, tmp_path, tiny):
    shards = in_shards(Path(shutil.copytree(tiny, tmp_path / "shards")))
    hub.files = {file.name: file.read_bytes() for file in shards.iterdir()} | {"model-extra.safetensors": b""}
    assert run(tmp_path, **HUB)["weights_sha256"] == compute_weights_sha256(shards)
    assert "model-extra.safetensors" not in hub.fetched()


def test_a_fetch_that_was_interrupted_goes_on_where_it_was(hub, tmp_path, tiny):
    weights = tiny / "model.safetensors"
    part = Paths(tmp_path).downloads / "hub" / "models" / "someone--tiny" / COMMIT / ".model.safetensors.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(weights.read_bytes()[:5000])  # what a killed process leaves
    assert run(tmp_path, **HUB)["weights_sha256"] == compute_weights_sha256(tiny)
    assert [
        asked for method, path, asked in hub.site.asked if method == "GET" and path.endswith("model.safetensors")
    ] == ["bytes=5000-"]
    assert not part.exists()


@pytest.mark.slow
def test_a_fetch_whose_process_was_killed_goes_on(hub, tmp_path, tiny):
    weights = tmp_path / "large.safetensors"
    save_file(
        {**load_file(tiny / "model.safetensors"), "filler": torch.zeros(8_000_000)}, weights, metadata={"format": "pt"}
    )
    hub.files["model.safetensors"] = weights.read_bytes()
    hub.stall_after = 25_000_000
    raw = merge_overlay(
        read_yaml(ROOT / "profiles" / "tiny.yaml"), {"model": {"name": "tiny", "path": None, "sha256": None, **HUB}}
    )
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(raw), "utf-8")
    cache = {"HF_HUB_CACHE": str(tmp_path / "hub-cache")}
    fetching = subprocess.Popen(
        [sys.executable, "-m", "seodang", "stage", "base"], cwd=tmp_path, env={**os.environ, **cache}
    )
    part = Paths(tmp_path).downloads / "hub" / "models" / "someone--tiny" / COMMIT / ".model.safetensors.part"
    assert hub.stalled.wait(60)
    for _ in range(100):
        if part.exists() and part.stat().st_size >= 20_000_000:
            break
        time.sleep(0.1)
    fetching.send_signal(signal.SIGKILL)
    fetching.wait(10)
    arrived = part.stat().st_size
    assert arrived >= 20_000_000
    assert not Paths(tmp_path).base.exists()
    hub.stall_after = None
    hub.site.asked.clear()
    assert run(tmp_path, **HUB)["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert [
        asked for method, path, asked in hub.site.asked if method == "GET" and path.endswith("model.safetensors")
    ] == [f"bytes={arrived}-"]


def test_a_connection_that_breaks_is_taken_up_again(hub, tmp_path, tiny):
    hub.cut_after = 7000
    assert run(tmp_path, **HUB)["weights_sha256"] == compute_weights_sha256(tiny)
    assert hub.fetched().count("model.safetensors") == 2


def test_weights_that_are_not_the_listed_ones_are_removed(hub, tmp_path, tiny):
    listed = hub.tree()
    hub.tree = lambda: listed
    hub.files["model.safetensors"] = b"\1" + hub.files["model.safetensors"][1:]
    assert "model.safetensors of someone/tiny arrived damaged and was removed" in refused(
        tmp_path, ChecksumError, **HUB
    )
    hub.files["model.safetensors"] = (tiny / "model.safetensors").read_bytes()
    run(tmp_path, **HUB)


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (404, "RepoNotFound", "there is no such model, or it is private: check the name, or set HF_TOKEN"),
        (401, "RepoNotFound", "there is no such model, or it is private"),
        (401, "", "the hub refuses access; check HF_TOKEN"),
        (403, "GatedRepo", "access must be asked for on the model's page"),
        (401, "GatedRepo", "access must be asked for on the model's page"),
        (403, "", "the hub refuses access; check HF_TOKEN"),
        (404, "RevisionNotFound", "the model has no such revision; name a commit of its own as model.revision"),
        pytest.param(500, "", "the hub cannot be asked", marks=pytest.mark.slow),  # its library asks six times
    ],
)
def test_a_hub_that_says_no_is_understood(hub, tmp_path, status, code, message):
    hub.error = (status, code)
    found = refused(tmp_path, **HUB)
    assert found.startswith(f"model.hub someone/tiny at {COMMIT}: ")
    assert message in found
    assert hub.site.url not in found


@pytest.mark.slow  # its library asks six times
def test_a_hub_that_is_not_there_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "the hub cannot be asked" in refused(tmp_path, **HUB)


def test_a_model_of_pickles_alone_is_refused_before_anything_is_fetched(hub, tmp_path):
    del hub.files["model.safetensors"]
    assert "has its weights as pickles only (pytorch_model.bin)" in refused(tmp_path, **HUB)
    assert hub.fetched() == []


def test_a_model_too_large_for_the_disk_is_refused_before_anything_is_fetched(hub, tmp_path):
    hub.announced["model.safetensors"] = 10**18
    assert "downloading someone/tiny and copying it needs 2,000,000,000," in refused(tmp_path, **HUB)
    assert hub.fetched() == []


def test_what_was_partly_fetched_needs_room_for_the_rest_and_for_the_copy(hub, tmp_path, monkeypatch):
    needed: list[int] = []
    monkeypatch.setattr(hub_models, "check_space", lambda folder, size, purpose: needed.append(size))
    part = Paths(tmp_path).downloads / "hub" / "models" / "someone--tiny" / COMMIT / ".model.safetensors.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(hub.files["model.safetensors"][:5000])
    run(tmp_path, **HUB)
    run(tmp_path, **HUB)
    assert needed == [
        2 * sum(file.stat().st_size for file in Paths(tmp_path).base.iterdir()) - 5000
    ]  # the second time nothing is fetched


def test_a_disk_that_becomes_full_while_fetching_is_not_blamed_on_the_network(hub, tmp_path):
    part = Paths(tmp_path).downloads / "hub" / "models" / "someone--tiny" / COMMIT / ".model.safetensors.part"
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    message = refused(tmp_path, **HUB)
    assert message.startswith("the disk became full while tiny was fetched or written to ")
    assert "network" not in message


def test_a_token_opens_a_gated_model_and_is_written_nowhere(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_loopback")
    run(tmp_path, **HUB)
    assert set(hub.site.authorization) == {"Bearer hf_loopback"}
    assert not any(b"hf_loopback" in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
