"""Prompts with verifiable answers come from records of the splits, and from no evaluation item."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from seodang.alignment.reward_prompts import build_prompts
from seodang.alignment.rewards import compute_reward
from seodang.models.loading import load_tokenizer
from seodang.models.tokenization import tokenize_record
from seodang.primer.generator import iter_primer_records

ROOT = Path(__file__).parents[2]
BASE = ROOT / "models" / "primer-base"
NGRAM = 5  # words that a prompt and an evaluation item would have to share


@pytest.fixture(scope="module")
def records():
    return list(
        iter_primer_records(seed=1, classification_per_language=6, sentiment_per_language=6, open_per_language=12)
    )


@pytest.fixture(scope="module")
def build(records):
    tokenizer = load_tokenizer(BASE)

    def build(records=records, **changes):
        settings = {"limit": 80, "selections": 4, "max_tokens": 72, "max_new_tokens": 24, "seed": 1, **changes}
        return build_prompts(records, tokenizer, "koalpaca", **settings)

    return build


def test_three_of_four_prompts_have_constraints_and_one_is_a_closed_question(build):
    prompts = build()
    assert [sum(bool(prompt.goal.ids) is has for prompt in prompts) for has in (True, False)] == [60, 20]
    assert {prompt.language for prompt in prompts} == {"ko", "en"}
    assert max(len(prompt.prompt) for prompt in prompts) <= 72
    assert {prompt.goal.answer for prompt in prompts if not prompt.goal.ids} > {"긍정", "negative"}


def test_a_record_gives_several_prompts_with_other_constraints_and_none_twice(build):
    prompts = [prompt for prompt in build(limit=1000) if prompt.goal.ids]
    by_record = {}
    for prompt in prompts:
        by_record.setdefault(prompt.id, []).append(prompt)
    assert max(map(len, by_record.values())) == 4
    assert len({tuple(prompt.prompt) for prompt in prompts}) == len(prompts)
    assert all(len({prompt.group for prompt in same}) == 1 for same in by_record.values())


def test_a_prompt_whose_reference_answer_is_too_long_is_left_out(build, records):
    tokenizer = load_tokenizer(BASE)
    lengths = {record.id: len(tokenize_record(tokenizer, record, "koalpaca").completion) for record in records}
    short = build(max_new_tokens=3)
    assert {lengths[prompt.id] for prompt in short if not prompt.goal.ids} == {2, 3}
    assert max(lengths[prompt.id] for prompt in build() if not prompt.goal.ids) > 3
    assert "startend:end_checker" not in {id for prompt in short for id in prompt.goal.ids}
    assert "startend:end_checker" in {id for prompt in build() for id in prompt.goal.ids}


def test_the_prompt_asks_for_its_constraints(build, records):
    tokenizer = load_tokenizer(BASE)
    instructions = {record.id: record.instruction for record in records}
    for prompt in build():
        text = tokenizer.decode(prompt.prompt)
        assert instructions[prompt.id] in text
        assert compute_reward(prompt.goal, "", ends=False).value == 0
        if prompt.goal.ids:
            assert len(text) > len(instructions[prompt.id])


def test_equal_records_and_seed_give_equal_prompts_in_any_order_of_the_records(build, records):
    first, again, other = build(), build(records=records), build(seed=2)
    assert [prompt.id for prompt in build(records[::-1])] == [prompt.id for prompt in first]
    assert first == again
    assert first != other


def test_preferences_and_conversations_are_no_prompts(build, records):
    assert build([replace(record, rejected="x") for record in records]) == []
    assert build([replace(record, desirable=True) for record in records]) == []


def read_items():
    lines = (ROOT / "tasks/data/ifeval_ko.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["prompt"] for line in lines]


def split_ngrams(text):
    words = text.split()
    return {" ".join(words[start : start + NGRAM]) for start in range(len(words) - NGRAM + 1)}


def test_no_prompt_shares_its_words_with_an_evaluation_item_of_ifeval(build):
    items = read_items()
    ngrams = {ngram for item in items for ngram in split_ngrams(item)}
    tokenizer = load_tokenizer(BASE)
    shared = [text for prompt in build(limit=400) if split_ngrams(text := tokenizer.decode(prompt.prompt)) & ngrams]
    assert shared == []
    assert split_ngrams(items[0]) & ngrams  # the search finds what is shared
