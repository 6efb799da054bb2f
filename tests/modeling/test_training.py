"""Training: the same seed gives the same weights, killed or not; what taught nothing is an error with a name."""

import json

import pytest
import torch
from tiny_models import make_tiny_model
from training_cases import run_killed, run_training, train_params

from seodang.errors import ModelError, TrainingError
from seodang.jsonl import sha256_of
from seodang.modeling.adapters import trained_sha256
from seodang.modeling.loading import load_model


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("base"))


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # matrices this small lose more by waiting for a second thread than they gain
    yield
    torch.set_num_threads(threads)


def test_the_same_seed_gives_the_same_adapter(base, tmp_path):
    outcomes = [run_training(base, tmp_path / name, train_params()) for name in ("first", "second")]
    assert trained_sha256(tmp_path / "first" / "adapter") == trained_sha256(tmp_path / "second" / "adapter")
    assert outcomes[0].updates == 8
    assert outcomes[0].health == outcomes[1].health


def test_another_seed_gives_another_adapter(base, tmp_path):
    for name, seed in (("first", 1), ("second", 2)):
        run_training(base, tmp_path / name, train_params(seed=seed))
    assert trained_sha256(tmp_path / "first" / "adapter") != trained_sha256(tmp_path / "second" / "adapter")


@pytest.mark.parametrize("changes", [{}, {"dropout": 0.1}, {"neftune_alpha": 5.0}, {"early_stopping": 2, "validate_every": 2}, {"method": "full", "learning_rate": 1e-3}], ids=str)
@pytest.mark.slow
def test_killed_and_started_again_it_ends_with_the_same_weights(base, tmp_path, changes):
    train = train_params(checkpoint_every=2, epochs=3.0, **changes)
    run_training(base, tmp_path / "whole", train)
    run_killed(base, tmp_path / "killed", train, update=7)
    assert not (tmp_path / "killed" / "adapter").exists()
    outcome = run_training(base, tmp_path / "killed", train)
    assert outcome.resumed_at == [6]
    assert trained_sha256(tmp_path / "killed" / "adapter") == trained_sha256(tmp_path / "whole" / "adapter")


@pytest.mark.slow
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(base, tmp_path, caplog):
    train = train_params(checkpoint_every=2, epochs=3.0)
    run_training(base, tmp_path / "whole", train)
    run_killed(base, tmp_path / "killed", train, update=7)
    newest = tmp_path / "killed" / "run" / "checkpoint-6" / "optimizer.pt"
    newest.write_bytes(newest.read_bytes()[:-1])
    outcome = run_training(base, tmp_path / "killed", train)
    assert "checkpoint-6 is not used: optimizer.pt is damaged or missing; going back" in caplog.text
    assert outcome.resumed_at == [4]
    assert trained_sha256(tmp_path / "killed" / "adapter") == trained_sha256(tmp_path / "whole" / "adapter")


def test_checkpoints_are_bounded_in_number_and_sealed(base, tmp_path):
    run_training(base, tmp_path, train_params(checkpoint_every=1, epochs=2.0))
    kept = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert kept == ["checkpoint-6", "checkpoint-7"]
    assert all((tmp_path / "run" / name / "seal.json").exists() for name in kept)


@pytest.mark.parametrize("changes", [{"method": "rslora"}, {"method": "dora"}, {"packing": False}, {"activation_checkpointing": True}, {"precision": "bf16"}, {"schedule": "wsd", "decay_share": 0.5, "warmup_share": 0.1}, {"schedule": "linear"}, {"batch_tokens": 128}], ids=str)  # fmt: skip
def test_every_way_of_training_lowers_the_loss(base, tmp_path, changes):
    outcome = run_training(base, tmp_path, train_params(epochs=6.0, **changes))
    losses = [float(line.split("\t")[-1]) for line in (tmp_path / "live" / "plots" / "metrics" / "train_loss.tsv").read_text().splitlines()[1:]]
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4])
    assert outcome.health.largest_change > 0
    assert json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())["use_dora"] is (changes.get("method") == "dora")


def test_passes_of_another_size_give_the_same_loss(base, tmp_path):
    """Gradients of several passes add up to those of one."""
    first, second = (run_training(base, tmp_path / str(tokens), train_params(batch_tokens=tokens)) for tokens in (128, 1024))
    assert first.train_loss == pytest.approx(second.train_loss, abs=1e-4)


def test_full_training_writes_a_whole_model(base, tmp_path):
    outcome = run_training(base, tmp_path, train_params(method="full", learning_rate=1e-3))
    assert outcome.trainable == outcome.parameters
    tuned = load_model(tmp_path / "adapter", "fp32", "cpu")
    assert tuned.config._attn_implementation == "sdpa"
    assert tuned.get_output_embeddings().weight is tuned.get_input_embeddings().weight


def test_early_stopping_keeps_the_weights_of_the_lowest_validation_loss(base, tmp_path):
    outcome = run_training(base, tmp_path, train_params(epochs=40.0, learning_rate=5e-2, early_stopping=2))
    losses = [float(line.split("\t")[-1]) for line in (tmp_path / "live" / "plots" / "metrics" / "validation_loss.tsv").read_text().splitlines()[1:]]
    assert outcome.updates < 160
    assert outcome.validation_loss == pytest.approx(min(losses), abs=1e-4)


def test_the_base_does_not_change(base, tmp_path):
    before = sha256_of(base / "model.safetensors")
    run_training(base, tmp_path, train_params())
    assert sha256_of(base / "model.safetensors") == before


def test_targets_that_match_nothing_name_the_layers_that_exist(base, tmp_path):
    with pytest.raises(ModelError, match=r"query_key_value.*q_proj"):
        run_training(base, tmp_path, train_params(targets=["query_key_value"]))
    assert not (tmp_path / "adapter").exists()


def test_an_adapter_that_learned_nothing_is_an_error(base, tmp_path):
    with pytest.raises(TrainingError, match=r"still empty"):
        run_training(base, tmp_path, train_params(learning_rate=1e-60))
    assert not (tmp_path / "adapter").exists()


def test_an_end_token_that_was_not_learned_is_an_error(base, tmp_path):
    with pytest.raises(TrainingError, match=r"would write the end token, 100% are asked"):
        run_training(base, tmp_path, train_params(learning_rate=1e-5, minimum_end_share=1.0))
    assert not (tmp_path / "adapter").exists()


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_update(base, tmp_path, monkeypatch):
    from seodang.modeling import training

    def poisoned(tuned):
        next(weight for name, weight in tuned.named_parameters() if "lora_A" in name).data.fill_(float("nan"))
        return 0

    monkeypatch.setattr(training, "fuse_lora", poisoned)
    with pytest.raises(TrainingError, match=r"the loss of update 1 is nan.*learning_rate"):
        run_training(base, tmp_path, train_params())
    assert not (tmp_path / "adapter").exists()


def test_fewer_records_than_a_batch_are_one_update_an_epoch(base, tmp_path):
    assert run_training(base, tmp_path, train_params(batch_size=64), count=3).updates == 2
