"""GRPO learns from rewards, equals the published formula, and resumes exactly."""

import pytest
import torch
from tests.alignment.alignment_processes import build_reward_prompts, compute_log_probs, run_killed, run_rewards
from transformers import TrainerCallback

from seodang.alignment.reward_prompts import RewardPrompts
from seodang.alignment.rewards import compute_reward
from seodang.alignment.trainer_factory import build_trainer
from seodang.alignment.tuning import build_tuned_model
from seodang.errors import TrainingError
from seodang.io.atomic import compute_sha256
from seodang.models.loading import load_model, load_tokenizer
from seodang.models.tokenization import decode_answer

SMALL = {"method": "grpo", "batch_size": 4, "micro_batch_size": 2, "group_size": 4, "max_new_tokens": 8}


@pytest.fixture
def align(build_align_params):
    return build_align_params(**SMALL)


@pytest.fixture
def trainer(tiny_model, tuned_adapter, align, build_train_params, tmp_path):
    tokenizer = load_tokenizer(tiny_model)
    train = build_train_params()
    model = build_tuned_model(load_model(tiny_model, "fp32", "cpu"), align, train, tuned_adapter)
    prompts = RewardPrompts(build_reward_prompts(tokenizer), [], tokenizer.eos_token_id)
    return build_trainer(model, tokenizer, prompts, align, train, [], device="cpu", run=tmp_path)


@pytest.fixture(params=[True, False], ids=["shared prompts", "one row for each answer"])
def any_trainer(request, trainer):
    """The trainer as it is for this model, and as it is for models whose prompts cannot be shared."""
    assert trainer._shares_prompts
    trainer._shares_prompts = request.param
    return trainer


def test_the_trainer_reads_our_token_ids_and_stops_at_our_end_token(any_trainer, tiny_model):
    trainer, tokenizer = any_trainer, load_tokenizer(tiny_model)
    prompts = build_reward_prompts(tokenizer)
    batch = [trainer.train_dataset[index] for index in range(8)]
    inputs = trainer._generate_and_score_completions(batch)
    for row, ids, mask in zip(batch, inputs["prompt_ids"], inputs["prompt_mask"], strict=True):
        assert ids[mask.bool()].tolist() == row["prompt"] == prompts[row["index"]].prompt
    for ids, mask in zip(inputs["completion_ids"].tolist(), inputs["completion_mask"].tolist(), strict=True):
        answer = [token for token, is_kept in zip(ids, mask, strict=True) if is_kept]
        assert tokenizer.eos_token_id not in answer[:-1]


def test_a_reward_is_that_of_the_rules(trainer, tiny_model):
    tokenizer = load_tokenizer(tiny_model)
    prompts, end = build_reward_prompts(tokenizer), tokenizer.eos_token_id
    answers = [[*tokenizer("영화", add_special_tokens=False)["input_ids"], end], [5, 6, 7]]
    logged = {}
    values = trainer.reward_funcs[0](index=[0, 1], completion_ids=answers, log_metric=logged.__setitem__, prompts=[])
    texts = [decode_answer(tokenizer, ids, [end]) for ids in answers]
    assert texts[0] == "영화"
    expected = [
        compute_reward(prompt.goal, text, ends=ends)
        for prompt, text, ends in zip(prompts[:2], texts, (True, False), strict=True)
    ]
    assert values == [reward.value for reward in expected]
    assert logged == {"constraints_met": sum(sum(reward.met) for reward in expected) / 2}


def compute_grpo(model, inputs, beta):
    """Shao et al. 2024, equations 3 and 4, with one update per batch: the ratio to the sampling policy is 1."""
    losses = []
    for row in range(len(inputs["advantages"])):
        prompt = inputs["prompt_ids"][row][inputs["prompt_mask"][row].bool()].tolist()
        answer = inputs["completion_ids"][row][inputs["completion_mask"][row].bool()].tolist()
        log_probs = compute_log_probs(model, prompt, answer)[len(prompt) - 1 :]
        model.set_adapter("ref")
        with torch.no_grad():
            reference = compute_log_probs(model, prompt, answer)[len(prompt) - 1 :]
        model.set_adapter("default")
        ratio = reference - log_probs
        divergence = ratio.exp() - ratio - 1
        surrogate = (log_probs - log_probs.detach()).exp() * inputs["advantages"][row]
        losses.append((surrogate - beta * divergence).mean())
    return -torch.stack(losses).mean()


def test_loss_and_gradients_are_those_of_the_published_formula(any_trainer):
    trainer = any_trainer
    model = trainer.model
    weights = [weight for name, weight in model.named_parameters() if weight.requires_grad and ".ref." not in name]
    with torch.no_grad():
        for index, weight in enumerate(weights):  # away from the reference, where the KL term is zero
            weight.add_(0.05 * torch.sin(torch.arange(weight.numel()).reshape(weight.shape) + index))
    inputs = trainer._generate_and_score_completions([trainer.train_dataset[index // 4] for index in range(8)])
    inputs["advantages"] = torch.linspace(-1, 1, 8)
    model.eval()
    loss = trainer.compute_loss(model, inputs)
    gradients = torch.autograd.grad(loss, weights)
    expected = compute_grpo(model, inputs, trainer.beta)
    assert loss.item() == pytest.approx(expected.item(), abs=1e-5)
    for gradient, reference in zip(gradients, torch.autograd.grad(expected, weights), strict=True):
        torch.testing.assert_close(gradient, reference, atol=1e-5, rtol=1e-4)
    assert max(float(gradient.abs().max()) for gradient in gradients) > 1e-3


class RewardLog(TrainerCallback):
    """Keeps the mean reward of each optimizer step."""

    def __init__(self):
        self.rewards = []

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "reward" in (logs or {}):
            self.rewards.append(logs["reward"])


@pytest.mark.slow
def test_sampled_answers_earn_more_with_each_step(
    tiny_model, tuned_adapter, tmp_path, build_align_params, build_train_params
):
    align = build_align_params(
        **SMALL | {"epochs": 40.0, "learning_rate": 6e-2, "beta": 0.001, "group_size": 8, "logging_steps": 1}
    )
    log = RewardLog()
    run_rewards(tiny_model, tuned_adapter, tmp_path, align, build_train_params(), (log,))
    first, last = sum(log.rewards[:24]) / 24, sum(log.rewards[-24:]) / 24
    assert len(log.rewards) == 80
    assert last > 1.4 * first > 0  # an untrained model samples almost evenly, so it learns slowly


def test_too_few_prompts_are_refused(tiny_model, tuned_adapter, tmp_path, build_align_params, build_train_params):
    align = build_align_params(**SMALL | {"batch_size": 32, "epochs": 1.0})
    with pytest.raises(TrainingError, match=r"too few prompts to learn from \(8\), align\.batch_size is 32"):
        run_rewards(tiny_model, tuned_adapter, tmp_path, align, build_train_params())


def test_equal_seeds_give_equal_bytes_and_other_seeds_do_not(
    tiny_model, tuned_adapter, tmp_path, build_align_params, build_train_params
):
    digests = []
    for name, seed in (("one", 1), ("again", 1), ("two", 2)):
        align = build_align_params(**SMALL | {"seed": seed, "epochs": 1.0})
        run_rewards(tiny_model, tuned_adapter, tmp_path / name, align, build_train_params())
        digests.append(compute_sha256(tmp_path / name / "adapter" / "adapter_model.safetensors"))
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_bytes(tiny_model, tuned_adapter, tmp_path, align, build_train_params):
    arguments, settings = (tiny_model, tuned_adapter), (align, build_train_params())
    run_rewards(*arguments, tmp_path / "whole", *settings)
    run_killed(*arguments, tmp_path / "killed", *settings, step=5, run=run_rewards)
    assert not (tmp_path / "killed" / "adapter").exists()
    resumed = run_rewards(*arguments, tmp_path / "killed", *settings)
    assert resumed.resume_steps == [4]
    whole, killed = (
        compute_sha256(tmp_path / name / "adapter" / "adapter_model.safetensors") for name in ("whole", "killed")
    )
    assert whole == killed
