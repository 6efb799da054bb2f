"""Metrics of single items."""

import math

import pytest

from seodang.evaluation.tasks.samples import EvalSample
from seodang.evaluation.tasks.scoring import (
    compute_answer_metrics,
    compute_choice_metrics,
    compute_log_odds,
    compute_text_metrics,
    normalize_log_likelihoods,
)


def test_accuracy_is_of_the_plain_log_likelihoods_and_accuracy_norm_of_those_by_length(build_spec):
    options, reference = ("예", "아니오, 아니오"), "아니오, 아니오"
    both = {"accuracy": 0.0, "accuracy_norm": 1.0}
    for metrics, index in ((["accuracy", "accuracy_norm"], 0), (["accuracy_norm", "accuracy"], 1)):
        spec = build_spec(normalise="characters", metrics=metrics)
        choice = compute_choice_metrics(spec, options, reference, [-2.0, -4.0], [1, 4])
        assert (choice.index, choice.is_tied, choice.scores) == (index, False, both)
    choice = compute_choice_metrics(build_spec(), options, reference, [-2.0, -4.0], [1, 4])
    assert (choice.index, choice.is_tied, choice.scores) == (0, False, {"accuracy": 0.0})


@pytest.mark.parametrize("reference", ["예", "아니오", "모름"])
def test_a_tie_of_the_likeliest_options_is_wrong_wherever_the_reference_stands(build_spec, reference):
    """As in BLiMP (Warstadt et al. 2020): the correct option must be strictly the likeliest."""
    choice = compute_choice_metrics(build_spec(), ("예", "아니오", "모름"), reference, [-1.0, -1.0, -1.0], [1, 1, 1])
    assert choice.is_tied
    assert choice.scores == {"accuracy": 0.0}


def test_equal_options_below_the_best_one_are_no_tie(build_spec):
    choice = compute_choice_metrics(build_spec(), ("예", "아니오", "모름"), "모름", [-2.0, -2.0, -1.0], [1, 1, 1])
    assert (choice.index, choice.is_tied, choice.scores) == (2, False, {"accuracy": 1.0})


def test_the_normalization_of_the_primary_metric_decides_whether_options_tie(build_spec):
    options, log_likelihoods = ("예", "아니오"), [-1.0, -3.0]  # equal per character
    spec = build_spec(normalise="characters", metrics=["accuracy_norm", "accuracy"])
    choice = compute_choice_metrics(spec, options, "예", log_likelihoods, [1, 1])
    assert choice.is_tied
    assert choice.scores == {"accuracy": 1.0, "accuracy_norm": 0.0}


@pytest.mark.parametrize("shares", [(0.9, 0.1), (0.2, 0.3, 0.5)])
def test_log_odds_are_those_of_the_last_option_among_all(shares):
    last = shares[-1]
    assert compute_log_odds([math.log(share) - 700 for share in shares]) == pytest.approx(math.log(last / (1 - last)))


def test_lengths_are_counted_as_stated():
    def normalize(how):
        return normalize_log_likelihoods([-12.0, -12.0], ["예", "no"], [4, 3], how)

    assert normalize("none") == [-12.0, -12.0]
    assert normalize("characters") == [-12.0, -6.0]
    assert normalize("bytes") == [-4.0, -6.0]  # three bytes a syllable
    assert normalize("tokens") == [-3.0, -4.0]


def test_a_free_answer_gets_the_metrics_that_the_task_names(build_free_spec):
    spec = build_free_spec(
        metrics=["chrf", "exact_match", "rouge_l", "length_ratio", "eos_rate", "same_language", "repetition"]
    )
    item = EvalSample(id="1", prompts={"bare": "수도는 어디인가요?"}, choices=(), reference="서울", language="ko")
    assert compute_answer_metrics(spec, item, "서울.", has_eos=True) == {
        "chrf": pytest.approx(87.5),  # precision (2/3 + 1/2) / 2, recall 1, F2
        "exact_match": 1.0,
        "rouge_l": 1.0,
        "length_ratio": 1.5,
        "eos_rate": 1.0,
        "same_language": 1.0,
        "repetition": 0.0,
    }
    assert compute_answer_metrics(build_free_spec(), item, "Busan", has_eos=False) == {"exact_match": 0.0}


def test_an_answer_to_instructions_that_can_be_verified_is_verified(build_free_spec):
    spec = build_free_spec(
        metrics=["ifeval_prompt_strict", "ifeval_instruction_strict", "ifeval_prompt_loose"],
        answer="",
        extra=["instruction_id_list", "kwargs"],
    )
    extra = {"instruction_id_list": ["punctuation:no_comma", "startend:quotation"], "kwargs": [{}, {}]}
    item = EvalSample(id="1", prompts={"bare": "?"}, choices=(), reference="", language="en", extra=extra)
    assert compute_answer_metrics(spec, item, "no comma here", has_eos=True) == {
        "ifeval_prompt_strict": 0.0,
        "ifeval_instruction_strict": 0.5,
        "ifeval_prompt_loose": 0.0,
    }


@pytest.mark.parametrize(("has_eos", "finished"), [(True, 1.0), (False, 0.0)])
def test_an_answer_that_never_ends_follows_no_prompt_by_accident(has_eos, finished, build_free_spec):
    spec = build_free_spec(
        metrics=["ifeval_prompt_strict", "ifeval_prompt_finished"], answer="", extra=["instruction_id_list", "kwargs"]
    )
    extra = {"instruction_id_list": ["keywords:existence"], "kwargs": [{"keywords": ["도서관"]}]}
    item = EvalSample(id="1", prompts={"bare": "?"}, choices=(), reference="", language="ko", extra=extra)
    assert compute_answer_metrics(spec, item, "'도서관'을 쓰세요. " * 20, has_eos=has_eos) == {
        "ifeval_prompt_strict": 1.0,
        "ifeval_prompt_finished": finished,
    }


def test_bits_per_byte_do_not_depend_on_the_tokenizer():
    coarse, fine = compute_text_metrics(-6 * math.log(2), 1, "가나"), compute_text_metrics(-6 * math.log(2), 6, "가나")
    assert coarse["bits_per_byte"] == fine["bits_per_byte"] == pytest.approx(1.0)
    assert coarse["loss"] == pytest.approx(6 * fine["loss"])
