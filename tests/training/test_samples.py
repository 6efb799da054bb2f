"""Records whose answers the report shows: only those that the model can read."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerBase

from seodang.models.loading import get_context_length, load_tokenizer
from seodang.records import Record
from seodang.training.samples import build_length_filter, generate_short_answers, select_sample_records

CONTEXT = 128


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory, make_tiny_model) -> PreTrainedTokenizerBase:
    return load_tokenizer(make_tiny_model(tmp_path_factory.mktemp("tiny") / "model"))


def gpt2() -> GPT2LMHeadModel:
    """Return a model with position embeddings, which cannot read beyond them."""
    torch.manual_seed(5)
    return GPT2LMHeadModel(GPT2Config(vocab_size=400, n_positions=CONTEXT, n_embd=16, n_layer=1, n_head=2))


@pytest.fixture(scope="module")
def split(make_training_records):
    """Return twelve records; the prompts of some leave no room for an answer."""

    def split(*long: int) -> list[Record]:
        return [
            replace(record, input="가나다라 " * 12) if number in long else replace(record, input="1")
            for number, record in enumerate(make_training_records(12))
        ]

    return split


def test_records_that_the_model_cannot_read_and_answer_are_passed_over_for_the_next_ones(tokenizer, split):
    model = gpt2()
    sample = split(0, 4, 5)
    fits = build_length_filter(tokenizer, "koalpaca", CONTEXT, get_context_length(model.config))
    assert [fits(record) for record in sample] == [number not in {0, 4, 5} for number in range(12)]
    with pytest.raises(IndexError):
        generate_short_answers(model, tokenizer, sample[:1], "koalpaca")
    selected = select_sample_records(sample, 3, fits=fits)
    assert selected == [sample[1], sample[6], sample[8]]
    assert len(generate_short_answers(model, tokenizer, selected, "koalpaca")) == 3


def test_for_a_stretch_of_the_split_in_which_nothing_fits_another_gives_one_more(tokenizer, split):
    sample, all_but_one = split(4, 5, 6, 7), split(*range(11))
    fits = build_length_filter(tokenizer, "koalpaca", CONTEXT, CONTEXT)
    assert select_sample_records(sample, 3, fits=fits) == [sample[0], sample[8], sample[1]]
    assert select_sample_records(all_but_one, 3, fits=fits) == [all_but_one[11]]


def test_a_prompt_is_no_longer_than_those_of_training_where_the_architecture_sets_no_limit(tokenizer, split):
    short, long = split(1)[:2]
    assert build_length_filter(tokenizer, "koalpaca", 10**6, None)(long)
    assert [build_length_filter(tokenizer, "koalpaca", 80, None)(record) for record in (short, long)] == [True, False]


def test_few_records_are_tokenized(tokenizer, make_training_records):
    checked: list[str] = []
    select_sample_records(make_training_records(1000), 4, fits=lambda record: checked.append(record.id) is None)
    assert len(checked) == 4


@pytest.mark.parametrize(("available", "count", "selected"), [(0, 3, 0), (2, 3, 2), (3, 3, 3), (7, 3, 3)])
def test_so_many_are_selected_as_there_are(available, count, selected, make_training_records):
    assert len(select_sample_records(make_training_records(available), count, fits=lambda _: True)) == selected
