"""Groups of answers are sampled from the model's distribution, and scored as one row for each answer."""

import pytest
import torch

from seodang.alignment.group_sampling import sample_answers
from seodang.alignment.group_scoring import score_answers
from seodang.inference.generation import generate
from seodang.models.adapters import load_adapter
from seodang.models.loading import load_model

PROMPTS = [[5, 9, 11, 30], [7, 8], [5, 9, 12, 40, 41, 42, 60]]
ANSWERS = [[3, 4, 5], [3, 4, 6, 7], [3, 4, 5], [9], [10, 3, 3, 3, 8], [3, 4]]
ROWS = [PROMPTS[number] for number in (0, 1, 0, 2, 0, 1)]  # the answers to a prompt need not stand together


@pytest.fixture
def model(tiny_model, tuned_adapter):
    return load_adapter(load_model(tiny_model, "fp32", "cpu"), tuned_adapter, is_trainable=True).eval()


def score_row_by_row(model, temperature):
    values = []
    for prompt, answer in zip(ROWS, ANSWERS, strict=True):
        logits = model(input_ids=torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1] / temperature
        values.append(logits.log_softmax(-1))
    return values


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_scores_and_gradients_are_those_of_one_row_for_each_answer(model, temperature):
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    factors = torch.linspace(-1, 1, 30).reshape(6, 5)
    log_probs, entropies = score_answers(model, ROWS, ANSWERS, temperature=temperature)
    expected = torch.zeros(6, 5)
    for row, (answer, values) in enumerate(zip(ANSWERS, score_row_by_row(model, temperature), strict=True)):
        expected[row, : len(answer)] = values.gather(-1, torch.tensor(answer)[:, None])[:, 0]
        entropy = -(values.exp() * values).sum(-1)
        torch.testing.assert_close(entropies[row, : len(answer)], entropy, atol=1e-5, rtol=1e-5)
        assert not entropies[row, len(answer) :].any()
    torch.testing.assert_close(log_probs, expected, atol=1e-5, rtol=1e-5)
    gradients, references = (torch.autograd.grad((values * factors).sum(), weights) for values in (log_probs, expected))
    for gradient, reference in zip(gradients, references, strict=True):
        torch.testing.assert_close(gradient, reference, atol=1e-5, rtol=1e-4)
    assert max(float(gradient.abs().max()) for gradient in gradients) > 1e-2


def test_a_prompt_and_the_beginning_that_answers_share_are_computed_once(model):
    rows = []
    model.get_input_embeddings().register_forward_pre_hook(lambda _module, inputs: rows.append(inputs[0].shape))
    score_answers(model, ROWS, ANSWERS, temperature=1.0)
    assert rows == [(3, 7 + 6)]  # the longest prompt, and the answers to the first one: 3 4, 10 3 3 3


def test_without_chance_the_answers_are_the_greedy_ones_and_end_at_a_stop_token(model):
    settings = {"max_new_tokens": 12, "batch_tokens": 1000}
    unlimited = generate(model, ROWS, end_id=0, **settings)
    stop = unlimited[3].tokens[4]  # a token that ends some answers early and others never
    expected = generate(model, ROWS, end_id=stop, **settings)
    assert len({len(answer.tokens) for answer in expected}) > 1
    answers = sample_answers(model, ROWS, stop_ids=[stop], max_new_tokens=12, temperature=1e-4)
    assert answers == [[*each.tokens, stop] if each.has_eos else each.tokens for each in expected]


def test_answers_are_drawn_from_the_model_s_distribution(model):
    torch.manual_seed(0)
    with torch.no_grad():
        logits = torch.stack([compute_next_logits(model, prompt) for prompt in PROMPTS])
    shares = (logits / 0.5).softmax(-1)
    rows = [prompt for prompt in PROMPTS for _ in range(4000)]
    drawn = sample_answers(model, rows, stop_ids=[], max_new_tokens=1, temperature=0.5)
    tokens = torch.tensor(drawn).reshape(3, 4000)
    counts = torch.stack([torch.bincount(row, minlength=logits.shape[-1]) for row in tokens])
    deviations = (counts / 4000 - shares).abs()
    assert float((deviations / (shares * (1 - shares) / 4000 + 1e-9).sqrt()).max()) < 5
    assert float(shares.max()) > 3 / logits.shape[-1]  # the distribution is no even one


def compute_next_logits(model, prompt):
    return model(input_ids=torch.tensor([prompt])).logits[0, -1]
