"""Log-likelihoods: common prefixes change the cost, never the result."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import pytest
import torch
from transformers import (
    BloomConfig,
    BloomForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    MoshiConfig,
    MoshiForCausalLM,
    PhimoeConfig,
    PhimoeForCausalLM,
    Qwen2MoeConfig,
    Qwen2MoeForCausalLM,
)

from seodang.errors import EvaluationError
from seodang.evaluation.result_log import ResultLog
from seodang.inference import loglikelihood
from seodang.inference.choice_requests import ChoiceRequest, check_options
from seodang.inference.generation import generate
from seodang.inference.loglikelihood import score_choices
from seodang.inference.tree_attention import can_use_tree
from seodang.models.adapters import load_adapter
from seodang.models.attention_probe import has_windows_of_cache
from seodang.models.loading import load_model, load_tokenizer

SHARED = [5, 6, 7, 8, 9, 5, 6, 5]
SHAPE = {
    "vocab_size": 100,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "initializer_range": 0.3,
}


@pytest.fixture(scope="module")
def model_and_tokenizer(tmp_path_factory, make_tiny_model):
    folder = make_tiny_model(tmp_path_factory.mktemp("model"))
    return load_model(folder, "fp32", "cpu"), load_tokenizer(folder)


def gemma(window: int):
    config = Gemma3TextConfig(
        **SHAPE,
        num_key_value_heads=1,
        head_dim=16,
        intermediate_size=64,
        sliding_window=window,
        layer_types=["sliding_attention", "full_attention"],
        query_pre_attn_scalar=16,
    )
    return Gemma3ForCausalLM(config).eval()


EXPERTS = {"num_experts": 4, "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}


def qwen2_moe():
    """Has a window in its first layer only."""
    windows = {"sliding_window": 8, "use_sliding_window": True, "max_window_layers": 2}
    config = Qwen2MoeConfig(
        **SHAPE, **EXPERTS, **windows, num_key_value_heads=1, shared_expert_intermediate_size=24, intermediate_size=64
    )
    return Qwen2MoeForCausalLM(config).eval()


def phimoe():
    config = PhimoeConfig(**SHAPE, **EXPERTS, num_key_value_heads=1, intermediate_size=64, sliding_window=8)
    return PhimoeForCausalLM(config).eval()


def longrope():
    """Has other frequencies for rows of more than 12 tokens."""
    size = SHAPE["hidden_size"] // SHAPE["num_attention_heads"] // 2
    parameters = {
        "rope_type": "longrope",
        "rope_theta": 10000.0,
        "factor": 4.0,
        "short_factor": [1.0] * size,
        "long_factor": [1.0 + 3 * number for number in range(size)],
        "original_max_position_embeddings": 12,
    }
    config = LlamaConfig(**SHAPE, num_key_value_heads=1, intermediate_size=64, rope_parameters=parameters)
    return LlamaForCausalLM(config).eval()


def llama():
    return LlamaForCausalLM(LlamaConfig(**SHAPE, num_key_value_heads=1, intermediate_size=64)).eval()


def gemma2():  # bounds its scores, which only attention in single steps does
    return Gemma2ForCausalLM(
        Gemma2Config(
            **SHAPE,
            num_key_value_heads=1,
            head_dim=16,
            intermediate_size=64,
            sliding_window=4,
            query_pre_attn_scalar=16,
        )
    ).eval()


def mistral():  # every layer has the window, and its settings name no kinds of layers
    return MistralForCausalLM(
        MistralConfig(**SHAPE, num_key_value_heads=1, intermediate_size=64, sliding_window=4)
    ).eval()


MAKERS = {
    "window 4": lambda: gemma(4),
    "window 9": lambda: gemma(9),
    "window 64": lambda: gemma(64),
    "softcap": gemma2,
    "windows only": mistral,
    "llama": llama,
}


def bloom():  # it knows no positions but the distances of tokens in a row: no tree
    return BloomForCausalLM(
        BloomConfig(vocab_size=100, hidden_size=32, n_layer=2, n_head=2, initializer_range=0.3)
    ).eval()


@dataclass(frozen=True)
class LikelihoodRequest:
    """Token ids of a prompt and of one answer."""

    prompt: list[int]
    answer: list[int]


def compute_alone(model, request: LikelihoodRequest) -> float:
    """Return the log-likelihood of one request from a plain forward pass."""
    ids = torch.tensor([request.prompt + request.answer])
    with torch.no_grad():
        scores = model(input_ids=ids, use_cache=False).logits[0].log_softmax(-1)
    start = len(request.prompt)
    return sum(float(scores[start + step - 1, token]) for step, token in enumerate(request.answer))


def compute_log_likelihoods(model, requests: Sequence[LikelihoodRequest], batch_tokens: int) -> list[float]:
    """Score each answer as the only option of its prompt."""
    choices = [ChoiceRequest("", request.prompt, (("", request.answer),)) for request in requests]
    scores = dict(pair for batch in score_choices(model, choices, batch_tokens) for pair in batch)
    return [scores[index][0].nats for index in range(len(requests))]


def create_choice(prompt: list[int], *answers: list[int], item: str = "a") -> ChoiceRequest:
    return ChoiceRequest(item, prompt, tuple((str(ids), ids) for ids in answers))


def list_indices(batches) -> list[int]:
    return sorted(index for batch in batches for index, _ in batch)


@pytest.mark.parametrize("batch_tokens", [8, 64, 4096])
def test_scores_are_those_of_each_question_by_itself(model_and_tokenizer, batch_tokens):
    model, _ = model_and_tokenizer
    requests = [
        LikelihoodRequest(SHARED + extra, answer)
        for extra in ([10], [11, 12], [13, 14, 15, 16])
        for answer in ([20], [21, 22, 23])
    ]
    expected = [compute_alone(model, request) for request in requests]
    assert compute_log_likelihoods(model, requests, batch_tokens) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("make", [*MAKERS.values(), bloom], ids=[*MAKERS, "rows"])
@pytest.mark.parametrize("shared", [SHARED, []], ids=["examples", "none"])
def test_scores_are_those_of_each_question_by_itself_whatever_a_layer_sees(make, shared):
    torch.manual_seed(3)
    model = make()
    prompts = [[10], [11, 12], [11, 12, 14], [13, 14, 15, 16, 17, 18, 19, 20, 21, 22]]
    answers = [[20], [21], [21, 22, 23], [21, 22, 24, 25, 26, 27], [30, 31]]
    requests = [LikelihoodRequest(shared + prompt, answer) for prompt in prompts for answer in answers]
    expected = [compute_alone(model, request) for request in requests]
    for batch_tokens in (1, 30, 4096):
        assert compute_log_likelihoods(model, requests, batch_tokens) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_most_models_take_trees(make):
    assert can_use_tree(make())
    assert not can_use_tree(bloom())


def test_a_model_with_an_adapter_is_scored_with_its_adapter(tmp_path, make_tiny_adapter, make_tiny_model):
    base = make_tiny_model(tmp_path / "base")
    model = load_adapter(load_model(base, "fp32", "cpu"), make_tiny_adapter(base, tmp_path / "adapter"))
    requests = [LikelihoodRequest([*SHARED, extra], answer) for extra in (10, 11) for answer in ([20], [21, 22])]
    assert compute_log_likelihoods(model, requests, 64) == pytest.approx(
        [compute_alone(model, request) for request in requests], abs=1e-4
    )


def test_scores_in_bf16_are_those_of_each_question_by_itself_within_its_rounding():
    torch.manual_seed(3)
    model = gemma(4).to(torch.bfloat16)
    requests = [LikelihoodRequest([*SHARED, extra], [20, 21]) for extra in (10, 11)]
    assert compute_log_likelihoods(model, requests, 64) == pytest.approx(
        [compute_alone(model, request) for request in requests], rel=0.05
    )


def test_prompts_without_anything_in_common_are_scored_too(model_and_tokenizer):
    model, _ = model_and_tokenizer
    requests = [LikelihoodRequest([5], [6]), LikelihoodRequest([7, 8], [9, 10])]
    assert compute_log_likelihoods(model, requests, 64) == pytest.approx(
        [compute_alone(model, request) for request in requests], abs=1e-4
    )


def test_the_same_prompt_with_two_answers_leaves_one_token_to_score_from(model_and_tokenizer):
    model, _ = model_and_tokenizer
    requests = [
        LikelihoodRequest([5, 6, 7], [8]),
        LikelihoodRequest([5, 6, 7], [9]),
        LikelihoodRequest([5, 6, 7], [8]),
    ]
    assert compute_log_likelihoods(model, requests, 64) == pytest.approx(
        [compute_alone(model, request) for request in requests], abs=1e-4
    )


@pytest.mark.parametrize("make", [qwen2_moe, phimoe, longrope])
def test_windows_and_positions_are_those_of_each_prompt_by_itself(make):
    torch.manual_seed(1)
    model = make()
    requests = [
        LikelihoodRequest([*range(5, 5 + length), 30 + extra], [20, 21, 22]) for length in (3, 24) for extra in range(3)
    ]
    expected = [compute_alone(model, request) for request in requests]
    assert compute_log_likelihoods(model, requests, 256) == pytest.approx(expected, abs=1e-4)


def test_a_model_whose_cache_has_other_windows_than_its_masks_is_scored_row_by_row():
    """Moshi's cache has windows, and its masks have none."""
    torch.manual_seed(1)
    shape = {name: value for name, value in SHAPE.items() if name != "initializer_range"}
    model = MoshiForCausalLM(MoshiConfig(**shape, ffn_dim=48, sliding_window=8, max_position_embeddings=64)).eval()
    assert can_use_tree(model)
    assert has_windows_of_cache(model, torch.arange(5, 12))  # shorter than the window
    assert not has_windows_of_cache(model, torch.arange(5, 35))
    requests = [LikelihoodRequest([*range(5, 29), extra], [20, 21, 22]) for extra in range(3)]
    expected = [compute_alone(model, request) for request in requests]
    assert compute_log_likelihoods(model, requests, 256) == pytest.approx(expected, abs=1e-4)


def test_no_question_is_answered_by_nothing(model_and_tokenizer):
    model, _ = model_and_tokenizer
    assert compute_log_likelihoods(model, [], 64) == []
    assert list(score_choices(model, [], 64)) == []


def test_one_token_options_are_read_where_the_prompt_ends_and_the_prompt_is_read_once(model_and_tokenizer, monkeypatch):
    model, _ = model_and_tokenizer
    read = []
    forward = model.model.forward
    monkeypatch.setattr(
        model.model, "forward", lambda input_ids, **rest: read.append(input_ids.shape[1]) or forward(input_ids, **rest)
    )
    compute_log_likelihoods(
        model, [LikelihoodRequest([*SHARED, 10 + extra, 30], [answer]) for extra in range(3) for answer in (20, 21)], 64
    )
    assert read == [len(SHARED), 3 * 2]


def test_options_come_with_the_number_of_their_tokens(model_and_tokenizer):
    model, _ = model_and_tokenizer
    [[(index, likelihoods)]] = score_choices(model, [create_choice(SHARED, [20], [21, 22])], 64)
    assert (index, [likelihood.tokens for likelihood in likelihoods]) == (0, [1, 2])
    assert likelihoods[1].nats == pytest.approx(compute_alone(model, LikelihoodRequest(SHARED, [21, 22])), abs=1e-4)


@pytest.mark.parametrize("batch_tokens", [1, 12, 4096])
def test_a_skipped_choice_is_not_scored_and_changes_no_other_score(model_and_tokenizer, batch_tokens):
    model, _ = model_and_tokenizer
    choices = [create_choice([*SHARED, 10 + extra], [20], [21, 22]) for extra in range(6)]
    batches = list(score_choices(model, choices, batch_tokens))
    first = {index for index, _ in batches[0]}
    assert list_indices(batches) == list(range(6))
    assert list(score_choices(model, choices, batch_tokens, skip=first)) == batches[1:]


def test_a_result_log_that_was_interrupted_in_a_batch_ends_like_a_complete_one(model_and_tokenizer, tmp_path):
    model, _ = model_and_tokenizer
    choices = [create_choice([*SHARED, 10 + extra], [20], [21, 22], item=str(extra)) for extra in range(6)]

    def score(path, batch_count):
        with ResultLog(path, "the same") as log:
            known = {row["index"] for row in log.rows}
            for batch in islice(score_choices(model, choices, 6, skip=known), batch_count):
                log.append(
                    {"index": index, "nats": [likelihood.nats for likelihood in likelihoods]}
                    for index, likelihoods in batch
                )

    score(tmp_path / "complete", None)
    score(tmp_path / "interrupted", 2)
    with (tmp_path / "interrupted").open("r+b") as file:
        file.truncate((tmp_path / "interrupted").stat().st_size - 5)
    score(tmp_path / "interrupted", None)
    rows = {
        name: [json.loads(line) for line in (tmp_path / name).read_text().splitlines()[1:]]
        for name in ("complete", "interrupted")
    }
    assert [row["index"] for row in rows["interrupted"]] == [row["index"] for row in rows["complete"]]
    assert [row["nats"] for row in rows["interrupted"]] == [
        pytest.approx(row["nats"], abs=1e-5) for row in rows["complete"]
    ]


def test_options_of_the_same_tokens_are_refused_with_item_and_options():
    with pytest.raises(EvaluationError, match="item q7: options '예' and '예 ' have the same tokens"):
        check_options("q7", (("예", [20]), ("아니오", [21]), ("예 ", [20])))
    with pytest.raises(EvaluationError, match="item q8: option '' has no token"):
        check_options("q8", (("", []),))


@pytest.mark.parametrize("use_tree", [True, False])
def test_a_log_likelihood_that_is_not_a_number_is_refused_with_its_item(use_tree, monkeypatch):
    """NaN compares as false, so the first option would win: a broken model would score 1.0 where gold comes first."""
    monkeypatch.setattr(loglikelihood, "can_use_tree", lambda _: use_tree)
    model = llama()
    model.model.norm.weight.data.fill_(float("nan"))
    with pytest.raises(EvaluationError, match=r"item a: the log-likelihood of an answer is not finite \(nan, nan\)"):
        list(score_choices(model, [create_choice(SHARED, [20], [21, 22])], 64))


def list_nats(batches):
    return [score.nats for batch in batches for _, likelihoods in batch for score in likelihoods]


def test_a_model_that_ignores_logits_to_keep_is_scored_at_the_right_positions(monkeypatch):
    monkeypatch.setattr(loglikelihood, "can_use_tree", lambda _: False)
    model = llama()
    choices = [create_choice([*SHARED, 10 + extra], [20], [21, 22, 23]) for extra in range(3)]
    expected = list(score_choices(model, choices, 64))
    forward = model.forward
    for other_forward in (
        lambda logits_to_keep=0, **inputs: forward(**inputs),
        lambda input_ids, use_cache: forward(input_ids=input_ids, use_cache=use_cache),
    ):
        monkeypatch.setattr(model, "forward", other_forward)
        assert list_nats(score_choices(model, choices, 64)) == pytest.approx(list_nats(expected), abs=1e-4)


def test_batched_greedy_answers_are_those_of_each_prompt_by_itself(model_and_tokenizer):
    model, tokenizer = model_and_tokenizer
    end = tokenizer.eos_token_id
    prompts = [[5, 6, 7], [8], [9, 10, 11, 12, 13]]
    together = generate(model, prompts, end_id=end, max_new_tokens=6, batch_tokens=1000)
    alone = [generate(model, [prompt], end_id=end, max_new_tokens=6, batch_tokens=1000)[0] for prompt in prompts]
    assert [answer.tokens for answer in together] == [answer.tokens for answer in alone]
