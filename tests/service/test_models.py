"""Several models in one service: adapters of one base, the base, and the packaged model."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
from starlette.testclient import TestClient

from seodang.errors import SeodangError
from seodang.inference.engine import vllm_loading
from seodang.inference.engine.contract import SamplingOptions, TokenRequest
from seodang.io import file_digests
from seodang.io.atomic import compute_sha256
from seodang.models.adapters import ADAPTER, load_adapter
from seodang.models.checkpoints import compute_weights_sha256
from seodang.models.loading import load_tokenizer
from seodang.packaging.model_folder import load_inference_model
from seodang.prompting import compute_fingerprint
from seodang.service.context import ServiceContext
from seodang.service.lifecycle import engine_start
from seodang.service.model import engine_choice
from seodang.service.model.adapter_engine import AdapterEngine
from seodang.service.model.extra_models import check_models
from seodang.service.model.loading import check_packaged_model, load_context
from seodang.service.model.model_sources import ModelSources, read_model_sources

QUESTION = {"instruction": "다음 영화 감상의 감정을 분석하세요.", "input": "이 영화는 너무 지루해"}


class Folders(NamedTuple):
    base: Path
    first: Path
    second: Path


@pytest.fixture(scope="module")
def write_adapter(make_tiny_adapter):
    def write_adapter(base: Path, folder: Path, seed: int, format: Any = "koalpaca") -> Path:
        """Write an adapter and its report as stage `train` does; return the folder of the stage."""
        adapter = make_tiny_adapter(base, folder / "adapter", seed)
        report = {
            "adapter_sha256": compute_sha256(adapter / ADAPTER),
            "base_sha256": compute_weights_sha256(base),
            "prompt_fingerprint": compute_fingerprint(format, load_tokenizer(base)),
        }
        (folder / "report.json").write_text(json.dumps(report), "utf-8")
        return folder

    return write_adapter


@pytest.fixture(scope="module")
def folders(tmp_path_factory, make_tiny_model, write_adapter) -> Folders:
    root = tmp_path_factory.mktemp("models")
    base = make_tiny_model(root / "base")
    return Folders(base, write_adapter(base, root / "a", 11), write_adapter(base, root / "b", 12, "plain"))


@pytest.fixture(scope="module")
def several(packaged_model, folders):
    sources = ModelSources(folders.base, "plain", {"first": folders.first, "v1.2-second": folders.second})
    context = load_context(packaged_model, "tiny:0123456789ab", sources=sources)
    yield context
    asyncio.run(context.close(0))


@pytest.fixture(scope="module")
def models(several, build_client):
    with build_client(several) as client:
        yield client


def ask(client: TestClient, model: str | None, **fields: Any) -> Any:
    request = {**QUESTION, "max_new_tokens": 12, **fields}
    reply = client.post("/generate", json=request if model is None else {**request, "model": model})
    assert reply.status_code == 200, reply.text
    return reply.json()


async def read_tokens(several: ServiceContext, name: str, prompt: list[int], count: int = 12) -> list[int | None]:
    """Return the greedy tokens of one of several models; no token ends the answer."""
    request = TokenRequest(tuple(prompt), SamplingOptions(max_new_tokens=count, stop_ids=frozenset({10**6})))
    return [step.token async for step in several.select_model(name).engine.submit(request)]


def answer_alone(folder: Path, adapter: Path | None, prompt: list[int], count: int) -> list[int]:
    """Return the greedy tokens of transformers, with a model of their own."""
    import torch

    model = load_inference_model(folder, "cpu")
    tuned: Any = model if adapter is None else load_adapter(model, adapter / "adapter")
    with torch.inference_mode():
        output = tuned.generate(input_ids=torch.tensor([prompt]), max_new_tokens=count, do_sample=False, pad_token_id=0)
    return output[0, len(prompt) :].tolist()


def test_the_list_of_models_names_the_packaged_one_the_base_and_its_adapters(models):
    listed = models.get("/v1/models").json()["data"]
    base = listed[1]
    assert [model["id"].partition(":")[0] for model in listed] == ["tiny", "base", "first", "v1.2-second"]
    assert [model["parent"] for model in listed] == [None, None, base["id"], base["id"]]
    assert {model["owned_by"] for model in listed} == {"seodang"}
    assert len({model["id"] for model in listed}) == 4
    for model in listed:
        assert models.get(f"/v1/models/{model['id']}").json() == model
        assert models.get(f"/v1/models/{model['id'].partition(':')[0]}").json() == model


def test_each_model_answers_with_its_own_weights_and_prompts(models, several, folders):
    adapters = {"base": None, "first": folders.first, "v1.2-second": folders.second}
    for name, adapter in adapters.items():
        model = several.select_model(name).model
        prompt = model.encode_request(**QUESTION)
        expected = answer_alone(folders.base, adapter, prompt, 12)
        assert asyncio.run(read_tokens(several, name, prompt, len(expected))) == expected
        request = {"model": name, "prompt": prompt, "max_tokens": len(expected), "logprobs": 0, "ignore_eos": True}
        choice = models.post("/v1/completions", json=request).json()["choices"][0]
        texts = several.select_model(name).texts
        assert choice["logprobs"]["tokens"] == list(map(texts.get_text, expected))
    formats = [context.model.manifest.prompt.format for context in several.list_models()]
    assert formats == ["koalpaca", "plain", "koalpaca", "plain"]


def test_without_a_name_the_packaged_model_answers(models):
    unnamed, named = ask(models, None), ask(models, "tiny")
    assert unnamed.pop("id") != named.pop("id")
    assert unnamed == named
    assert unnamed["model"] == "tiny:0123456789ab"


def test_alternating_and_concurrent_requests_get_the_answers_of_each_model_alone(several):
    """The same tokens in all models: a prefix cache that did not separate adapters would give the first one's."""
    names = ["base", "first", "v1.2-second"]
    prompt = several.select_model("first").model.encode_request(QUESTION["instruction"] * 2, QUESTION["input"])

    async def read(name: str) -> list[int | None]:
        return await read_tokens(several, name, prompt)

    async def use() -> tuple[dict[str, list[Any]], list[list[Any]], list[list[Any]]]:
        alone = {name: await read(name) for name in names}
        alternating = [await read(name) for name in names * 3]
        return alone, alternating, await asyncio.gather(*(read(name) for name in names * 6))

    before = several.select_model("base").engine.get_status().prefix_hits
    alone, alternating, concurrent = asyncio.run(use())
    assert len({tuple(tokens) for tokens in alone.values()}) == 3
    assert alternating == [alone[name] for name in names * 3]
    assert concurrent == [alone[name] for name in names * 6]
    assert several.select_model("base").engine.get_status().prefix_hits > before


def test_concurrent_requests_over_http_reach_their_models(models):
    names = ["base", "first", "v1.2-second", "tiny"] * 6

    def complete(name: str) -> list[str]:  # an untrained model writes half characters, which no text has
        request = {"model": name, "prompt": "가나다", "max_tokens": 8, "logprobs": 0, "ignore_eos": True}
        tokens: list[str] = models.post("/v1/completions", json=request).json()["choices"][0]["logprobs"]["tokens"]
        return tokens

    alone = {name: complete(name) for name in set(names)}
    assert len(set(map(tuple, alone.values()))) == 4
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(complete, names)) == [alone[name] for name in names]


def test_adapters_and_base_share_one_engine(several):
    engines = {id(context.engine.shared) for context in several.other_models}  # type: ignore[attr-defined]
    assert len(engines) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/generate", QUESTION),
        ("/batch", {"records": [QUESTION]}),
        ("/choose", {**QUESTION, "options": ["긍정", "부정"]}),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "가"}]}),
        ("/v1/completions", {"prompt": "가"}),
        ("/tokenize", {"prompt": "가"}),
        ("/detokenize", {"tokens": [1]}),
    ],
)
def test_every_route_chooses_the_model_and_refuses_an_unknown_one(models, several, path, body):
    reply = models.post(path, json={**body, "model": "first"})
    assert reply.status_code == 200
    if "tokenize" not in path:
        assert reply.json()["model"] == several.select_model("first").model.tag
    unknown = models.post(path, json={**body, "model": "third"})
    assert unknown.status_code == 404
    assert (unknown.json()["error"]["param"], unknown.json()["error"]["code"]) == ("model", "model_not_found")


def test_lineage_and_tokenizer_are_those_of_the_named_model(models, folders, several):
    lineage = models.get("/lineage?model=first").json()
    assert lineage["model"] == several.select_model("first").model.tag
    assert lineage["adapter_sha256"] == compute_sha256(folders.first / "adapter" / ADAPTER)
    assert lineage["base"]["weights_sha256"] == compute_weights_sha256(folders.base)
    assert models.get("/tokenizer_info?model=first").status_code == 200
    for path in ("/lineage?model=third", "/tokenizer_info?model=third", "/v1/models/third"):
        assert models.get(path).json()["error"]["code"] == "model_not_found"


def test_an_adapter_shows_the_licences_of_its_base_and_its_sources(tmp_path, folders, build_client, several):
    project = tmp_path / "artifacts"
    shutil.copytree(folders.base, project / "base" / "model")
    sha256 = compute_weights_sha256(folders.base)
    (project / "base" / "report.json").write_text(
        json.dumps({"name": "primer", "licence": "Apache-2.0", "weights_sha256": sha256})
    )
    shutil.copytree(folders.first, project / "train")
    (project / "prepare").mkdir()
    (project / "prepare" / "train.jsonl").write_text("{}\n")
    report = json.loads((project / "train" / "report.json").read_text())
    report["input_sha256"] = {"train": compute_sha256(project / "prepare" / "train.jsonl")}
    (project / "train" / "report.json").write_text(json.dumps(report))
    (project / "ingest").mkdir()
    sources = [{"name": "s", "licence": "CC-BY-NC-4.0", "files": [], "rows_written": 1}]
    (project / "ingest" / "manifest.json").write_text(json.dumps({"sources": sources}))
    checked = check_models(ModelSources(project / "base" / "model", None, {"own": project / "train"}), "tiny")
    assert checked is not None
    from seodang.service.model.extra_models import load_models

    base, own = load_models(checked, 12)
    try:
        described = build_client(replace(several, other_models=(base, own))).get("/v1/models/own").json()
    finally:
        asyncio.run(own.close(0))
    assert described["licences"] == ["Apache-2.0", "CC-BY-NC-4.0"]
    assert described["root"] == "primer"


def test_all_errors_are_reported_at_once_before_any_weights_are_loaded(
    tmp_path, folders, write_adapter, make_other_model, monkeypatch
):
    def copy(name: str) -> Path:
        return Path(shutil.copytree(folders.first, tmp_path / name))

    pickled, full, other, changed, promptless, reportless = map(copy, ("p", "f", "o", "c", "q", "r"))
    (pickled / "adapter" / ADAPTER).rename(pickled / "adapter" / "adapter_model.bin")
    (full / "adapter" / ADAPTER).rename(full / "adapter" / "model.safetensors")
    other_base = make_other_model(tmp_path / "gpt2", "gpt2")
    shutil.rmtree(other)
    write_adapter(other_base, other, 3)
    layers, shapes = Path(shutil.copytree(other, tmp_path / "l")), copy("s")
    edit(layers / "report.json", base_sha256=None)
    edit(shapes / "adapter" / "adapter_config.json", r=8)
    edit(changed / "report.json", adapter_sha256="0" * 64)
    edit(promptless / "report.json", prompt_fingerprint="0" * 64)
    (reportless / "report.json").unlink()
    soft = copy("soft")
    edit(soft / "adapter" / "adapter_config.json", peft_type="PROMPT_TUNING")
    damaged = copy("d")
    (damaged / "adapter" / "adapter_config.json").write_text("{")
    adapters = {
        "pickled": pickled,
        "full": full,
        "other": other,
        "layers": layers,
        "shapes": shapes,
        "changed": changed,
        "tiny": copy("t"),
        "promptless": promptless,
        "reportless": reportless,
        "soft": soft,
        "damaged": damaged,
        "gone": tmp_path / "gone",
    }
    monkeypatch.setattr("seodang.service.model.shared_engine.load_inference_model", None)
    with pytest.raises(SeodangError) as raised:
        check_models(ModelSources(folders.base, None, adapters), "tiny")
    lines = dict(line.split(": ", 1) for line in str(raised.value).splitlines()[1:])
    expected = {
        "pickled": "pickled weights only (adapter_model.bin)",
        "full": "a full model, not an adapter",
        "other": "trained on a base with sha256",
        "layers": "it does not fit the base: Target modules",
        "shapes": "its weights do not fit the base",
        "changed": "another adapter",
        "tiny": "another model has this name",
        "promptless": "renders none of its prompts",
        "reportless": "no report.json",
        "soft": "PROMPT_TUNING",
        "damaged": "adapter_config.json cannot be read",
        "gone": "there is no folder",
    }
    assert lines.keys() == expected.keys()
    for name, text in expected.items():
        assert text in lines[name]


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **values}), "utf-8")


def test_a_missing_base_is_an_error_at_start(tmp_path, folders):
    with pytest.raises(SeodangError, match="base: "):
        check_models(ModelSources(tmp_path, None, {"first": folders.first}), "tiny")


def test_the_base_gets_the_prompt_that_was_best_in_its_evaluation(tmp_path, folders):
    base = Path(shutil.copytree(folders.base, tmp_path / "base" / "model"))
    formats = [read_base_format(base)]
    (tmp_path / "evaluate").mkdir()
    evaluation = {"best": {"zero_shot": "zero_shot/b"}, "formats": {"zero_shot/b": {"format": "alpaca"}}}
    (tmp_path / "evaluate" / "report.json").write_text(json.dumps(evaluation))
    formats += [read_base_format(base), read_base_format(base, "koalpaca")]
    assert formats == ["chat", "alpaca", "koalpaca"]


def read_base_format(base: Path, format: Any = None) -> str:
    checked = check_models(ModelSources(base, format), "tiny")
    assert checked is not None
    return checked.format


def test_the_environment_names_base_and_adapters():
    sources = read_model_sources(
        {"SEODANG_BASE_MODEL": "b", "SEODANG_ADAPTERS": "x=one, y=two/adapter", "SEODANG_BASE_FORMAT": "plain"}
    )
    assert sources == ModelSources(Path("b"), "plain", {"x": Path("one"), "y": Path("two/adapter")})
    assert read_model_sources({}) == ModelSources()


def test_every_error_of_the_environment_is_named():
    environment = {"SEODANG_ADAPTERS": "x=a,x=b,base=c,한글=d,e,f=", "SEODANG_BASE_FORMAT": "poem"}
    with pytest.raises(SeodangError) as raised:
        read_model_sources(environment)
    lines = str(raised.value).splitlines()[1:]
    assert len(lines) == 7
    for line, text in zip(lines, ["x:", "base:", "한글=d", "'e'", "'f='", "SEODANG_BASE_MODEL", "'poem'"], strict=True):
        assert text in line


def test_the_command_passes_adapters_and_base_to_the_workers(tmp_path, monkeypatch):
    from seodang.cli.serve import _name_models
    from seodang.paths import Paths

    for name in ("SEODANG_BASE_MODEL", "SEODANG_ADAPTERS"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    _name_models(Paths(tmp_path), ["own=artifacts/train"], base=False)
    assert read_model_sources(os.environ) == ModelSources(
        tmp_path / "artifacts/base/model", None, {"own": tmp_path / "artifacts/train"}
    )
    with pytest.raises(SeodangError, match="NAME=FOLDER"):
        _name_models(Paths(tmp_path), ["own"], base=False)


def test_a_source_without_files_and_licence_is_left_out_of_the_licences(served, build_client):
    manifest = served.model.manifest
    sources = [
        {"name": "news", "licence": "CC-BY-4.0", "files": ["news.jsonl"]},
        {"name": "own", "licence": "unknown", "files": []},
    ]
    lineage = {"base": {"name": "tiny", "licence": "Apache-2.0"}, "sources": sources}
    model = replace(served.model, manifest=manifest.model_copy(update={"lineage": lineage}))
    described = build_client(replace(served, model=model)).get("/v1/models").json()["data"][0]
    assert described["licences"] == ["Apache-2.0", "CC-BY-4.0"]


def test_no_large_file_is_read_twice_for_its_checksum(packaged_model, folders, monkeypatch):
    """The command checks the models before its worker does, and the version of the base needs its checksum again."""
    reads = []
    compute, now = file_digests.compute_sha256, file_digests.time.time_ns
    monkeypatch.setattr(file_digests, "compute_sha256", lambda path: reads.append(path.resolve()) or compute(path))
    monkeypatch.setattr(file_digests, "_known", {})
    monkeypatch.setattr(file_digests, "_MIN_BYTES", 1)
    monkeypatch.setattr(file_digests.time, "time_ns", lambda: now() + 10 * 10**9)
    sources = ModelSources(folders.base, "plain", {"first": folders.first})
    check_models(sources, "tiny")
    check_packaged_model(packaged_model)
    context = load_context(packaged_model, "tiny:0123456789ab", sources=sources)
    asyncio.run(context.close(0))
    assert len(reads) == len(set(reads))
    for model in (packaged_model / "model.safetensors", folders.base / "model.safetensors"):
        assert model.resolve() in reads


@pytest.fixture
def vllm(monkeypatch):
    """Stands in for vLLM; returns the arguments with which it was loaded."""
    loaded = []

    def load(folder, stop_ids, adapters, limits, *, changes):
        loaded.append((folder, list(stop_ids), dict(adapters), changes))
        return SimpleNamespace(context_length=77)

    monkeypatch.setattr(engine_choice.importlib.util, "find_spec", lambda name: SimpleNamespace(name=name))
    monkeypatch.setattr(vllm_loading, "load_vllm_engine", load)
    monkeypatch.setenv("SEODANG_ENGINE", "vllm")
    return loaded


def test_vllm_serves_the_same_models_under_the_same_tags(packaged_model, folders, several, vllm):
    sources = ModelSources(folders.base, "plain", {"first": folders.first, "v1.2-second": folders.second})
    context = load_context(packaged_model, "tiny:0123456789ab", sources=sources)
    (packaged, _ids, none, _changes), (base, stop_ids, adapters, changes) = vllm
    assert (packaged, none, base) == (packaged_model, {}, folders.base)
    assert adapters == {"adapter0": folders.first / "adapter", "adapter1": folders.second / "adapter"}
    assert changes == {"gpu_memory_utilization": 0.45}
    assert context.other_models[0].engine._stop_ids == frozenset(stop_ids)
    assert [each.engine.adapter for each in context.other_models] == [None, "adapter0", "adapter1"]
    assert len({id(each.engine.shared) for each in context.other_models}) == 1
    assert {each.model.context_length for each in context.list_models()} == {77}
    for each, expected in zip(context.list_models(), several.list_models(), strict=True):
        assert (each.model.tag, each.model.manifest) == (expected.model.tag, expected.model.manifest)


def test_an_adapter_that_vllm_does_not_compute_is_refused_before_anything_is_loaded(tmp_path, folders, vllm):
    biased = Path(shutil.copytree(folders.first, tmp_path / "biased"))
    edit(biased / "adapter" / "adapter_config.json", bias="all")
    with pytest.raises(SeodangError, match=r"biased: vLLM computes no adapters with bias$"):
        check_models(ModelSources(folders.base, None, {"first": folders.first, "biased": biased}), "tiny")
    assert vllm == []


def test_engines_start_once_and_an_error_ends_the_process(several, monkeypatch):
    starts, ends = [], []

    @dataclass
    class Starting:
        error: Exception | None = None

        async def start(self):
            starts.append(self)
            if self.error is not None:
                raise self.error

        async def close(self, timeout):
            ends.append("closed")

    def serve(engine):
        shared = tuple(replace(several, engine=AdapterEngine(engine, name, [1]), other_models=()) for name in "ab")
        return replace(several, other_models=shared)

    monkeypatch.setattr(AdapterEngine, "__init__", lambda self, engine, *_rest: setattr(self, "shared", engine))
    monkeypatch.setattr(engine_start, "stop_process", ends.append)
    good, bad = Starting(), Starting(SeodangError("no\nsuch layer"))
    asyncio.run(engine_start.start_engines_or_stop(serve(good)))
    assert (starts, ends) == ([good], [])
    context = serve(bad)
    asyncio.run(engine_start.start_engines_or_stop(replace(context, engine=bad)))
    assert ends[-1] == "the model cannot be loaded: no such layer"
    assert "closed" in ends
