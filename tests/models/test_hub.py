"""A base from the hub: downloaded once, resumed, checked. Run: pytest tests/models/test_hub.py"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from seodang.config.load import merge_overlay
from seodang.config.profiles import read_starter
from seodang.errors import ChecksumError
from seodang.models import hub as hub_models
from seodang.models.checkpoints import compute_weights_sha256
from seodang.models.loading import load_tokenizer
from seodang.paths import Paths

COMMIT = "ab" * 20  # of the fixture `hub`
HUB = {"source": "hub", "hub": "someone/tiny", "revision": COMMIT}


def test_a_commit_of_the_hub_is_fetched_without_pickles_code_and_second_copies(
    hub, tmp_path, tiny_model, run_base_stage
):
    report = run_base_stage(tmp_path, **HUB)
    assert report["weights_sha256"] == compute_weights_sha256(tiny_model)
    assert report["revision"] == COMMIT
    assert sorted(hub.list_fetched()) == sorted(file.name for file in tiny_model.iterdir())
    assert load_tokenizer(Paths(tmp_path).base).eos_token == "<|end|>"


def test_a_downloaded_model_needs_no_network(hub, tmp_path, run_base_stage):
    run_base_stage(tmp_path, **HUB)
    before = len(hub.site.requests)
    run_base_stage(tmp_path, **HUB)
    assert len(hub.site.requests) == before


def test_a_model_in_several_files_is_fetched(hub, tmp_path, tiny_model, run_base_stage, split_into_shards):
    shards = split_into_shards(Path(shutil.copytree(tiny_model, tmp_path / "shards")))
    hub.files = {file.name: file.read_bytes() for file in shards.iterdir()} | {"model-extra.safetensors": b""}
    assert run_base_stage(tmp_path, **HUB)["weights_sha256"] == compute_weights_sha256(shards)
    assert "model-extra.safetensors" not in hub.list_fetched()


def test_an_interrupted_download_resumes(hub, tmp_path, tiny_model, run_base_stage):
    weights = tiny_model / "model.safetensors"
    part = Paths(tmp_path).downloads / "hub" / "models" / "someone--tiny" / COMMIT / ".model.safetensors.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(weights.read_bytes()[:5000])  # the remains of a killed process
    assert run_base_stage(tmp_path, **HUB)["weights_sha256"] == compute_weights_sha256(tiny_model)
    assert [
        byte_range
        for method, path, byte_range in hub.site.requests
        if method == "GET" and path.endswith("model.safetensors")
    ] == ["bytes=5000-"]
    assert not part.exists()


@pytest.mark.slow
def test_a_download_of_a_killed_process_resumes(hub, tmp_path, tiny_model, run_base_stage):
    weights = tmp_path / "large.safetensors"
    save_file(
        {**load_file(tiny_model / "model.safetensors"), "filler": torch.zeros(8_000_000)},
        weights,
        metadata={"format": "pt"},
    )
    hub.files["model.safetensors"] = weights.read_bytes()
    hub.stall_after = 25_000_000
    raw = merge_overlay(read_starter(), {"model": {"name": "tiny", "path": None, "sha256": None, **HUB}})
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
    hub.site.requests.clear()
    assert run_base_stage(tmp_path, **HUB)["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert [
        byte_range
        for method, path, byte_range in hub.site.requests
        if method == "GET" and path.endswith("model.safetensors")
    ] == [f"bytes={arrived}-"]


def test_a_connection_that_breaks_is_taken_up_again(hub, tmp_path, tiny_model, run_base_stage):
    hub.cut_after = 7000
    assert run_base_stage(tmp_path, **HUB)["weights_sha256"] == compute_weights_sha256(tiny_model)
    assert hub.list_fetched().count("model.safetensors") == 2


def test_weights_that_are_not_the_listed_ones_are_removed(hub, tmp_path, tiny_model, get_base_error, run_base_stage):
    listed = hub.list_files()
    hub.list_files = lambda: listed
    hub.files["model.safetensors"] = b"\1" + hub.files["model.safetensors"][1:]
    assert "the downloaded file model.safetensors of someone/tiny was damaged and is removed" in get_base_error(
        tmp_path, ChecksumError, **HUB
    )
    hub.files["model.safetensors"] = (tiny_model / "model.safetensors").read_bytes()
    run_base_stage(tmp_path, **HUB)


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (404, "RepoNotFound", "there is no such model, or it is private: check the name, or set HF_TOKEN"),
        (401, "RepoNotFound", "there is no such model, or it is private"),
        (401, "", "the hub refuses access; check HF_TOKEN"),
        (403, "GatedRepo", "the model is gated: request access on its page on the hub"),
        (401, "GatedRepo", "the model is gated: request access on its page on the hub"),
        (403, "", "the hub refuses access; check HF_TOKEN"),
        (404, "RevisionNotFound", "the model has no such revision; name an existing commit as model.revision"),
        pytest.param(500, "", "the hub cannot be reached", marks=pytest.mark.slow),  # its library tries six times
    ],
)
def test_each_error_of_the_hub_has_its_own_message(hub, tmp_path, status, code, message, get_base_error):
    hub.error = (status, code)
    error = get_base_error(tmp_path, **HUB)
    assert error.startswith(f"model.hub someone/tiny at {COMMIT}: ")
    assert message in error
    assert hub.site.url not in error


@pytest.mark.slow  # its library tries six times
def test_a_hub_that_cannot_be_reached_is_an_error(tmp_path, monkeypatch, get_base_error):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "the hub cannot be reached" in get_base_error(tmp_path, **HUB)


def test_a_model_with_pickles_only_is_refused_before_anything_is_downloaded(hub, tmp_path, get_base_error):
    del hub.files["model.safetensors"]
    assert "has pickled weights only (pytorch_model.bin)" in get_base_error(tmp_path, **HUB)
    assert hub.list_fetched() == []


def test_a_model_too_large_for_the_disk_is_refused_before_anything_is_fetched(hub, tmp_path, get_base_error):
    hub.announced["model.safetensors"] = 10**18
    assert "downloading someone/tiny and copying it needs 2,000,000,000," in get_base_error(tmp_path, **HUB)
    assert hub.list_fetched() == []


def test_a_partial_download_needs_space_for_the_rest_and_for_the_copy(hub, tmp_path, monkeypatch, run_base_stage):
    needed: list[int] = []
    monkeypatch.setattr(hub_models, "check_space", lambda folder, size, purpose: needed.append(size))
    part = Paths(tmp_path).downloads / "hub" / "models" / "someone--tiny" / COMMIT / ".model.safetensors.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(hub.files["model.safetensors"][:5000])
    run_base_stage(tmp_path, **HUB)
    run_base_stage(tmp_path, **HUB)
    assert needed == [
        2 * sum(file.stat().st_size for file in Paths(tmp_path).base.iterdir()) - 5000
    ]  # the second run downloads nothing


def test_a_full_disk_while_downloading_is_not_reported_as_a_network_error(hub, tmp_path, get_base_error):
    part = Paths(tmp_path).downloads / "hub" / "models" / "someone--tiny" / COMMIT / ".model.safetensors.part"
    part.parent.mkdir(parents=True)
    part.symlink_to("/dev/full")
    message = get_base_error(tmp_path, **HUB)
    assert message.startswith("the disk became full while tiny was downloaded or written to ")
    assert "network" not in message


def test_a_token_gives_access_to_a_gated_model_and_is_stored_nowhere(hub, tmp_path, monkeypatch, run_base_stage):
    monkeypatch.setenv("HF_TOKEN", "hf_loopback")
    run_base_stage(tmp_path, **HUB)
    assert set(hub.site.authorization) == {"Bearer hf_loopback"}
    assert not any(b"hf_loopback" in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
