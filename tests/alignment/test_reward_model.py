"""A reward model learns from pairs, equals TRL's and the published loss, and resumes exactly."""

import pytest
import torch
from datasets import Dataset
from peft import PeftConfig, get_peft_model, load_peft_weights, set_peft_model_state_dict
from tests.alignment.alignment_processes import FORMAT, run_killed, run_rated, run_reward_model, tokenize_splits
from tests.fixtures.training import create_preference_records
from torch.nn.functional import logsigmoid
from transformers import AutoModelForSequenceClassification
from trl import RewardConfig, RewardTrainer

from seodang.alignment.rated_prompts import build_model_reward, build_rated_prompts
from seodang.alignment.reward_model import REWARD, RewardModel, RewardScale, build_reward_model, rate_texts
from seodang.alignment.reward_model_training import build_reward_trainer
from seodang.alignment.trainer_args import build_trainer_kwargs
from seodang.alignment.tuning import build_tuned_model
from seodang.io.atomic import compute_sha256
from seodang.models.loading import load_model, load_tokenizer
from seodang.prompting import render_answer, render_record

GRPO = {
    "method": "grpo",
    "reward": "model",
    "batch_size": 4,
    "micro_batch_size": 2,
    "group_size": 4,
    "max_new_tokens": 8,
    "learning_rate": 5e-3,
}
WEIGHTS = "adapter_model.safetensors"


@pytest.fixture
def align(build_align_params):
    return build_align_params(**GRPO)


@pytest.fixture
def train(build_train_params):
    return build_train_params()


@pytest.fixture
def ours(tiny_model, tuned_adapter, align, train, tmp_path):
    """Our Trainer on 12 pairs."""
    model = build_reward_model(load_model(tiny_model, "fp32", "cpu"), tuned_adapter)
    return build_reward_trainer(
        model,
        load_tokenizer(tiny_model),
        tokenize_splits(tiny_model),
        align,
        train,
        [],
        device="cpu",
        run=tmp_path / "ours",
    )


def build_classifier(base, tuned):
    """Return TRL's own reward model: a classifier of transformers with the tuned adapter and an empty head."""
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1, dtype=torch.float32)
    torch.nn.init.zeros_(model.score.weight)
    config = PeftConfig.from_pretrained(tuned)
    config.task_type, config.modules_to_save, config.inference_mode = "SEQ_CLS", ["score"], False
    model = get_peft_model(model, config)
    head = {"base_model.model.score.weight": torch.zeros(1, model.config.hidden_size)}
    set_peft_model_state_dict(model, head | load_peft_weights(tuned, device="cpu"))
    return model


def read_losses(trainer):
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


def write_texts():
    rows = []
    for record in create_preference_records(12):
        prompt = "".join(segment.text for segment in render_record(record, FORMAT))
        chosen, rejected = (render_answer(text, FORMAT) for text in (record.output, record.rejected))
        rows.append({"chosen": prompt + chosen, "rejected": prompt + rejected})
    return Dataset.from_list(rows)


def test_losses_per_step_are_those_of_plain_trl_on_the_same_texts(
    ours, tiny_model, tuned_adapter, align, train, tmp_path
):
    changes = {"eval_strategy": "no", "num_train_epochs": 3.0, "learning_rate": 5e-3}
    settings = build_trainer_kwargs(align, train, "cpu", tmp_path / "plain") | changes
    settings.pop("beta")
    plain = RewardTrainer(
        model=build_classifier(tiny_model, tuned_adapter),
        args=RewardConfig(**settings),
        train_dataset=write_texts(),
        processing_class=load_tokenizer(tiny_model),
    )
    for column in ("chosen_ids", "rejected_ids"):
        assert list(plain.train_dataset[column]) == list(ours.train_dataset[column])  # TRL's own tokens are ours
    ours.train()
    plain.train()
    losses = read_losses(ours)
    assert len(losses) == 9
    assert losses == pytest.approx(read_losses(plain), abs=1e-5)
    assert losses[-1] < 0.5 * losses[0]


def compute_bradley_terry(model, rows):
    """Ouyang et al. 2022, equation 1, a row at a time, with the hidden states that transformers returns."""
    losses = []
    base = model.get_base_model()
    for row in rows:
        rewards = [
            base(input_ids=torch.tensor([row[name]]), output_hidden_states=True).hidden_states[-1][0, -1]
            @ base.score.weight[0]
            for name in ("chosen_ids", "rejected_ids")
        ]
        losses.append(-logsigmoid(rewards[0] - rewards[1]))
    return torch.stack(losses).mean()


def test_loss_and_gradients_are_those_of_the_published_formula(ours):
    model = ours.model
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    with torch.no_grad():
        for index, weight in enumerate(weights):  # away from the empty head
            weight.add_(0.05 * torch.sin(torch.arange(weight.numel()).reshape(weight.shape) + index))
    model.eval()
    rows = [ours.train_dataset[index] for index in range(4)]
    loss = ours.compute_loss(model, ours._prepare_inputs(ours.data_collator([dict(row) for row in rows])))
    gradients = torch.autograd.grad(loss, weights)
    expected = compute_bradley_terry(model, rows)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    for gradient, reference in zip(gradients, torch.autograd.grad(expected, weights), strict=True):
        torch.testing.assert_close(gradient, reference, atol=1e-5, rtol=1e-4)
    assert max(float(gradient.abs().max()) for gradient in gradients) > 1e-3


def test_a_trained_model_prefers_the_better_answers_of_held_out_pairs(
    tiny_model, tuned_adapter, align, train, tmp_path
):
    model = run_reward_model(tiny_model, tuned_adapter, tmp_path, align, train)
    figures = model.figures
    assert figures["pairs"] == figures["training_pairs"] == 12
    assert figures["accuracy"]["value"] == figures["training_accuracy"]["value"] == 1.0
    assert figures["accuracy"]["low"] > 0.5
    assert figures["margin"]["value"] > 1
    files = ["adapter_config.json", WEIGHTS, "reward_model.json"]
    assert sorted(file.name for file in model.folder.iterdir()) == files


@pytest.fixture
def saved(tiny_model, tuned_adapter, align, train, tmp_path):
    """A saved reward model: three optimizer steps."""
    short = align.model_copy(update={"reward_model": align.reward_model.model_copy(update={"epochs": 1.0})})
    return run_reward_model(tiny_model, tuned_adapter, tmp_path, short, train)


@pytest.fixture
def rewarded(saved, tiny_model, tuned_adapter, align, train):
    """A policy, its tokenizer, and the function that rewards its answers by the saved model."""
    tokenizer, splits = load_tokenizer(tiny_model), tokenize_splits(tiny_model)
    policy = build_tuned_model(load_model(tiny_model, "fp32", "cpu"), align, train, tuned_adapter)
    pairs = splits.training.pairs
    prompts = build_rated_prompts(pairs, splits.held_out.pairs, saved, align, tokenizer.eos_token_id)
    return policy, tokenizer, build_model_reward(policy, tokenizer, prompts, [tokenizer.eos_token_id, 9]), pairs


def test_the_reward_is_that_of_the_trained_model_and_has_mean_0_and_deviation_1(saved, rewarded, tiny_model):
    _policy, _tokenizer, reward, pairs = rewarded
    sides = [(pair.prompt, answer) for pair in pairs for answer in (pair.chosen, pair.rejected)]
    values = torch.tensor(reward(prompts=[prompt for prompt, _ in sides], completion_ids=[ids for _, ids in sides]))
    assert (values.mean().item(), values.std(correction=0).item()) == pytest.approx((0, 1), abs=1e-4)
    assert values.min().item() == pytest.approx(saved.scale.floor, abs=1e-4)
    alone = build_reward_model(load_model(tiny_model, "fp32", "cpu"), saved.folder)
    outputs = torch.tensor(rate_texts(alone, [prompt + ids for prompt, ids in sides]))
    torch.testing.assert_close(values, (outputs - saved.scale.mean) / saved.scale.deviation, atol=1e-4, rtol=1e-4)


def test_blank_and_cut_answers_earn_the_lowest_reward_and_any_end_token_ends_an_answer(saved, rewarded):
    _policy, tokenizer, reward, pairs = rewarded
    pair, end = pairs[0], tokenizer.eos_token_id
    space = tokenizer(" ", add_special_tokens=False)["input_ids"]
    answers = [pair.chosen, [*pair.chosen[:-1], 9], pair.chosen[:-1], [end], [*space, end], []]
    complete, other_end, *bad = reward(prompts=[pair.prompt] * len(answers), completion_ids=answers)
    assert complete == pytest.approx(other_end, abs=1e-6)
    assert complete > saved.scale.floor
    assert bad == [saved.scale.floor] * 4


def test_rating_leaves_the_policy_as_it_is(rewarded):
    policy, _tokenizer, reward, pairs = rewarded
    trainable = {name for name, weight in policy.named_parameters() if weight.requires_grad}
    policy.train()
    reward(prompts=[pairs[0].prompt], completion_ids=[pairs[0].chosen])
    assert policy.training
    assert policy.active_adapter == "default"
    assert {name for name, weight in policy.named_parameters() if weight.requires_grad} == trainable
    assert trainable
    assert not any(REWARD in name or "score" in name for name in trainable)


def test_each_prompt_is_asked_once_and_leaves_room_for_an_answer(tiny_model, align):
    pairs = tokenize_splits(tiny_model).training.pairs
    model = RewardModel(tiny_model, RewardScale(0, 1, -1), {})
    prompts = build_rated_prompts([*pairs, *pairs], [], model, align, 1)
    assert sorted(pair.id for pair in prompts.training) == sorted(pair.id for pair in pairs)
    longest = max(len(pair.prompt) for pair in pairs)
    short = align.model_copy(update={"max_length": longest + align.max_new_tokens - 1})
    kept = build_rated_prompts(pairs, [], model, short, 1).training
    assert kept
    assert len(kept) < len(pairs)
    assert max(len(pair.prompt) for pair in kept) < longest


def compute_digests(folder):
    return [compute_sha256(folder / name / WEIGHTS) for name in ("reward_model", "adapter")]


def test_equal_seeds_give_equal_bytes_and_other_seeds_do_not(tiny_model, tuned_adapter, tmp_path, align, train):
    digests = []
    for name, seed in (("one", 1), ("again", 1), ("two", 2)):
        changed = align.model_copy(update={"seed": seed, "epochs": 1.0})
        run_rated(tiny_model, tuned_adapter, tmp_path / name, changed, train)
        digests.append(compute_digests(tmp_path / name))
    assert digests[0] == digests[1]
    assert not set(digests[0]) & set(digests[2])


@pytest.mark.slow
@pytest.mark.parametrize("run", [run_reward_model, run_rated], ids=["during reward training", "during GRPO"])
def test_a_killed_run_resumes_to_the_same_bytes(run, tiny_model, tuned_adapter, tmp_path, align, train):
    arguments, settings = (tiny_model, tuned_adapter), (align, train)
    run_rated(*arguments, tmp_path / "whole", *settings)
    run_killed(*arguments, tmp_path / "killed", *settings, step=5, run=run)
    assert (tmp_path / "killed" / "reward_model").exists() == (run is run_rated)
    resumed = run_rated(*arguments, tmp_path / "killed", *settings)
    figures = run_reward_model if run is run_reward_model else None
    assert resumed.resume_steps == ([] if figures else [4])
    assert compute_digests(tmp_path / "whole") == compute_digests(tmp_path / "killed")
