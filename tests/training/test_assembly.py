"""Kernels: which ones a run uses, and the same losses without them."""

import pytest
import torch

from seodang.models.loading import load_model
from seodang.models.methods import METHODS
from seodang.training.assembly import KERNELS, assemble_model, select_kernels
from seodang.training.planning.meta_model import build_meta_model
from seodang.training.trainer_args import build_trainer_kwargs, is_mixed_precision


@pytest.mark.parametrize("method", METHODS)
def test_the_lora_kernel_is_selected_for_plain_adapters_only(method, build_train_params):
    selected = select_kernels(build_train_params(method=method))
    assert selected == (KERNELS if method in {"lora", "rslora"} else KERNELS - {"lora"})
    assert select_kernels(build_train_params(method=method, kernels="off")) == frozenset()


@pytest.mark.slow
@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("changes", [{}, {"method": "full", "learning_rate": 1e-3}], ids=str)
def test_without_kernels_the_losses_are_the_same_to_4_digits(
    tiny_model, tmp_path, packing, changes, build_train_params, read_curve, run_training
):
    results = {
        kernels: run_training(
            tiny_model, tmp_path / kernels, build_train_params(kernels=kernels, packing=packing, **changes)
        )
        for kernels in ("auto", "off")
    }
    for name in ("train_loss", "validation_loss", "gradient_norm"):
        assert read_curve(tmp_path / "off", name) == pytest.approx(read_curve(tmp_path / "auto", name), abs=1e-4)
    assert results["off"].fused_layers == 0
    assert results["off"].packed is results["auto"].packed is packing


def test_without_kernels_the_forward_passes_are_those_of_the_library(tiny_model, build_train_params):
    model = load_model(tiny_model, "fp32", "cpu")
    assembled = assemble_model(model, build_train_params(), select_kernels(build_train_params(kernels="off")))
    assert not [module for module in assembled.tuned_model.modules() if "forward" in vars(module)]


@pytest.mark.parametrize("kernels", ["auto", "off"])
@pytest.mark.parametrize("method", ["lora", "dora", "full"])
def test_a_run_and_its_plan_assemble_the_same_model(tiny_model, method, kernels, build_train_params):
    train = build_train_params(method=method, kernels=kernels)
    model = load_model(tiny_model, "fp32", "cpu")
    assembled = assemble_model(model, train, select_kernels(train))
    planned = build_meta_model(model.config, train, None)
    assert planned.fused_layers == assembled.fused_layers
    assert {name: weight.shape for name, weight in planned.tuned_model.named_parameters()} == {
        name: weight.shape for name, weight in assembled.tuned_model.named_parameters()
    }


def test_without_kernels_bf16_needs_autocast_and_cuda_uses_no_liger_kernels(monkeypatch, tmp_path, build_train_params):
    monkeypatch.setattr("seodang.training.trainer_args.is_liger_kernel_available", lambda: True)
    assert is_mixed_precision(build_train_params(precision="bf16", kernels="off"))
    assert not build_trainer_kwargs(build_train_params(kernels="off"), "cuda", tmp_path, 16)["use_liger_kernel"]


def test_bf16_trains_without_kernels(tiny_model, tmp_path, build_train_params, read_curve, run_training):
    result = run_training(tiny_model, tmp_path, build_train_params(precision="bf16", kernels="off", epochs=4.0))
    losses = read_curve(tmp_path, "train_loss")
    assert sum(losses[-4:]) < sum(losses[:4])
    assert torch.isfinite(torch.tensor(losses)).all()
    assert result.fused_layers == 0
