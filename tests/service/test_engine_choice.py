"""The engine is the one that SEODANG_ENGINE names. Run: pytest tests/service/test_engine_choice.py"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from tests.constants import ROOT

from seodang.errors import SeodangError
from seodang.inference.engine import vllm_loading
from seodang.inference.engine.scheduler import Limits
from seodang.packaging.model_folder import read_manifest
from seodang.service.model import engine_choice
from seodang.service.model.engine_choice import choose_engine, load_engine, read_engine_limits, read_vllm_arguments


@pytest.fixture
def pretend_vllm(monkeypatch):
    monkeypatch.setattr(engine_choice.importlib.util, "find_spec", lambda name: SimpleNamespace(name=name))


@pytest.mark.parametrize("value", [None, "", "transformers"])
def test_transformers_is_the_default(value):
    assert choose_engine({} if value is None else {"SEODANG_ENGINE": value}) == "transformers"


def test_an_unknown_engine_is_refused_with_the_names():
    with pytest.raises(SeodangError, match="one of transformers, vllm"):
        choose_engine({"SEODANG_ENGINE": "tgi"})


def test_without_vllm_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(engine_choice.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(SeodangError, match=r"pip install -r requirements-vllm\.txt"):
        choose_engine({"SEODANG_ENGINE": "vllm"})
    assert (ROOT / "requirements-vllm.txt").exists()


@pytest.mark.parametrize("value", ["{", "[]", "fp16"])
def test_arguments_that_are_no_object_are_refused(pretend_vllm, value):
    with pytest.raises(SeodangError, match="SEODANG_VLLM_ARGS must be a JSON object"):
        choose_engine({"SEODANG_ENGINE": "vllm", "SEODANG_VLLM_ARGS": value})


def test_arguments_are_those_of_the_variable():
    assert read_vllm_arguments({"SEODANG_VLLM_ARGS": '{"dtype": "bfloat16"}'}) == {"dtype": "bfloat16"}
    assert read_vllm_arguments({}) == {}


def test_vllm_gets_the_folder_the_end_tokens_and_the_arguments(pretend_vllm, packaged_model, monkeypatch):
    calls = []
    monkeypatch.setattr(
        vllm_loading, "load_vllm_engine", lambda *arguments, **options: calls.append((arguments, options)) or "engine"
    )
    monkeypatch.setenv("SEODANG_ENGINE", "vllm")
    monkeypatch.setenv("SEODANG_VLLM_ARGS", '{"dtype": "bfloat16"}')
    monkeypatch.setenv("SEODANG_STEP_SECONDS", "20")
    manifest = read_manifest(packaged_model)
    assert load_engine(packaged_model, manifest) == "engine"
    (((folder, stop_ids, adapters, limits), options),) = calls
    assert (folder, stop_ids[0], adapters) == (packaged_model, manifest.end_id, {})
    assert (limits, options) == (Limits(step_seconds=20.0), {"changes": {"dtype": "bfloat16"}})


def test_two_engines_on_vllm_share_the_memory(pretend_vllm, packaged_model, monkeypatch):
    changes = []
    monkeypatch.setattr(vllm_loading, "load_vllm_engine", lambda *_arguments, **options: changes.append(options))
    monkeypatch.setenv("SEODANG_ENGINE", "vllm")
    load_engine(packaged_model, read_manifest(packaged_model), is_alone=False)
    monkeypatch.setenv("SEODANG_VLLM_ARGS", '{"gpu_memory_utilization": 0.3}')
    load_engine(packaged_model, read_manifest(packaged_model), is_alone=False)
    assert [each["changes"]["gpu_memory_utilization"] for each in changes] == [0.45, 0.3]


def test_the_time_of_a_step_is_that_of_the_variable():
    assert read_engine_limits({}).step_seconds == read_engine_limits({"SEODANG_STEP_SECONDS": ""}).step_seconds == 300
    assert read_engine_limits({"SEODANG_STEP_SECONDS": "1.5"}).step_seconds == 1.5


@pytest.mark.parametrize("value", ["0", "0.5", "-3", "x", "nan", "inf", "86401"])
def test_a_time_of_a_step_that_makes_no_sense_is_refused(value):
    with pytest.raises(SeodangError, match="SEODANG_STEP_SECONDS must be a number of seconds from 1 to 86400"):
        choose_engine({"SEODANG_STEP_SECONDS": value})


def test_the_requirements_of_vllm_have_the_versions_of_the_bento():
    lines = (ROOT / "requirements-vllm.txt").read_text("utf-8").splitlines()
    pins = {line for line in lines if "==" in line and not line.startswith(("#", "vllm"))}
    bento = (ROOT / "src" / "seodang" / "packaging" / "bento_requirements.txt").read_text("utf-8").splitlines()
    assert pins
    assert pins <= set(bento)
