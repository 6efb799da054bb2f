"""Training: the same seed gives the same weights, interrupted or not; a run that changed nothing is an error."""

import json
import math
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainingArguments

from seodang.errors import ModelError, TrainingError
from seodang.io.atomic import compute_sha256
from seodang.models.adapters import add_adapter, compute_tuned_sha256
from seodang.models.loading import load_model
from seodang.training.finetune import compute_required_space
from seodang.training.trainer_args import build_trainer_kwargs, build_training_arguments


def test_the_same_seed_gives_the_same_adapter(tiny_model, tmp_path, build_train_params, run_training):
    results = [run_training(tiny_model, tmp_path / name, build_train_params()) for name in ("first", "second")]
    assert compute_tuned_sha256(tmp_path / "first" / "adapter") == compute_tuned_sha256(tmp_path / "second" / "adapter")
    assert results[0].steps == 8
    assert results[0].health == results[1].health


def test_another_seed_gives_another_adapter(tiny_model, tmp_path, build_train_params, run_training):
    for name, seed in (("first", 1), ("second", 2)):
        run_training(tiny_model, tmp_path / name, build_train_params(seed=seed))
    assert compute_tuned_sha256(tmp_path / "first" / "adapter") != compute_tuned_sha256(tmp_path / "second" / "adapter")


RESUMED = [
    {},
    {"dropout": 0.1},
    {"neftune_noise_alpha": 5.0},
    {"early_stopping_patience": 2, "eval_steps": 2},
    {"method": "full", "learning_rate": 1e-3},
    {"precision": "bf16"},
    {"method": "qlora", "precision": "bf16"},
    {"lr_scheduler": "wsd", "warmup_ratio": 0.2, "decay_ratio": 0.3},
]


@pytest.mark.parametrize("changes", RESUMED, ids=str)
@pytest.mark.slow
def test_killed_and_started_again_it_ends_with_the_same_weights(
    tiny_model, tmp_path, changes, build_train_params, run_killed, run_training
):
    train = build_train_params(save_steps=2, epochs=3.0, **changes)
    run_training(tiny_model, tmp_path / "uninterrupted", train)
    run_killed(tiny_model, tmp_path / "killed", train, step=7)
    assert not (tmp_path / "killed" / "adapter").exists()
    result = run_training(tiny_model, tmp_path / "killed", train)
    assert result.resume_steps == [6]
    assert compute_tuned_sha256(tmp_path / "killed" / "adapter") == compute_tuned_sha256(
        tmp_path / "uninterrupted" / "adapter"
    )


@pytest.mark.parametrize("eval_steps", [None, 2])
@pytest.mark.slow
def test_killed_after_it_stopped_early_it_stops_at_the_same_update(
    tiny_model, tmp_path, eval_steps, build_train_params, run_killed, run_training
):
    train = build_train_params(
        epochs=40.0, learning_rate=5e-2, early_stopping_patience=2, eval_steps=eval_steps, save_steps=3
    )
    uninterrupted = run_training(tiny_model, tmp_path / "uninterrupted", train)
    assert uninterrupted.steps < uninterrupted.max_steps
    run_killed(tiny_model, tmp_path / "killed", train, step=None)
    resumed = run_training(tiny_model, tmp_path / "killed", train)
    assert resumed.steps == uninterrupted.steps
    assert compute_tuned_sha256(tmp_path / "killed" / "adapter") == compute_tuned_sha256(
        tmp_path / "uninterrupted" / "adapter"
    )


@pytest.mark.slow
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(
    tiny_model, tmp_path, caplog, build_train_params, run_killed, run_training
):
    train = build_train_params(save_steps=2, epochs=3.0)
    run_training(tiny_model, tmp_path / "uninterrupted", train)
    run_killed(tiny_model, tmp_path / "killed", train, step=7)
    newest = tmp_path / "killed" / "run" / "checkpoint-6" / "optimizer.pt"
    newest.write_bytes(newest.read_bytes()[:-1])
    result = run_training(tiny_model, tmp_path / "killed", train)
    assert (
        "checkpoint-6 is not used: optimizer.pt is damaged or missing; training looks for the checkpoint before it"
        in caplog.text
    )
    assert result.resume_steps == [4]
    assert compute_tuned_sha256(tmp_path / "killed" / "adapter") == compute_tuned_sha256(
        tmp_path / "uninterrupted" / "adapter"
    )


def test_checkpoints_are_bounded_in_number_and_marked_complete(tiny_model, tmp_path, build_train_params, run_training):
    run_training(tiny_model, tmp_path, build_train_params(save_steps=1, epochs=2.0))
    kept = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert kept == ["checkpoint-6", "checkpoint-7"]
    assert all((tmp_path / "run" / name / "complete.json").exists() for name in kept)


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "rslora"},
        {"method": "dora"},
        {"packing": False},
        {"precision": "bf16"},
        # Quick tests below train with these settings too: they compare curves, learning rates and losses.
        pytest.param({"activation_checkpointing": True}, marks=pytest.mark.slow),
        pytest.param({"lr_scheduler": "wsd", "decay_ratio": 0.5, "warmup_ratio": 0.1}, marks=pytest.mark.slow),
        pytest.param({"lr_scheduler": "linear"}, marks=pytest.mark.slow),
        pytest.param({"tokens_per_micro_batch": 128}, marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_every_way_of_training_lowers_the_loss(
    tiny_model, tmp_path, changes, build_train_params, read_curve, run_training
):
    result = run_training(tiny_model, tmp_path, build_train_params(epochs=6.0, **changes))
    losses = read_curve(tmp_path, "train_loss")
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4])
    assert result.health.max_logit_change > 0
    assert json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())["use_dora"] is (
        changes.get("method") == "dora"
    )


def test_qlora_trains_through_the_same_steps(tiny_model, tmp_path, build_train_params, read_curve, run_training):
    result = run_training(tiny_model, tmp_path, build_train_params(epochs=6.0, method="qlora", precision="bf16"))
    losses = read_curve(tmp_path, "train_loss")
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4])
    assert result.packed


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"precision": "bf16"}, {"method": "qlora", "precision": "bf16"}], ids=str)
def test_recomputed_activations_give_the_same_curve(
    tiny_model, tmp_path, changes, build_train_params, read_curve, run_training
):
    for name, checkpointing in (("kept", False), ("recomputed", True)):
        run_training(tiny_model, tmp_path / name, build_train_params(activation_checkpointing=checkpointing, **changes))
    assert read_curve(tmp_path / "recomputed", "train_loss") == pytest.approx(
        read_curve(tmp_path / "kept", "train_loss"), abs=1e-3
    )


SCHEDULES = {
    "constant": [0.5, 1, 1, 1, 1, 1, 1],
    "linear": [0.5, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6],
    "cosine": [0.5, *((1 + math.cos(math.pi * done / 6)) / 2 for done in range(6))],
    "wsd": [0.5, 1, 1, 1, *((1 + math.cos(math.pi * done / 4)) / 2 for done in (1, 2, 3))],
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_rate_warms_up_and_then_goes_as_its_schedule_says(
    tiny_model, tmp_path, name, build_train_params, read_curve, run_training
):
    run_training(
        tiny_model,
        tmp_path,
        build_train_params(lr_scheduler=name, warmup_ratio=0.25, decay_ratio=0.5, learning_rate=1e-2),
    )
    rates = [rate / 1e-2 for rate in read_curve(tmp_path, "learning_rate")]
    assert rates == pytest.approx([0, *SCHEDULES[name]], abs=1e-6)


def test_passes_of_another_size_give_the_same_loss(tiny_model, tmp_path, build_train_params, run_training):
    """Gradients of several micro-batches add up to those of one."""
    first, second = (
        run_training(tiny_model, tmp_path / str(tokens), build_train_params(tokens_per_micro_batch=tokens))
        for tokens in (128, 1024)
    )
    assert first.train_loss == pytest.approx(second.train_loss, abs=1e-4)


def test_full_training_writes_a_full_model(tiny_model, tmp_path, build_train_params, run_training):
    result = run_training(tiny_model, tmp_path, build_train_params(method="full", learning_rate=1e-3))
    assert result.trainable_parameters == result.parameters
    tuned = load_model(tmp_path / "adapter", "fp32", "cpu")
    assert tuned.config._attn_implementation == "sdpa"
    assert tuned.get_output_embeddings().weight is tuned.get_input_embeddings().weight


def test_early_stopping_keeps_the_weights_of_the_lowest_validation_loss(
    tiny_model, tmp_path, build_train_params, read_curve, run_training
):
    result = run_training(
        tiny_model, tmp_path, build_train_params(epochs=40.0, learning_rate=5e-2, early_stopping_patience=2)
    )
    losses = read_curve(tmp_path, "validation_loss")
    assert result.steps < 160
    assert result.validation_loss == pytest.approx(min(losses), abs=1e-4)


def test_a_run_that_stops_early_between_two_logs_is_logged_to_its_end(
    tiny_model, tmp_path, build_train_params, read_curve, run_training
):
    result = run_training(
        tiny_model,
        tmp_path,
        build_train_params(
            epochs=40.0, learning_rate=5e-2, early_stopping_patience=1, logging_steps=1000, save_steps=1000
        ),
    )
    assert result.steps < result.max_steps
    assert len(read_curve(tmp_path, "train_loss")) == len(read_curve(tmp_path, "validation_loss"))


def test_a_base_weight_saves_the_average_of_base_and_tuned_weights(
    tiny_model, tmp_path, build_train_params, run_training
):
    adapters = []
    for base_weight in (0.0, 0.5):
        run_training(tiny_model, tmp_path / str(base_weight), build_train_params(epochs=1.0, base_weight=base_weight))
        adapters.append(load_file(tmp_path / str(base_weight) / "adapter" / "adapter_model.safetensors"))
    for name, weight in adapters[0].items():
        torch.testing.assert_close(adapters[1][name], weight * (0.5 if "lora_B" in name else 1.0))


def test_the_base_does_not_change(tiny_model, tmp_path, build_train_params, run_training):
    before = compute_sha256(tiny_model / "model.safetensors")
    run_training(tiny_model, tmp_path, build_train_params())
    assert compute_sha256(tiny_model / "model.safetensors") == before


def test_targets_that_match_nothing_name_the_layers_that_exist(tiny_model, tmp_path, build_train_params, run_training):
    with pytest.raises(ModelError, match=r"query_key_value.*q_proj"):
        run_training(tiny_model, tmp_path, build_train_params(target_modules=["query_key_value"]))
    assert not (tmp_path / "adapter").exists()


def test_an_adapter_that_learned_nothing_is_an_error(tiny_model, tmp_path, build_train_params, run_training):
    with pytest.raises(TrainingError, match=r"still empty"):
        run_training(tiny_model, tmp_path, build_train_params(learning_rate=1e-60))
    assert not (tmp_path / "adapter").exists()


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_weights_that_did_not_change_anything_are_an_error_whatever_the_rounding(
    tiny_model, tmp_path, precision, build_train_params, run_training
):
    with pytest.raises(TrainingError, match=r"answers exactly as the base"):
        run_training(tiny_model, tmp_path, build_train_params(method="full", precision=precision, learning_rate=1e-30))
    assert not (tmp_path / "adapter").exists()


def test_a_disk_without_room_for_the_checkpoints_is_named_before_the_first_update(
    tiny_model, tmp_path, monkeypatch, build_train_params, run_training
):
    monkeypatch.setattr("seodang.models.checkpoints.shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(ModelError, match=r"keeping checkpoints"):
        run_training(tiny_model, tmp_path, build_train_params())
    assert not (tmp_path / "adapter").exists()
    assert not list(tmp_path.glob("run/checkpoint-*"))


def test_the_room_that_a_killed_run_s_checkpoints_take_is_not_asked_for_again(tiny_model, tmp_path, build_train_params):
    model = add_adapter(load_model(tiny_model, "fp32", "cpu"), build_train_params())
    fresh = compute_required_space(model, build_train_params(), tmp_path)
    (tmp_path / "checkpoint-4").mkdir()
    (tmp_path / "checkpoint-4" / "optimizer.pt").write_bytes(bytes(fresh // 10))
    assert compute_required_space(model, build_train_params(), tmp_path) == fresh - fresh // 10
    assert compute_required_space(
        model, build_train_params(early_stopping_patience=2), tmp_path
    ) > compute_required_space(model, build_train_params(), tmp_path)


def test_a_process_takes_one_device_however_many_there_are(tmp_path, monkeypatch, build_train_params):
    monkeypatch.setattr(TrainingArguments, "n_gpu", 4)
    assert build_training_arguments(build_trainer_kwargs(build_train_params(), "cpu", tmp_path, 16))._n_gpu == 1


def test_an_end_token_that_was_not_learned_is_an_error(tiny_model, tmp_path, build_train_params, run_training):
    with pytest.raises(TrainingError, match=r"minimum_eos_ratio is 100%"):
        run_training(tiny_model, tmp_path, build_train_params(learning_rate=1e-5, minimum_eos_ratio=1.0))
    assert not (tmp_path / "adapter").exists()


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_update(
    tiny_model, tmp_path, monkeypatch, build_train_params, run_training
):
    from seodang.training import assembly

    def insert_nan(tuned):
        next(weight for name, weight in tuned.named_parameters() if "lora_A" in name).data.fill_(float("nan"))
        return 0

    monkeypatch.setattr(assembly, "fuse_lora", insert_nan)
    with pytest.raises(TrainingError, match=r"the loss of optimizer step 1 is nan.*learning_rate"):
        run_training(tiny_model, tmp_path, build_train_params())
    assert not (tmp_path / "adapter").exists()


def test_fewer_records_than_a_batch_are_one_update_an_epoch(tiny_model, tmp_path, build_train_params, run_training):
    assert run_training(tiny_model, tmp_path, build_train_params(batch_size=64), count=3).steps == 2
