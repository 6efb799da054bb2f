"""An evaluated answer is the text that the service sends. Run: pytest tests/evaluation/test_decoded_answers.py"""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from seodang.evaluation import item_scores
from seodang.evaluation.requests import Variant
from seodang.primer_base.model import train_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["hello , world", "가"], vocab_size=290, context_length=128)


@pytest.mark.parametrize(
    ("text", "cut", "answer"), [(" 가뷁", 1, "가"), (" 가뷁", 2, "가"), (" a , b . ", 0, "a , b .")]
)
@pytest.mark.parametrize("cleans_up", [False, True])
def test_a_cut_character_is_left_out_and_blanks_before_punctuation_stay(tokenizer, text, cut, answer, cleans_up):
    tokenizer.clean_up_tokenization_spaces = cleans_up
    tokenizer.clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output = cleans_up
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    encoder, generated = SimpleNamespace(tokenizer=tokenizer), SimpleNamespace(tokens=ids[: len(ids) - cut])
    variant = Variant("tuned", "koalpaca", 0, "tuned")
    assert item_scores._decode_answer(encoder, variant, SimpleNamespace(stop_texts=[]), generated) == answer


def test_bytes_that_are_no_character_are_left_out_wherever_they_stand(tokenizer):
    ids, half = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("가 a", "뷁"))
    encoder = SimpleNamespace(tokenizer=tokenizer)
    generated = SimpleNamespace(tokens=[*half[:2], *ids, *half[1:], *ids])
    assert "\ufffd" in tokenizer.decode(generated.tokens)
    variant = Variant("tuned", "koalpaca", 0, "tuned")
    answer = item_scores._decode_answer(encoder, variant, SimpleNamespace(stop_texts=[]), generated)
    assert answer == "가 a가 a"
