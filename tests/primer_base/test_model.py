"""The primer base from scratch: some optimizer steps on the primer's own text, and the same loss as torch's."""

import json

import pytest
import torch

from seodang.config import ScratchParams
from seodang.models.loading import load_model, load_tokenizer
from seodang.primer_base import optimization
from seodang.primer_base.pretrain import make_primer_base


def build_params(**changes: object) -> ScratchParams:
    values = {
        "texts": [], "text_limit": 1000, "practice_records": 200, "unlabelled_inputs": 400, "vocab_size": 600,
        "hidden_size": 32, "num_layers": 2, "num_heads": 2, "intermediate_size": 64, "context_length": 64,
        "seed": 1, "steps": 100, "batch_size": 4, "sequence_length": 32, "compile": False,
        "muon_learning_rate": 5e-3, "adamw_learning_rate": 5e-3, "warmup_steps": 5, "decay_ratio": 0.4,
        "episodes": {
            "reviews": None, "valences": None, "wordnet": None, "running_text_ratio": 0.25, "first_stage_weight": 0.2,
            "steps": 50, "batch_size": 4,
            "sequence_length": 64, "muon_learning_rate": 5e-3, "adamw_learning_rate": 5e-3, "warmup_steps": 5,
            "decay_ratio": 0.4,
        },
    }  # fmt: skip
    return ScratchParams.model_validate({**values, **changes})


@pytest.fixture(scope="module")
def trained_base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scratch")
    return folder, make_primer_base(build_params(), folder)


def test_a_base_trained_from_scratch_learns_and_can_be_loaded(trained_base):
    folder, report = trained_base
    assert report.curves["running_text"][-1][1] < report.curves["running_text"][0][1]
    assert len(report.curves["episodes"]) == 1
    assert load_model(folder, "fp32", "cpu").num_parameters() == report.parameters
    assert len(load_tokenizer(folder)) <= 600
    assert set(report.perplexity) == {"ko", "en"}
    assert (
        json.loads((folder / "training" / "report.json").read_text("utf-8"))["training_tokens"]
        == 100 * 4 * 32 + 50 * 4 * 64
    )


def test_digits_are_separate_tokens_and_decoding_restores_the_text(trained_base):
    tokenizer = load_tokenizer(trained_base[0])
    ids = tokenizer("값은 1234원", add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == "값은 1234원"
    assert sum(tokenizer.decode([token]).strip().isdigit() for token in ids) == 4


def test_the_blockwise_loss_and_its_gradients_are_those_of_torch():
    torch.manual_seed(0)
    hidden, weight = torch.randn(300, 16), torch.randn(40, 16)
    labels = torch.randint(0, 40, (300,))
    actual, expected = [], []
    for function, results in (
        (lambda h, w: optimization._HeadLoss.apply(h, w, labels, torch.full((300,), 1 / 300)), actual),
        (lambda h, w: torch.nn.functional.cross_entropy(h @ w.T, labels), expected),
    ):
        h, w = hidden.clone().requires_grad_(), weight.clone().requires_grad_()
        loss = function(h, w)
        loss.backward()
        results += [loss.detach(), h.grad, w.grad]
    for ours, theirs in zip(actual, expected, strict=True):
        assert torch.allclose(ours, theirs, atol=2e-2, rtol=2e-2)  # ours multiplies in bf16
