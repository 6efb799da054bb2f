"""Micro-batches: each record is read once, kept apart from the others, and its loss is that of the record alone."""

import sys
from itertools import chain
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seodang.models.architecture import can_pack
from seodang.models.loading import load_model
from seodang.training.example_tokenizer import TokenizedExample
from seodang.training.kernels.chunked_loss import patch_completion_loss
from seodang.training.kernels.packed_attention import can_use_flash, use_packed_attention
from seodang.training.optimizer_steps import StepSampler, collate_step
from seodang.training.packing import PackingConfig, build_micro_batch, plan_micro_batches

PACKED = PackingConfig(
    tokens_per_micro_batch=512, packed=True, share_prefixes=False, pad_token_id=0, pad_to_multiple_of=32
)
SHARED = PackingConfig(
    tokens_per_micro_batch=512, packed=True, share_prefixes=True, pad_token_id=0, pad_to_multiple_of=32
)
PADDED = PackingConfig(
    tokens_per_micro_batch=512, packed=False, share_prefixes=False, pad_token_id=0, pad_to_multiple_of=32
)


def example(ids, labels_from):
    return TokenizedExample(np.array(ids, dtype=np.int32), np.arange(len(ids)) >= labels_from)


EXAMPLES = st.lists(
    st.lists(st.integers(1, 3), min_size=2, max_size=9).flatmap(
        lambda ids: st.integers(1, len(ids) - 1).map(lambda start: example(ids, start))
    ),
    min_size=1,
    max_size=7,
)


def test_a_packed_pass_has_no_padding_but_at_its_end_and_forgets_the_last_token_which_predicts_nothing():
    part = build_micro_batch([example([5, 6, 7], 2), example([8, 9], 1)], PACKED)
    assert part.input_ids.tolist() == [[5, 6, 8] + [0] * 29]
    assert part.position_ids.tolist() == [[0, 1, 0] + [0] * 29]
    assert part.label_positions.tolist() == [1, 2]
    assert part.targets.tolist() == [7, 9]


def test_a_common_beginning_stands_once_and_both_answers_are_learned_from_it():
    part = build_micro_batch([example([5, 6, 7], 2), example([5, 6, 8, 9], 2)], SHARED)
    assert part.input_ids[0, :4].tolist() == [5, 6, 8, 0]
    assert sorted(zip(part.label_positions.tolist(), part.targets.tolist(), strict=True)) == [(1, 7), (1, 8), (2, 9)]
    assert part.record_tokens == 5


def test_padded_rows_are_filled_on_the_right():
    part = build_micro_batch([example([5, 6, 7], 2), example([8, 9], 1)], PADDED)
    assert part.input_ids.tolist() == [[5, 6], [8, 0]]
    assert part.label_positions.tolist() == [1, 2]


@given(EXAMPLES)
def test_each_token_of_each_record_is_found_where_the_attention_looks(examples):
    for packing in (PACKED, SHARED):
        part = build_micro_batch(examples, packing)
        flat = torch.cat([part.input_ids[0][rows].flatten() for rows in part.attention_rows])
        used = (
            sum(len(record.ids) - 1 for record in examples)
            if packing is PACKED
            else len(
                {tuple(record.ids[: stop + 1].tolist()) for record in examples for stop in range(len(record.ids) - 1)}
            )
        )
        assert flat[part.result_rows].tolist()[:used] == part.input_ids[0].tolist()[:used]
        assert part.input_ids.shape[1] == -(-used // 32) * 32
        rows = [row for group in part.attention_rows for row in group]
        read = sorted(
            tuple(part.input_ids[0][row[: length - 1]].tolist())
            for row, length in zip(rows, sorted(len(record.ids) for record in examples), strict=True)
        )
        assert read == sorted(tuple(record.ids[:-1].tolist()) for record in examples)


@given(EXAMPLES, st.integers(9, 40), st.booleans())
def test_every_record_is_in_one_pass_and_no_pass_is_over_the_budget(examples, budget, packed):
    plan = plan_micro_batches(
        examples,
        PackingConfig(
            tokens_per_micro_batch=budget, packed=packed, share_prefixes=False, pad_token_id=0, pad_to_multiple_of=32
        ),
    )
    assert sorted(id(record) for part in plan for record in part) == sorted(map(id, examples))
    for part in plan:
        lengths = [len(record.ids) - 1 for record in part]
        assert (sum(lengths) if packed else max(lengths) * len(lengths)) <= budget


@given(EXAMPLES, st.integers(1, 4))
def test_processes_share_an_update_and_make_the_same_number_of_passes(examples, processes):
    parts = [
        collate_step(
            examples,
            PackingConfig(
                tokens_per_micro_batch=9, packed=True, share_prefixes=True, pad_token_id=0, pad_to_multiple_of=32
            ),
            process,
            processes,
        )
        for process in range(processes)
    ]
    assert len({len(part.micro_batches) for part in parts}) == 1
    targets = sorted(token for part in parts for record in part.micro_batches for token in record.targets.tolist())
    assert targets == sorted(token for record in examples for token in record.ids[record.loss_mask].tolist())
    assert {part.label_tokens for part in parts} == {len(targets)}


def test_an_epoch_reads_every_record_once_in_an_order_of_its_own():
    sampler = StepSampler(10, 4, seed=3)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert [len(update) for update in first] == [4, 4, 2]
    assert sorted(chain.from_iterable(first)) == sorted(chain.from_iterable(second)) == list(range(10))
    assert first != second
    sampler.set_epoch(0)
    assert list(sampler) == first


def _family(name):
    from transformers import (
        Gemma2Config,
        Gemma2ForCausalLM,
        Gemma3ForCausalLM,
        Gemma3TextConfig,
        GPTNeoXConfig,
        GPTNeoXForCausalLM,
        LlamaConfig,
        LlamaForCausalLM,
    )

    sizes = {
        "vocab_size": 50,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
    }
    grouped = {**sizes, "num_key_value_heads": 2, "head_dim": 8, "initializer_range": 0.3}
    made = {
        "llama": lambda: LlamaForCausalLM(LlamaConfig(**grouped)),
        "gemma2": lambda: Gemma2ForCausalLM(
            Gemma2Config(
                **grouped,
                sliding_window=4,
                attn_logit_softcapping=2.0,
                final_logit_softcapping=3.0,
                query_pre_attn_scalar=8,
            )
        ),
        "gemma3": lambda: Gemma3ForCausalLM(
            Gemma3TextConfig(
                **grouped,
                sliding_window=4,
                layer_types=["sliding_attention", "full_attention"],
                query_pre_attn_scalar=8,
            )
        ),
        "gpt_neox": lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**sizes, initializer_range=0.3)),
    }
    torch.manual_seed(5)
    return made[name]().eval()


def compute_own_loss(model, record):
    """Return the sum of the losses of a record alone, as transformers computes it from full logits."""
    ids = torch.from_numpy(record.ids.astype(np.int64))[None]
    logits = model(input_ids=ids).logits[0, :-1].float()
    losses = torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
    return float(losses[torch.from_numpy(record.loss_mask[1:])].sum())


@pytest.mark.parametrize("name", ["llama", "gemma2", "gemma3", "gpt_neox"])
@pytest.mark.parametrize("packing", [PACKED, SHARED, PADDED], ids=["packed", "shared", "padded"])
def test_packing_leaves_the_loss_of_each_record_unchanged(name, packing):
    examples = [
        example([1, 2, 3, 4, 5, 6, 7, 8, 9], 5),
        example([1, 2, 3, 4, 9, 8], 4),
        example([7, 7, 7], 1),
        example([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14], 9),
    ]
    model = _family(name)
    with torch.no_grad():
        expected = [compute_own_loss(model, record) for record in examples]
        patch_completion_loss(model)
        if packing.packed:
            assert can_pack(model)
            use_packed_attention(model)
        together = float(model(**build_micro_batch(examples, packing).build_inputs()).loss)
        each = [
            float(
                model(
                    **build_micro_batch(
                        [*examples[:1], record] if record is not examples[0] else [record], packing
                    ).build_inputs()
                ).loss
            )
            for record in examples
        ]
    assert together == pytest.approx(sum(expected), abs=1e-4)
    assert each == pytest.approx([expected[0], *(expected[0] + record for record in expected[1:])], abs=1e-4)


def _flash_attn_func(query, key, value, *, dropout_p, softmax_scale, causal, window_size, softcap, deterministic):
    """Compute flash_attn_func as documented; it has no CPU kernel. Shapes (records, length, heads, size)."""
    assert causal
    assert deterministic
    assert dropout_p == 0
    key, value = (states.repeat_interleave(query.shape[2] // states.shape[2], dim=2) for states in (key, value))
    scores = torch.einsum("rqhs,rkhs->rhqk", query, key) * (softmax_scale or query.shape[3] ** -0.5)
    scores = torch.tanh(scores / softcap) * softcap if softcap else scores
    behind = torch.arange(query.shape[1])[:, None] - torch.arange(query.shape[1])
    hidden = behind < 0 if window_size == (-1, -1) else (behind < 0) | (behind > window_size[0])
    return torch.einsum("rhqk,rkhs->rqhs", scores.masked_fill(hidden, float("-inf")).softmax(dim=-1), value)


@pytest.mark.parametrize("name", ["llama", "gemma2", "gemma3"])
def test_flash_attention_gets_scale_window_and_bound(name, monkeypatch):
    examples = [example([1, 2, 3, 4, 5, 6, 7, 8, 9], 5), example([1, 2, 3, 4, 9, 8], 4)]
    model = _family(name)
    patch_completion_loss(model)
    use_packed_attention(model)
    with torch.no_grad():
        expected = float(model(**build_micro_batch(examples, SHARED).build_inputs()).loss)
        monkeypatch.setattr("seodang.training.kernels.packed_attention.can_use_flash", lambda query: query.dim() == 4)
        monkeypatch.setitem(sys.modules, "flash_attn", SimpleNamespace(flash_attn_func=_flash_attn_func))
        monkeypatch.setattr("seodang.training.kernels.packed_attention.scaled_dot_product_attention", None)
        assert float(model(**build_micro_batch(examples, SHARED).build_inputs()).loss) == pytest.approx(
            expected, abs=1e-4
        )


def test_flash_attention_takes_nothing_on_a_cpu():
    assert not can_use_flash(torch.zeros(1, 2, 3, 64, dtype=torch.bfloat16))


def test_gradients_are_those_of_the_padded_rows(tmp_path, build_dataset, make_tiny_model):
    base = make_tiny_model(tmp_path / "base")
    examples = build_dataset(base, tmp_path / "dataset", 9)[:]
    gradients = []
    for packing in (PADDED, PACKED, SHARED):
        model = load_model(base, "fp32", "cpu")
        patch_completion_loss(model)
        if packing.packed:
            use_packed_attention(model)
        for part in plan_micro_batches(examples, packing):
            model(**build_micro_batch(part, packing).build_inputs()).loss.backward()
        gradients.append(torch.cat([weight.grad.flatten() for weight in model.parameters()]))
    assert torch.allclose(gradients[1], gradients[0], atol=1e-4, rtol=1e-4)
    assert torch.allclose(gradients[2], gradients[0], atol=1e-4, rtol=1e-4)


def test_a_model_that_mixes_neighbours_by_other_means_is_not_packed():
    from transformers import MambaConfig, MambaForCausalLM

    assert not can_pack(MambaForCausalLM(MambaConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1, state_size=4)))
