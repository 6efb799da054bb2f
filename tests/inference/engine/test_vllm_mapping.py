"""Requests become vLLM's parameters, and its outputs become steps; vLLM is not needed. See test_engine_contract.py."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from types import SimpleNamespace

import pytest
from tests.inference.guide_tokenizers import GUIDED

from seodang.errors import ModelError
from seodang.inference.engine.contract import GuideFailed, SamplingOptions, TokenLogprob, TokenRequest, TokenStep
from seodang.inference.engine.scheduler import Limits
from seodang.inference.engine.vllm_arguments import build_engine_arguments
from seodang.inference.engine.vllm_guides import check_tokenizer
from seodang.inference.engine.vllm_mapping import build_sampling_arguments, read_prompt_logprobs, read_steps

PLAIN = SamplingOptions(max_new_tokens=9)
OTHERS = {
    "max_new_tokens": (5, {"max_tokens": 5}),
    "temperature": (0.7, {"temperature": 0.7}),
    "top_p": (0.5, {"top_p": 0.5}),
    "seed": (4, {"seed": 4}),
    "presence_penalty": (1.0, {"presence_penalty": 1.0}),
    "frequency_penalty": (-1.0, {"frequency_penalty": -1.0}),
    "logit_bias": ({3: -100.0}, {"logit_bias": {3: -100.0}}),
    "stop_ids": (frozenset({8, 7}), {"stop_token_ids": [7, 8]}),
    "top_logprobs": (0, {"logprobs": 0}),
}


@dataclass
class Value:
    logprob: float
    rank: int


def build(options, **fields):
    request = TokenRequest((5, 6), options, **fields)
    return build_sampling_arguments(request, frozenset({1, 2}), options.max_new_tokens)


def make_output(tokens=(), reason=None, logprobs=None, prompt=None):
    completion = SimpleNamespace(token_ids=tokens, logprobs=logprobs, finish_reason=reason)
    return SimpleNamespace(outputs=[completion], prompt_logprobs=prompt, num_cached_tokens=0)


def read(output, options=PLAIN, limit=9, prompt=None):
    return read_steps(output, TokenRequest((5, 6), options), limit, prompt)


def test_a_plain_request_is_greedy_and_stops_at_our_end_tokens_alone():
    arguments = build(PLAIN)
    assert (arguments["temperature"], arguments["ignore_eos"], arguments["stop_token_ids"]) == (0.0, True, [1, 2])
    assert (arguments["logprobs"], arguments["prompt_logprobs"], arguments["logit_bias"]) == (None, None, None)


def test_every_option_of_the_contract_reaches_vllm():
    assert {*OTHERS, "guide"} == {field.name for field in fields(SamplingOptions)}
    sampled = replace(PLAIN, temperature=1.0)
    for name, (value, expected) in OTHERS.items():
        changed = build(replace(sampled, **{name: value}))
        assert {key: changed[key] for key in expected} == expected
        assert changed != build(sampled)
    assert build(PLAIN, prompt_logprobs=2)["prompt_logprobs"] == 2


@pytest.mark.parametrize("name", GUIDED)
def test_a_tokenizer_that_vllm_cannot_guide_is_refused_before_its_process_fails(name):
    tokenizer = GUIDED[name]()
    for _time in range(2):
        if name in ("unigram", "unigram-nfkc"):
            with pytest.raises(GuideFailed, match="with the tokenizer of this model"):
                check_tokenizer(tokenizer)
        elif name != "byte-level-in-sequence":  # llguidance 1.7 and 1.9 differ
            check_tokenizer(tokenizer)


class Guide:
    grammar = 'start: "a"'

    def start(self):
        raise AssertionError


def test_a_grammar_reaches_vllm_as_it_is():
    assert build(PLAIN)["structured_outputs"] is None
    assert build(replace(PLAIN, guide=Guide()))["structured_outputs"] == {"grammar": 'start: "a"'}


@pytest.mark.parametrize("options", [{"top_logprobs": 0}, {"stop_ids": frozenset({9})}])
def test_what_vllm_does_otherwise_beside_a_grammar_is_refused(options):
    with pytest.raises(GuideFailed, match="vllm"):
        build(replace(PLAIN, guide=Guide(), **options))


def test_each_token_is_a_step_and_the_last_one_has_the_reason():
    assert read(make_output([7, 1], "stop")) == [TokenStep(7), TokenStep(1, finish_reason="stop")]
    assert read(make_output([7])) == [TokenStep(7)]


def test_an_aborted_answer_is_cancelled_without_a_further_token():
    assert read(make_output([], "abort")) == [TokenStep(None, None, "cancelled")]
    assert read(make_output([7], "abort")) == [TokenStep(7), TokenStep(None, None, "cancelled")]


def test_the_token_of_a_request_for_none_is_dropped():
    assert read(make_output([7], "length"), limit=0, prompt=(None,)) == [TokenStep(None, None, "length", (None,))]


def test_a_failed_answer_is_an_error():
    with pytest.raises(ModelError, match="'error'"):
        read(make_output([], "error"))


def test_alternatives_are_the_best_ones_without_the_token_that_vllm_adds():
    values = {9: Value(-7.0, 40), 4: Value(-0.5, 1), 3: Value(-1.0, 2)}
    (step,) = read(make_output([9], logprobs=[values]), replace(PLAIN, top_logprobs=2))
    assert step.logprob == TokenLogprob(-7.0, ((4, -0.5), (3, -1.0)))
    (step,) = read(make_output([9], logprobs=[{9: Value(-7.0, 40)}]), replace(PLAIN, top_logprobs=0))
    assert step.logprob == TokenLogprob(-7.0, ())


def test_an_impossible_token_has_a_finite_log_probability():
    (step,) = read(make_output([9], logprobs=[{9: Value(float("-inf"), 40)}]), replace(PLAIN, top_logprobs=0))
    assert step.logprob.logprob == -9999.0


def test_the_log_probabilities_of_a_prompt_begin_with_none():
    output = make_output(prompt=[None, {6: Value(-2.0, 3), 4: Value(-0.5, 1)}])
    request = TokenRequest((5, 6), PLAIN, prompt_logprobs=1)
    assert read_prompt_logprobs(output, request) == (None, TokenLogprob(-2.0, ((4, -0.5),)))
    assert read_prompt_logprobs(output, TokenRequest((5, 6), PLAIN)) is None


def test_the_engine_computes_in_fp32_and_changes_replace_that(tmp_path):
    (tmp_path / "adapter_config.json").write_text('{"r": 24}', "utf-8")
    arguments = build_engine_arguments(tmp_path, {"a": tmp_path}, Limits(max_running=3), {"tensor_parallel_size": 2})
    assert arguments["structured_outputs_config"] == {"backend": "guidance"}
    assert (arguments["dtype"], arguments["max_num_seqs"], arguments["tensor_parallel_size"]) == ("float32", 3, 2)
    assert (arguments["enable_lora"], arguments["max_loras"], arguments["max_lora_rank"]) == (True, 2, 32)
    changed = build_engine_arguments(tmp_path, {}, Limits(), {"dtype": "bfloat16"})
    assert changed["dtype"] == "bfloat16"
    assert "enable_lora" not in changed
