"""Evaluation within the context: few-shot examples per item, truncated items, and what the scores say about them."""

import pytest
import torch
from tests.constants import LEARNED_POSITIONS

from seodang.config import EvaluateParams
from seodang.errors import EvaluationError
from seodang.evaluation.aggregate import count_request_limits
from seodang.evaluation.context import create_limits, fit_item
from seodang.evaluation.requests import Variant, build_requests
from seodang.evaluation.result_log import ResultLog
from seodang.evaluation.results import Results
from seodang.evaluation.runner import run_requests
from seodang.evaluation.samples import select_split_samples
from seodang.inference.prompt_encoder import PromptEncoder
from seodang.models.loading import load_model, load_tokenizer

CONTEXT = 128
ALL_ARCHITECTURES = ("tiny", *LEARNED_POSITIONS)
PARAMS = EvaluateParams.model_validate(
    {
        "seed": 1,
        "items_per_task": 9,
        "skipped_items": {},
        "frequency_penalty": 0.0,
        "shots": [0, 3],
        "base_formats": ["koalpaca"],
        "tokens_per_batch": 512,
        "max_new_tokens": 8,
        "tasks": [],
        "data_folder": None,
        "calibrate_base": False,
        "generations_per_task": 9,
        "generations_per_free_text_task": 9,
    }
)


@pytest.fixture(scope="module")
def tasks(make_film):
    """Items of which one fits with three few-shot examples, one without any, and one not at all."""
    texts = {"짧은 영화": "긍정", "정말 지루한 영화였다 " * 4: "부정", "아주 길고 지루한 영화였다 " * 40: "부정"}
    training = [make_film(f"드라마 {number}", ("긍정", "부정")[number % 2]) for number in range(4)]
    return select_split_samples([make_film(*pair) for pair in texts.items()], "test", training, PARAMS)


@pytest.fixture(scope="module")
def load(tiny_model, make_other_model, tmp_path_factory):
    def load(architecture):
        if architecture == "tiny":
            return load_model(tiny_model, "fp32", "cpu"), load_tokenizer(tiny_model)
        folder = make_other_model(tmp_path_factory.mktemp(architecture), architecture)
        return load_model(folder, "fp32", "cpu"), load_tokenizer(folder)

    return load


@pytest.fixture
def evaluate(tmp_path, tasks):
    def evaluate(model, tokenizer, variant):
        with ResultLog(tmp_path / "log.jsonl", variant.name) as log:
            encoder = PromptEncoder(tokenizer, variant.format)
            return list(run_requests(model, encoder, variant, tasks, PARAMS, Results(log), lambda: None))

    return evaluate


def compute_harness_log_likelihoods(model, context, continuations):
    """HFLM._loglikelihood_tokens: a row is the end of context and continuation, without its last token.

    The harness truncates the context for each continuation by itself; here the longest one decides for all.
    """
    context = context[-(CONTEXT + 1 - max(map(len, continuations))) :]
    for continuation in continuations:
        row = [*context, *continuation][-(CONTEXT + 1) :][:-1]
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([row])).logits[0].log_softmax(-1)
        start = len(row) - len(continuation)
        yield sum(logits[start + index, token].item() for index, token in enumerate(continuation))


@pytest.mark.parametrize("architecture", ALL_ARCHITECTURES)
def test_an_item_beyond_the_context_is_scored_as_the_harness_scores_it(architecture, load, tasks, evaluate):
    model, tokenizer = load(architecture)
    encoder = PromptEncoder(tokenizer, "koalpaca")
    scores = evaluate(model, tokenizer, Variant("zero_shot", "koalpaca", 0, "base"))
    assert sum(score.is_truncated for score in scores) == 1
    for score, record in zip(scores, tasks[0].records, strict=True):
        context = encoder.encode_prompt(record)
        options = [encoder.encode_answer(text) for text in record.choices]
        nats = list(compute_harness_log_likelihoods(model, context, options))
        correct = record.choices.index(record.output)
        assert score.loss * len(options[correct]) == pytest.approx(-nats[correct], rel=1e-4)
        assert score.accuracy == float(max(nats) == nats[correct])
        assert score.is_truncated == (len(context) > CONTEXT - PARAMS.max_new_tokens)
        assert score.answer is not None


@pytest.mark.parametrize("architecture", ALL_ARCHITECTURES)
def test_each_item_has_the_few_shot_examples_that_fit_and_no_request_exceeds_the_context(architecture, load, tasks):
    _, tokenizer = load(architecture)
    encoder = PromptEncoder(tokenizer, "koalpaca")
    for variant in (Variant("zero_shot", "koalpaca", 0, "base"), Variant("few_shot", "koalpaca", 3, "base")):
        requests = build_requests(CONTEXT, encoder, variant, tasks[0], PARAMS)
        lengths = [len(encoder.encode_prompt(record)) for record in tasks[0].records]
        for index, length in enumerate(lengths):
            assert len(requests.get_answer_prompt(index)) <= CONTEXT - PARAMS.max_new_tokens
            assert all(len(requests.prompts[index]) + len(ids) - 1 <= CONTEXT for _, ids in requests.options[index])
            assert (index in requests.truncated_prompts) == (length > CONTEXT - PARAMS.max_new_tokens)
    by_length = [shots for _, shots in sorted(zip(lengths, requests.shots, strict=True))]
    assert by_length[0] >= 1  # the long items take no examples from the short one
    assert by_length[0] > by_length[1] >= by_length[2] == 0


def test_the_examples_that_were_shown_the_truncated_items_and_the_ties_are_counted(load, evaluate):
    model, tokenizer = load("tiny")
    model.model.norm.weight.data.zero_()  # all tokens are equally likely
    scores = evaluate(model, tokenizer, Variant("few_shot", "koalpaca", 3, "base"))
    [row] = count_request_limits(scores)
    shots = [score.shots for score in scores]
    assert (row["items"], row["truncated"], row["shots_min"], row["shots_max"]) == (3, 1, 0, max(shots))
    assert row["shots_mean"] == pytest.approx(sum(shots) / 3, abs=0.01)
    tied = [score for score in scores if score.is_tied]
    assert row["ties"] == len(tied)
    assert all(score.accuracy == 0 for score in tied)


@pytest.mark.parametrize("architecture", ALL_ARCHITECTURES)
def test_a_model_that_answers_nan_is_refused(architecture, load, evaluate):
    model, tokenizer = load(architecture)
    for name, weight in model.named_parameters():
        if "norm" in name or "ln_f" in name:
            weight.data.fill_(float("nan"))
    with pytest.raises(EvaluationError, match=r"NaN|not finite"):
        evaluate(model, tokenizer, Variant("tuned", "koalpaca", 0, "tuned"))


def encode_item(prompt_length, option_lengths=(2, 3), example_length=20):
    def encode(shots):
        prompt = [7] * (prompt_length + example_length * shots)
        return prompt, tuple((f"option {length}", list(range(length))) for length in option_lengths)

    return encode


@pytest.mark.parametrize(
    ("prompt_length", "shots", "kept", "is_truncated"),
    [(40, 3, 100, False), (81, 0, 81, False), (80, 0, 80, False), (60, 1, 80, False), (91, 0, 91, True)],
)
def test_leading_examples_stay_as_long_as_prompt_and_answer_fit(prompt_length, shots, kept, is_truncated):
    """The prompt may have 100 - 10 tokens beside a free answer, and 100 + 1 - 3 beside the longest option."""
    limits = create_limits(110 if shots == 3 else 100, 10)
    item = fit_item("q", encode_item(prompt_length), 3, limits, is_generated=True)
    assert (item.shots, len(item.prompt), item.is_prompt_truncated) == (shots, kept, is_truncated)


def test_an_item_without_a_free_answer_is_truncated_for_its_options_only():
    limits = create_limits(100, 10)
    for length, is_truncated in ((98, False), (99, True)):
        item = fit_item("q", encode_item(length), 0, limits, is_generated=False)
        assert (len(item.prompt), item.is_prompt_truncated) == (98, is_truncated)


def test_an_option_longer_than_the_context_loses_its_end():
    item = fit_item("q", encode_item(5, option_lengths=(3, 300)), 0, create_limits(100, 10), is_generated=False)
    assert [len(ids) for _, ids in item.options] == [3, 100]
    assert len(item.prompt) == 1
    assert item.is_option_truncated


def test_a_free_answer_takes_at_most_half_of_the_context():
    assert create_limits(1024, 1280).max_new_tokens == 512
    assert create_limits(1024, 1280).max_prompt_tokens == 512
    assert create_limits(None, 1280).max_prompt_tokens is None


def test_a_model_without_a_limit_reads_everything():
    item = fit_item("q", encode_item(10**5), 3, create_limits(None, 10), is_generated=True)
    assert (item.shots, len(item.prompt)) == (3, 10**5 + 60)
