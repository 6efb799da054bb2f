"""A plan against a run: tensors that autograd keeps, layers counted by hand, errors of a run."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.cells import cell_len
from tests.constants import ROOT
from transformers import AutoModelForCausalLM, Gemma3TextConfig, GemmaConfig, LlamaConfig, Qwen3Config

from seodang.cli.main import main
from seodang.cli.plan_format import format_plan
from seodang.cli.plan_machine import parse_memory
from seodang.config import TrainParams
from seodang.config.load import load_params, merge_overlay
from seodang.config.profiles import load_profile, read_starter, resolve_overlay
from seodang.errors import ModelError
from seodang.io.jsonl import write_json, write_records
from seodang.models.base import describe_origin
from seodang.models.loading import load_model, load_tokenizer
from seodang.models.methods import NF4_BYTES
from seodang.paths import Paths
from seodang.training.assembly import assemble_model, select_kernels
from seodang.training.example_tokenizer import TokenizedExample
from seodang.training.kernels.chunked_loss import patch_completion_loss
from seodang.training.kernels.packed_attention import use_packed_attention
from seodang.training.packing import PackingConfig, build_micro_batch
from seodang.training.planning import activations
from seodang.training.planning.activations import trace_micro_batch
from seodang.training.planning.base import Base
from seodang.training.planning.machine import Machine
from seodang.training.planning.memory import estimate_memory
from seodang.training.planning.meta_model import build_meta_model, compute_weight_sizes
from seodang.training.planning.micro_batches import MicroBatchShape, count_micro_batches, estimate_worst_case
from seodang.training.planning.plan import make_plan
from seodang.training.planning.plan_json import serialize_plan
from seodang.training.planning.sampling import sample_records
from seodang.training.planning.shipped_configs import find_shipped_config
from seodang.training.planning.suggestions import suggest_changes
from seodang.training.planning.time import Speed, estimate_duration
from seodang.training.trainer_args import build_packing_config, is_mixed_precision

_SIZES = {
    "vocab_size": 500,
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}
_CONFIGS = {
    "llama": LlamaConfig(**_SIZES),
    "qwen3": Qwen3Config(**_SIZES, head_dim=32),
    "gemma3": Gemma3TextConfig(
        **_SIZES, head_dim=32, layer_types=["sliding_attention"] * 3 + ["full_attention"], sliding_window=512
    ),
}
_LLAMA_8B = LlamaConfig(
    vocab_size=128256,
    hidden_size=4096,
    intermediate_size=14336,
    num_hidden_layers=32,
    num_attention_heads=32,
    num_key_value_heads=8,
    max_position_embeddings=131072,
    dtype="bfloat16",
)
_GEMMA_2B = GemmaConfig(
    vocab_size=256000,
    hidden_size=2048,
    intermediate_size=16384,
    num_hidden_layers=18,
    num_attention_heads=8,
    num_key_value_heads=1,
    head_dim=256,
    max_position_embeddings=8192,
    dtype="bfloat16",
)
_GIGABYTE = 10**9


def _make_examples(count: int, length: int) -> list[TokenizedExample]:
    draw = np.random.default_rng(3)
    loss_mask = np.arange(length) >= length // 2
    return [TokenizedExample(draw.integers(3, 500, length).astype(np.int32), loss_mask) for _ in range(count)]


def _measure_kept_bytes(config, train, part) -> int:
    """Return the bytes that autograd keeps of one micro-batch, without weights, each storage counted once."""
    model = AutoModelForCausalLM.from_config(
        copy.deepcopy(config), dtype=torch.bfloat16 if train.precision == "bf16" else torch.float32
    )
    patch_completion_loss(model)
    if train.packing:
        use_packed_attention(model)
    tuned = assemble_model(model, train, select_kernels(train)).tuned_model
    tuned.train()
    weights = {weight.untyped_storage().data_ptr() for weight in (*tuned.parameters(), *tuned.buffers())}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=is_mixed_precision(train)),
    ):
        tuned(**part.build_inputs())
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.slow
@pytest.mark.parametrize("family", _CONFIGS)
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"precision": "bf16"},
        {"dropout": 0.1},
        {"method": "dora", "precision": "bf16"},
        {"method": "full"},
        {"packing": False},
    ],
    ids=["lora", "bf16", "dropout", "dora", "full", "padded"],
)
def test_the_activations_of_a_plan_are_those_that_autograd_keeps(family, changes, build_train_params):
    train = build_train_params(**changes)
    part = build_micro_batch(
        _make_examples(6, 40),
        PackingConfig(
            tokens_per_micro_batch=256,
            packed=train.packing,
            share_prefixes=False,
            pad_token_id=0,
            pad_to_multiple_of=32,
        ),
    )
    groups = tuple((group.shape[0], group.shape[1]) for group in part.attention_rows) or (tuple(part.input_ids.shape),)
    shape = MicroBatchShape(groups, part.input_ids.numel(), len(part.label_positions), train.packing)
    planned = trace_micro_batch(_CONFIGS[family], train, shape, autocast=is_mixed_precision(train)).activations
    assert planned == pytest.approx(_measure_kept_bytes(_CONFIGS[family], train, part), rel=0.15)


def test_a_deep_model_is_extrapolated_from_its_first_layers(monkeypatch, build_train_params):
    config = Qwen3Config(**{**_SIZES, "num_hidden_layers": 5}, head_dim=32)
    shape = MicroBatchShape(((4, 50),), 200, 100, True)
    extrapolated = trace_micro_batch(config, build_train_params(), shape, autocast=False)
    monkeypatch.setattr(activations, "_TRACED_LAYERS", (2, 5))
    full = trace_micro_batch(config, build_train_params(), shape, autocast=False)
    assert (extrapolated.activations, extrapolated.peak, extrapolated.flops) == pytest.approx(
        (full.activations, full.peak, full.flops), rel=0.01
    )


@pytest.mark.slow
def test_checkpointing_keeps_little_and_computes_a_third_more(build_train_params):
    shape = MicroBatchShape(((4, 50),), 200, 100, True)
    config = LlamaConfig(**{**_SIZES, "num_hidden_layers": 12})
    plain, checked = (
        trace_micro_batch(config, build_train_params(activation_checkpointing=flag), shape, autocast=False)
        for flag in (False, True)
    )
    assert checked.activations < 0.2 * plain.activations
    assert checked.peak < 0.4 * plain.peak
    assert 1.2 < checked.flops / plain.flops < 1.6


def test_weights_are_counted_as_the_layers_say(build_train_params):
    config = LlamaConfig(**_SIZES, tie_word_embeddings=False)
    layer = 64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 160  # q and o, k and v of half the heads, gate, up and down
    base = 4 * layer + 2 * 500 * 64 + (2 * 4 + 1) * 64  # and embeddings, head, norms
    train = build_train_params(target_modules=["q_proj", "down_proj"], rank=4)
    found = compute_weight_sizes(build_meta_model(config, train, None), train)
    assert (found.parameters, found.trainable, found.adapted_layers) == (base, 4 * 4 * ((64 + 64) + (160 + 64)), 8)
    assert (found.base_bytes, found.trainable_bytes, found.largest_linear) == (4 * base, 4 * found.trainable, 64 * 160)
    full = build_train_params(method="full")
    assert compute_weight_sizes(build_meta_model(config, full, None), full).trainable == base
    four_bit = build_train_params(method="qlora", precision="bf16")
    assert compute_weight_sizes(build_meta_model(config, four_bit, None), four_bit).base_bytes == round(
        4 * layer * NF4_BYTES + 2 * (base - 4 * layer)
    )


@pytest.mark.slow
def test_four_bit_weights_take_what_is_planned(tmp_path, build_train_params, make_tiny_model):
    folder = make_tiny_model(tmp_path / "base")
    model = load_model(folder, "fp32", "cpu", load_in_4bit=True)
    scales = [
        part.weight.quant_state for part in model.modules() if hasattr(getattr(part, "weight", None), "quant_state")
    ]
    scale_bytes = [state.absmax.nbytes + state.state2.absmax.nbytes for state in scales]
    used = sum(weight.nbytes for weight in model.parameters()) + sum(scale_bytes)
    train = build_train_params(method="qlora")
    assert compute_weight_sizes(build_meta_model(model.config, train, None), train).base_bytes == pytest.approx(
        used, rel=0.05
    )


def _gpu_memory(profile: str, config) -> dict[str, int]:
    folder = ROOT / "profiles"
    train = TrainParams.model_validate(merge_overlay(read_starter(), resolve_overlay(profile, folder))["train"])
    micro_batches = estimate_worst_case(train, build_packing_config(train, packed=True, pad_token_id=0))
    trace = trace_micro_batch(config, train, micro_batches.largest, autocast=is_mixed_precision(train))
    weights = compute_weight_sizes(build_meta_model(config, train, None), train)
    memory = estimate_memory(
        weights, trace, micro_batches, train, device="cuda", process_bytes=0, file_bytes=0, converted=True
    )
    print(
        profile,
        {name: f"{size / _GIGABYTE:.2f} GB" for name, size in memory.parts.items()},
        f"{memory.peak / _GIGABYTE:.2f} GB",
    )
    return {**memory.parts, "peak": memory.peak}


@pytest.mark.slow
def test_the_profiles_for_gpus_fit_into_them_at_their_worst():
    llama, gemma = _gpu_memory("llama-8b-qlora", _LLAMA_8B), _gpu_memory("gemma-2b-qlora", _GEMMA_2B)
    # 6,979,321,856 weights of 32 layers in four bits; embeddings and head of 128,256 x 4,096 in bf16, and 65 norms.
    assert llama["weights"] == round(6_979_321_856 * NF4_BYTES + 2 * (2 * 128_256 * 4_096 + 65 * 4_096))
    # rank 64 on q, k, v, o, gate, up, down of each layer; fp32
    assert llama["adapter"] == 4 * 32 * 64 * (2 * (4096 + 4096) + 2 * (4096 + 1024) + 3 * (4096 + 14336))
    assert llama["peak"] < 0.8 * 24 * _GIGABYTE
    assert gemma["peak"] < 0.8 * 16 * _GIGABYTE
    shared = _gpu_memory("llama-8b-fsdp", _LLAMA_8B)
    assert shared["weights"] == pytest.approx(8_030_261_248 * 2 / 4, rel=0.25)  # a fourth, and the layers at work
    assert shared["peak"] < 0.8 * 24 * _GIGABYTE


def test_a_change_that_fits_is_named_with_its_value(build_train_params):
    train = build_train_params(tokens_per_micro_batch=1024, max_length=128)

    def peak(changed: TrainParams) -> int:
        return (
            changed.tokens_per_micro_batch
            * (1 if changed.activation_checkpointing else 4)
            * (1 if changed.precision == "bf16" else 2)
        )

    found = suggest_changes(train, 4096, peak)
    assert [change.describe(train) for change in found] == [
        "train.tokens_per_micro_batch 512 instead of 1024",
        "train.activation_checkpointing true instead of false",
        "train.precision bf16 instead of fp32",
        "train.max_length 64 instead of 128, train.tokens_per_micro_batch 64 instead of 1024",
    ]
    assert [change.describe(train) for change in suggest_changes(train, 511, peak)] == [
        "train.tokens_per_micro_batch 128 instead of 1024, train.activation_checkpointing true instead of false"
    ]
    milder = build_train_params(
        tokens_per_micro_batch=1024, max_length=64
    )  # both are needed, but not the smallest micro-batches
    assert [
        change.describe(milder)
        for change in suggest_changes(
            milder, 500, lambda changed: peak(changed) + 300 * (not changed.activation_checkpointing)
        )
    ] == ["train.tokens_per_micro_batch 128 instead of 1024, train.activation_checkpointing true instead of false"]
    assert suggest_changes(train, 1, peak) == []


def test_the_largest_pass_of_real_records_is_planned(
    tmp_path, build_train_params, make_tiny_model, make_training_records
):
    folder = make_tiny_model(tmp_path / "base")
    split = tmp_path / "train.jsonl"
    write_records(split, make_training_records(30))
    train = build_train_params(batch_size=5, tokens_per_micro_batch=128)
    sample = sample_records(split, tmp_path / "none.jsonl", load_tokenizer(folder), "koalpaca", train)
    micro_batches = count_micro_batches(
        sample.dataset,
        train,
        PackingConfig(
            tokens_per_micro_batch=128, packed=True, share_prefixes=True, pad_token_id=0, pad_to_multiple_of=32
        ),
    )
    assert (
        sample.records,
        sample.sample_size,
        sample.usable_records,
        micro_batches.steps,
        sample.validation_records,
    ) == (
        30,
        30,
        30,
        6,
        0,
    )
    assert micro_batches.record_tokens == int((sample.dataset.lengths - 1).sum())
    assert (
        micro_batches.computed_tokens - 32 * micro_batches.micro_batches < micro_batches.record_tokens
    )  # prefixes are shared; each micro-batch is filled up to a multiple of 32
    assert micro_batches.label_tokens == int(sample.dataset.label_counts.sum())
    assert micro_batches.largest.tokens <= 128


def test_time_is_arithmetic_over_speed():
    trace = activations.Trace(
        activations=0, peak=0, forward_flops=100, flops=300, moved_bytes=60, operations=0, matmul_shapes=1
    )
    # Training of two micro-batches, and three micro-batches forward only: 3 x 300 FLOPs.
    found = estimate_duration(
        trace,
        10,
        Speed(flops=30, bytes=20, threads=2),
        "cpu",
        micro_batches=2,
        tokens=20,
        validation_tokens=30,
        processes=1,
    )
    assert found.flops == 900
    assert found.seconds == pytest.approx(found.cpu_seconds / 2)
    assert found.seconds >= (900 / 30 + 180 / 20) / 2


@pytest.fixture(scope="module")
def make_base(make_tiny_model):
    def make_base(tmp_path: Path) -> Base:
        folder = make_tiny_model(tmp_path / "base")
        return Base("tiny-qwen", AutoModelForCausalLM.from_pretrained(folder).config, folder, "here")

    return make_base


def test_a_refusal_gives_every_reason_and_what_would_make_it_fit(tmp_path, make_base, build_train_params):
    base, train = make_base(tmp_path), build_train_params(tokens_per_micro_batch=4096, max_length=512, batch_size=64)
    roomy = make_plan(base, train, None, Machine("cpu", 10**12, 10**12, 0), None)
    assert len(roomy.reasons) == 1  # the model reads 128 tokens
    fixed = roomy.memory.parts["process"]
    available = fixed + (roomy.memory.peak - fixed) * 6 // 10
    plan = make_plan(base, train, None, Machine("cpu", available, 0, 0), None)
    assert list(map(str, plan.reasons)) == [
        "train.max_length 512 is above the 128 tokens that the model reads; set it to 128 or less",
        f"the memory (RAM) is too small: {roomy.memory.peak / _GIGABYTE:.1f} GB needed, {available / _GIGABYTE:.1f} GB available",
    ]
    assert {tuple(change.values) for change in plan.changes} >= {("tokens_per_micro_batch",)}
    assert all(change.peak <= plan.machine.memory for change in plan.changes)
    assert not serialize_plan(plan)["fits"]
    assert "\n".join(format_plan(plan)).count("train.tokens_per_micro_batch") >= 1


def test_a_machine_that_is_not_set_up_for_the_run_is_a_reason(tmp_path, monkeypatch, make_base, build_train_params):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    train = build_train_params(method="qlora", processes=3, report_to=["mlflow"])
    plan = make_plan(make_base(tmp_path), train, None, Machine("mps", 10**12, 10**12, 0), None)
    reasons = "\n".join(map(str, plan.reasons))
    for words in (
        "train.report_to names mlflow",
        "train.processes is 3, but this machine has 1 mps device;",
        "train.method qlora needs bitsandbytes",
    ):
        assert words in reasons


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_tiny_model, make_training_records) -> Paths:
    """Return the paths of a project in the current folder that has a base and records."""
    monkeypatch.chdir(tmp_path)
    paths = Paths(tmp_path)
    shutil.copytree(ROOT / "profiles", paths.root / "profiles")
    shutil.copy(ROOT / "params.yaml", paths.params)
    make_tiny_model(paths.base)
    write_json(paths.base_report, describe_origin(load_params(paths.params).model))
    for split, count in (("train", 40), ("validation", 5)):
        paths.get_split_path(split).parent.mkdir(parents=True, exist_ok=True)
        write_records(paths.get_split_path(split), make_training_records(count))
    return paths


def test_the_command_prints_a_plan_of_a_hundred_columns_and_exits_0(paths, capsys):
    assert main(["plan"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(cell_len(line) for line in lines) <= 100
    assert any("plan: it fits" in line for line in lines)
    assert not any("\x1b" in line for line in lines)
    assert main(["plan", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["device"], plan["precision"], plan["steps"], plan["data"]["records"]) == (
        "cpu",
        "fp32",
        12,
        40,
    )  # 4 epochs of 3 optimizer steps
    assert plan["memory"]["peak_mb"] == pytest.approx(sum(plan["memory"]["parts_mb"].values()), abs=8)


def test_another_profile_is_planned_without_being_used(paths, tmp_path, capsys):
    before = paths.params.read_text("utf-8")
    overlay = tmp_path / "mine.yaml"
    overlay.write_text("extends: tiny\ntrain: {batch_size: 8, epochs: 1.0, activation_checkpointing: true}\n")
    assert main(["plan", "--profile", str(overlay), "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["steps"], plan["activation_checkpointing"]) == (5, True)
    assert paths.params.read_text("utf-8") == before


def test_records_that_the_model_cannot_read_end_with_exit_code_2(paths, tmp_path, capsys):
    overlay = tmp_path / "long.yaml"
    overlay.write_text("extends: tiny\ntrain: {max_length: 200}\n")
    assert main(["plan", "--profile", str(overlay)]) == 2
    assert "train.max_length 200 is above the 128 tokens that the model reads" in capsys.readouterr().out


def test_without_records_the_worst_is_planned(paths, capsys):
    paths.get_split_path("train").unlink()
    assert main(["plan"]) == 0
    assert "run: dvc repro prepare" in capsys.readouterr().out


@pytest.fixture
def unknown_model(tmp_path: Path) -> str:
    """Return an overlay with a model on the hub whose sizes are not shipped."""
    overlay = tmp_path / "unknown.yaml"
    overlay.write_text("extends: gemma-270m\nmodel: {source: hub, hub: someone/unknown, revision: " + "ab" * 20 + "}\n")
    return str(overlay)


def test_without_a_base_the_command_says_what_is_known_and_why(paths, unknown_model, monkeypatch, capsys):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # where nobody listens
    assert main(["plan", "--profile", unknown_model]) == 2
    message = capsys.readouterr().err
    for part in (
        "config.json of someone/unknown",
        "cannot be reached",
        "40 records, about 5 optimizer steps of 8 records",
    ):
        assert part in message
    assert len([line for line in message.splitlines() if "someone/unknown" in line]) == 1  # no line per retry
    assert main(["plan", "--profile", unknown_model, "--json"]) == 2
    plan = json.loads(capsys.readouterr().out)
    assert not plan["fits"]
    assert "cannot be reached" in plan["error"]


def test_a_model_folder_that_is_missing_is_named(paths, tmp_path, capsys):
    overlay = tmp_path / "gone.yaml"
    overlay.write_text("extends: tiny\nmodel: {source: path, path: models/gone, sha256: null}\n")
    assert main(["plan", "--profile", str(overlay)]) == 2
    assert "model.path models/gone: there is no folder" in capsys.readouterr().err


def test_another_machine_is_planned_without_its_device(paths, capsys):
    assert main(["plan", "--device", "cuda", "--memory", "24G", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["device"], plan["machine"], plan["memory"]["total_mb"]) == ("cuda", "another", 24 * 1024)
    assert plan["time"] is None  # its speed is not known here
    assert main(["plan", "--device", "cuda", "--memory", "100M"]) == 2
    assert "the GPU memory is too small" in capsys.readouterr().out


def test_the_memory_of_another_machine_is_needed_and_read_with_its_unit(paths, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["plan", "--device", "cuda"]) == 2
    assert "--device cuda --memory 24G" in capsys.readouterr().err
    assert main(["plan", "--memory", "much"]) == 2
    assert "--memory much is no size" in capsys.readouterr().err
    assert [parse_memory(text) for text in ("24", "24G", "24 GiB", "512mb", "1.5t")] == [
        24 << 30,
        24 << 30,
        24 << 30,
        512 << 20,
        3 << 39,
    ]


@pytest.mark.parametrize(
    "name", ["gemma-270m", "gemma-2b-qlora", "llama-8b-qlora", "llama-8b-fsdp", "qwen3-0.6b", "solar-10.7b-qlora"]
)
def test_the_sizes_of_a_profile_s_model_are_shipped_and_right(name):
    """The published count of parameters is that of the model that transformers builds."""
    shipped = find_shipped_config(load_profile(name, ROOT / "profiles").model)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(shipped.config)
    assert sum(weight.numel() for weight in model.parameters()) == shipped.parameters


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["gemma-270m", "gemma-2b-qlora", "llama-8b-qlora", "llama-8b-fsdp", "qwen3-0.6b", "scratch", "tiny"]
)
def test_every_profile_is_planned_for_a_gpu_without_a_network(tmp_path, name, monkeypatch, capsys):
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    shutil.copytree(ROOT / "models", tmp_path / "models")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["plan", "--device", "cuda", "--memory", "24G", "--profile", name]) == 0
    assert "plan: it fits" in capsys.readouterr().out


def test_a_configuration_that_gives_another_model_is_refused(tmp_path, make_base, build_train_params):
    base = replace(make_base(tmp_path), parameters=1)
    with pytest.raises(ModelError, match="published: 1"):
        make_plan(base, build_train_params(), None, Machine("cpu", 10**12, 10**12, 0), None)


def test_reasons_are_in_both_languages_in_json(tmp_path, make_base, build_train_params):
    plan = make_plan(
        make_base(tmp_path), build_train_params(max_length=256), None, Machine("cpu", 10**12, 10**12, 0), None
    )
    (reason,) = serialize_plan(plan)["reasons"]
    assert reason["en"].startswith("train.max_length 256 is above the 128 tokens")
    assert "128토큰" in reason["ko"]
