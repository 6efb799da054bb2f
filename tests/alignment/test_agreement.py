"""The losses per step are those of TRL's own pipeline, and loss and gradients those of the published formulas."""

import pytest
import torch
from datasets import Dataset
from peft import PeftModel
from tests.alignment.alignment_processes import FORMAT, compute_log_probs, tokenize
from tests.fixtures.training import create_preference_records
from torch.nn.functional import logsigmoid
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from seodang.alignment.preferences import Preferences
from seodang.alignment.trainer_args import build_trainer_kwargs
from seodang.alignment.trainer_factory import PreferenceSplits, build_trainer
from seodang.alignment.tuning import build_tuned_model
from seodang.models.loading import load_model, load_tokenizer
from seodang.prompting import render_answer, render_record

PLAIN = {"dpo": (DPOTrainer, DPOConfig), "kto": (KTOTrainer, KTOConfig), "orpo": (ORPOTrainer, ORPOConfig)}
METHODS = tuple(PLAIN)
PAIRS = {"dpo": 7, "kto": 8, "orpo": 7}  # seven: one optimizer step and one micro-batch are short
EMPTY = Preferences(pairs=[], answers=[], too_long=0)


@pytest.fixture
def build_ours(tiny_model, tuned_adapter, tmp_path, build_align_params, build_train_params):
    """Builds our Trainer of a method on its number of pairs."""

    def build_ours(method, **changes):
        align, train = build_align_params(method=method, epochs=2.0, **changes), build_train_params()
        model = build_tuned_model(load_model(tiny_model, "fp32", "cpu"), align, train, tuned_adapter)
        splits = PreferenceSplits(tokenize(tiny_model, create_preference_records(PAIRS[method])), EMPTY)
        tokenizer = load_tokenizer(tiny_model)
        return build_trainer(model, tokenizer, splits, align, train, [], device="cpu", run=tmp_path / "ours")

    return build_ours


def read_losses(trainer):
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def write_texts(method, order):
    """Return the rows of text that TRL's own pipeline reads; for KTO in the order of our rows."""
    rows = []
    for record in create_preference_records(PAIRS[method]):
        prompt = "".join(segment.text for segment in render_record(record, FORMAT))
        chosen, rejected = (render_answer(text, FORMAT) for text in (record.output, record.rejected))
        rows.append({"prompt": prompt, "chosen": chosen, "rejected": rejected})
    if method != "kto":
        return Dataset.from_list(rows)
    answers = [
        {"prompt": row["prompt"], "completion": row[side], "label": side == "chosen"}
        for row in rows
        for side in ("chosen", "rejected")
    ]
    return Dataset.from_list([answers[index] for index in order])


@pytest.mark.parametrize(("method", "weight"), [("dpo", 0.0), ("dpo", 0.5), ("kto", 0.0), ("orpo", 0.0)])
def test_losses_per_step_are_those_of_plain_trl_on_the_same_texts_in_one_batch(
    method, weight, build_ours, tiny_model, tuned_adapter, tmp_path, build_align_params, build_train_params
):
    ours = build_ours(method, likelihood_weight=weight)
    align, train = build_align_params(method=method, epochs=2.0), build_train_params()
    model = build_tuned_model(load_model(tiny_model, "fp32", "cpu"), align, train, tuned_adapter)
    plain_class, config = PLAIN[method]
    settings = build_trainer_kwargs(align, train, "cpu", tmp_path / "plain") | {"eval_strategy": "no"}
    if method != "kto":  # its KL term is that of a micro-batch
        settings |= {"per_device_train_batch_size": align.batch_size, "gradient_accumulation_steps": 1}
    if weight:
        settings |= {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, weight]}
    answers = tokenize(tiny_model, create_preference_records(PAIRS[method])).list_answers()
    order = []
    if method == "kto":
        rows = [(answer.prompt, answer.answer) for answer in answers]
        order = [rows.index((row["prompt_ids"], row["completion_ids"])) for row in ours.train_dataset]
    plain = plain_class(
        model=model,
        args=config(**settings),
        train_dataset=write_texts(method, order),
        processing_class=load_tokenizer(tiny_model),
    )
    columns = {"dpo": "chosen_ids", "kto": "KL_completion_ids", "orpo": "chosen_input_ids"}[method]
    assert list(plain.train_dataset[columns]) == list(ours.train_dataset[columns])  # TRL's own tokens are ours
    if method != "kto":
        plain._get_train_sampler = lambda *_dataset: ours._get_train_sampler()  # ours groups pairs by length
    ours.train()
    plain.train()
    losses = read_losses(ours)
    assert len(losses) == {"dpo": 4, "kto": 8, "orpo": 4}[method]
    assert losses == pytest.approx(read_losses(plain), abs=1e-5)


def sum_answer(model, prompt, answer):
    return compute_log_probs(model, prompt, answer)[len(prompt) - 1 :].sum()


def with_reference(model: PeftModel, compute):
    """Return what a function computes with the tuned adapter."""
    model.set_adapter("ref")
    with torch.no_grad():
        value = compute()
    model.set_adapter("default")
    return value


def compute_dpo(model, rows, beta):
    """Rafailov et al. 2023, equation 7."""
    losses = []
    for row in rows:
        answers = row["chosen_ids"], row["rejected_ids"]
        chosen, rejected = (sum_answer(model, row["prompt_ids"], each) for each in answers)
        ref = with_reference(model, lambda: [sum_answer(model, row["prompt_ids"], each) for each in answers])  # noqa: B023
        losses.append(-logsigmoid(beta * (chosen - ref[0]) - beta * (rejected - ref[1])))
    return torch.stack(losses).mean()


def compute_dpo_with_likelihood(model, rows, beta):
    """Pang et al. 2024, equation 1, with the likelihood per token of the batch; its weight is 0.5."""
    log_probs = [compute_log_probs(model, row["prompt_ids"], row["chosen_ids"]) for row in rows]
    answers = [each[len(row["prompt_ids"]) - 1 :] for each, row in zip(log_probs, rows, strict=True)]
    return compute_dpo(model, rows, beta) - 0.5 * torch.cat(answers).mean()


def compute_kto(model, rows, beta):
    """Ethayarajh et al. 2024, section 4.1, with both weights 1."""

    def compute_ratio(row, name):
        own = sum_answer(model, row["prompt_ids"], row[name])
        return own - with_reference(model, lambda: sum_answer(model, row["prompt_ids"], row[name]))

    with torch.no_grad():
        reference_point = torch.stack([compute_ratio(row, "KL_completion_ids") for row in rows]).mean().clamp(min=0)
    losses = []
    for row in rows:
        distance = compute_ratio(row, "completion_ids") - reference_point
        losses.append(1 - torch.sigmoid(beta * (distance if row["label"] else -distance)))
    return torch.stack(losses).mean()


def compute_orpo(model, rows, beta):
    """Hong et al. 2024, equations 6 and 7; the likelihood loss is that of TRL and the authors: of prompt and answer."""
    ratios, nats, tokens = [], 0.0, 0
    for row in rows:
        prompt = row["prompt_ids"]
        chosen, rejected = (
            compute_log_probs(model, prompt, row[name])[len(prompt) - 1 :].mean()
            for name in ("chosen_ids", "rejected_ids")
        )
        odds = [log_prob - torch.log1p(-log_prob.exp()) for log_prob in (chosen, rejected)]
        ratios.append(logsigmoid(odds[0] - odds[1]))
        complete = compute_log_probs(model, prompt, row["chosen_ids"])
        nats, tokens = nats - complete.sum(), tokens + len(complete)
    return nats / tokens - beta * torch.stack(ratios).mean()


@pytest.mark.parametrize(
    ("method", "changes", "compute"),
    [
        ("dpo", {}, compute_dpo),
        ("dpo", {"likelihood_weight": 0.5}, compute_dpo_with_likelihood),
        ("kto", {}, compute_kto),
        ("orpo", {}, compute_orpo),
    ],
    ids=["dpo", "dpo with likelihood", "kto", "orpo"],
)
def test_loss_and_gradients_are_those_of_the_published_formula(method, changes, compute, build_ours):
    trainer = build_ours(method, **changes)
    model = trainer.model
    weights = [weight for name, weight in model.named_parameters() if weight.requires_grad and ".ref." not in name]
    with torch.no_grad():
        for index, weight in enumerate(weights):  # away from the reference, where all losses are equal
            weight.add_(0.05 * torch.sin(torch.arange(weight.numel()).reshape(weight.shape) + index))
    model.eval()
    rows = [trainer.train_dataset[index] for index in range(4)]
    loss = trainer.compute_loss(model, trainer._prepare_inputs(trainer.data_collator([dict(row) for row in rows])))
    gradients = torch.autograd.grad(loss, weights)
    expected = compute(model, rows, trainer.args.beta)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    for gradient, reference in zip(gradients, torch.autograd.grad(expected, weights), strict=True):
        torch.testing.assert_close(gradient, reference, atol=1e-5, rtol=1e-4)
    assert max(float(gradient.abs().max()) for gradient in gradients) > 1e-3
