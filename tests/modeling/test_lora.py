"""Training: only answers are learned, the same seed gives the same adapter, faults have names."""

import pytest
import torch
from tiny_models import make_tiny_model

from seodang.errors import ModelError, TrainingError
from seodang.jsonl import sha256_of
from seodang.modeling import lora
from seodang.modeling.device import choose_device
from seodang.modeling.loading import load_model, load_tokenizer
from seodang.modeling.tokenizing import Tokens, tokenise
from seodang.params import TrainParams


def params(**changes: object) -> TrainParams:
    values = {
        "seed": 1, "device": "cpu", "precision": "fp32", "rank": 4, "alpha": 8, "dropout": 0.0, "targets": ["all-linear"], "learning_rate": 5e-3,
        "schedule": "constant", "warmup_share": 0.0, "epochs": 2.0, "batch_size": 4, "accumulation": 1, "max_length": 128, "max_grad_norm": 1.0, "weight_decay": 0.0, "log_every": 1,
    }  # fmt: skip
    return TrainParams.model_validate({**values, **changes})


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_tiny_model(tmp_path_factory.mktemp("base"))


def run(base, folder, train: TrainParams):
    tokenizer = load_tokenizer(base)
    model = load_model(base, train.precision, "cpu")
    rows = [tokenise(tokenizer, "감정은?", f"영화 {number}", "긍정" if number % 2 else "부정", "koalpaca") for number in range(12)]
    return lora.train_adapter(model, tokenizer, rows[:8], rows[8:], train, device="cpu", adapter=folder / "adapter", live=folder / "live")


def test_the_prompt_is_hidden_from_the_loss():
    assert lora.hide_prompt(Tokens([5, 6], [7, 8])) == {"input_ids": [5, 6, 7, 8], "labels": [-100, -100, 7, 8]}


def test_a_record_over_the_limit_is_left_out_whole():
    short, long = Tokens([1], [2]), Tokens([1] * 9, [2])
    assert lora.fitting([short, long], 5) == [short]


def test_the_same_seed_gives_the_same_adapter_and_it_is_not_empty(base, tmp_path):
    outcomes = [run(base, tmp_path / name, params()) for name in ("first", "second")]
    hashes = {sha256_of(tmp_path / name / "adapter" / "adapter_model.safetensors") for name in ("first", "second")}
    assert len(hashes) == 1
    assert outcomes[0].updates == 4
    assert outcomes[0].trainable > 0
    assert (tmp_path / "first" / "live" / "metrics.json").exists()


def test_the_base_weights_do_not_change(base, tmp_path):
    before = sha256_of(base / "model.safetensors")
    run(base, tmp_path, params())
    assert sha256_of(base / "model.safetensors") == before


def test_targets_that_match_nothing_name_the_layers_that_exist(base, tmp_path):
    with pytest.raises(ModelError, match=r"query_key_value.*q_proj"):
        run(base, tmp_path, params(targets=["query_key_value"]))
    assert not (tmp_path / "adapter").exists()


def test_an_adapter_that_learned_nothing_is_an_error(base, tmp_path):
    with pytest.raises(TrainingError, match="still empty"):
        run(base, tmp_path, params(learning_rate=1e-60))
    assert not (tmp_path / "adapter").exists()


def test_a_device_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") in ("cpu", "mps")
    with pytest.raises(ModelError, match=r"cuda.*use auto"):
        choose_device("cuda")
