"""Arguments of transformers' Trainer, also for devices that this machine lacks."""

import math
from pathlib import Path

import pytest
from pydantic import ValidationError

from seodang.training.trainer_args import build_packing_config, build_trainer_kwargs, is_mixed_precision

RUN = Path("run")


@pytest.mark.parametrize(
    ("device", "is_installed", "is_used"), [("cuda", True, True), ("cuda", False, False), ("cpu", True, False)]
)
def test_liger_s_kernels_are_used_on_cuda_where_they_are_installed_but_for_its_losses(
    device, is_installed, is_used, monkeypatch, build_train_params
):
    monkeypatch.setattr("seodang.training.trainer_args.is_liger_kernel_available", lambda: is_installed)
    settings = build_trainer_kwargs(build_train_params(), device, RUN, 16)
    assert settings["use_liger_kernel"] is is_used
    assert settings["liger_kernel_config"] == {"fused_linear_cross_entropy": False, "cross_entropy": False}


def test_bf16_passes_are_filled_up_and_fp32_passes_are_not(build_train_params):
    assert [
        build_packing_config(build_train_params(precision=precision), packed=True, pad_token_id=0).pad_to_multiple_of
        for precision in ("bf16", "fp32")
    ] == [32, 1]


@pytest.mark.parametrize(
    "changes", [{"dropout": 0.1}, {"neftune_noise_alpha": 5.0}, {"packing": False}, {"share_prefixes": False}], ids=str
)
def test_beginnings_are_not_shared_where_records_would_share_noise(changes, build_train_params):
    train = build_train_params(**changes)
    assert build_packing_config(build_train_params(), packed=True, pad_token_id=0).share_prefixes
    assert not build_packing_config(train, packed=train.packing, pad_token_id=0).share_prefixes


def test_autocast_is_on_where_no_fused_step_turns_the_adapter_into_bf16(build_train_params):
    methods = {
        method: is_mixed_precision(build_train_params(method=method, precision="bf16"))
        for method in ("lora", "rslora", "dora", "qlora", "full")
    }
    assert methods == {"lora": False, "rslora": False, "dora": True, "qlora": True, "full": True}
    assert not is_mixed_precision(build_train_params(method="full", precision="fp32"))


def test_a_validation_ends_each_epoch_or_comes_after_so_many_updates(build_train_params):
    assert build_trainer_kwargs(build_train_params(), "cpu", RUN, 16)["eval_strategy"] == "epoch"
    assert build_trainer_kwargs(build_train_params(eval_steps=5), "cpu", RUN, 16)["eval_steps"] == 5


def test_a_warm_up_and_a_decay_that_do_not_fit_into_the_run_are_refused(build_train_params):
    build_train_params(lr_scheduler="wsd", warmup_ratio=0.4, decay_ratio=0.6)
    build_train_params(lr_scheduler="cosine", warmup_ratio=0.5, decay_ratio=0.6)  # cosine has no decay of its own
    with pytest.raises(ValidationError, match=r"warmup_ratio 0\.5 and decay_ratio 0\.6 are more than 1 together"):
        build_train_params(lr_scheduler="wsd", warmup_ratio=0.5, decay_ratio=0.6)


@pytest.mark.parametrize("records", range(1, 12))
def test_warm_up_and_decay_never_take_more_steps_than_the_run_has(build_train_params, tmp_path, records):
    train = build_train_params(lr_scheduler="wsd", warmup_ratio=0.5, decay_ratio=0.5, batch_size=1, epochs=1.0)
    kwargs = build_trainer_kwargs(train, "cpu", tmp_path, records)
    assert math.ceil(0.5 * records) + kwargs["lr_scheduler_kwargs"]["num_decay_steps"] <= records
