"""Log-likelihoods: the shared prefix changes the cost, never the number."""

import pytest
import torch
from tiny_models import make_tiny_model

from seodang.modeling.generating import generate
from seodang.modeling.loading import load_model, load_tokenizer
from seodang.modeling.scoring import Question, common_prefix, log_likelihoods


@pytest.fixture(scope="module")
def model_and_tokenizer(tmp_path_factory):
    folder = make_tiny_model(tmp_path_factory.mktemp("model"))
    return load_model(folder, "fp32", "cpu"), load_tokenizer(folder)


def plainly(model, question: Question) -> float:
    ids = torch.tensor([question.prompt + question.answer])
    with torch.no_grad():
        scores = model(input_ids=ids).logits[0].log_softmax(-1)
    start = len(question.prompt)
    return sum(float(scores[start + step - 1, token]) for step, token in enumerate(question.answer))


@pytest.mark.parametrize("batch_tokens", [8, 64, 4096])
def test_scores_are_those_of_each_question_by_itself(model_and_tokenizer, batch_tokens):
    model, _ = model_and_tokenizer
    shared = [5, 6, 7, 8, 9]
    questions = [Question(shared + extra, answer) for extra in ([10], [11, 12], [13, 14, 15, 16]) for answer in ([20], [21, 22, 23])]
    assert common_prefix(questions) == 5
    expected = [plainly(model, question) for question in questions]
    assert log_likelihoods(model, questions, batch_tokens) == pytest.approx(expected, abs=1e-4)


def test_prompts_without_anything_in_common_are_scored_too(model_and_tokenizer):
    model, _ = model_and_tokenizer
    questions = [Question([5], [6]), Question([7, 8], [9, 10])]
    assert log_likelihoods(model, questions, 64) == pytest.approx([plainly(model, question) for question in questions], abs=1e-4)


def test_the_same_prompt_with_two_answers_leaves_one_token_to_score_from(model_and_tokenizer):
    model, _ = model_and_tokenizer
    questions = [Question([5, 6, 7], [8]), Question([5, 6, 7], [9])]
    assert common_prefix(questions) == 2
    assert log_likelihoods(model, questions, 64) == pytest.approx([plainly(model, question) for question in questions], abs=1e-4)


def test_batched_greedy_answers_are_those_of_each_prompt_by_itself(model_and_tokenizer):
    model, tokenizer = model_and_tokenizer
    end = tokenizer.eos_token_id
    prompts = [[5, 6, 7], [8], [9, 10, 11, 12, 13]]
    together = generate(model, prompts, end=end, max_new_tokens=6, batch_tokens=1000)
    alone = [generate(model, [prompt], end=end, max_new_tokens=6, batch_tokens=1000)[0] for prompt in prompts]
    assert [answer.tokens for answer in together] == [answer.tokens for answer in alone]
