"""Metrics of answers and of sets of them, against cases worked out by hand; Korean first."""

import math
import random
import re
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from seodang.evaluation.corpus_metrics import compute_macro_f1, compute_spearman
from seodang.evaluation.metrics import (
    compute_chrf,
    compute_length_ratio,
    compute_repetition,
    compute_rouge_l,
    is_same_language,
    tokenize_for_rouge,
)


def test_rouge_l_of_korean_is_worked_out_over_syllables():
    # 나는학교에갔다 (7) and 그는학교로갔다 (7) share 는학교갔다: 2 * 5 / 14.
    assert compute_rouge_l("나는 학교에 갔다.", "그는 학교로 갔다") == pytest.approx(10 / 14)


def test_the_usual_tokenizer_would_leave_nothing_of_korean():
    assert re.sub("[^a-z0-9]+", " ", "나는 학교에 갔다.".lower()).split() == []
    assert tokenize_for_rouge("나는 학교에 갔다.") == list("나는학교에갔다")


def test_a_particle_costs_a_syllable_and_not_the_word():
    assert compute_rouge_l("서울을", "서울이") == pytest.approx(4 / 6)


def test_rouge_l_of_english_is_that_over_words():
    # the cat ... the mat: police-killed example of Lin 2004, section 3.
    assert compute_rouge_l("police kill the gunman", "Police killed the gunman.") == pytest.approx(3 / 4)
    assert compute_rouge_l("the gunman kill police", "police killed the gunman") == pytest.approx(2 / 4)


def test_mixed_text_keeps_both():
    assert tokenize_for_rouge("iPhone 15를 샀다, e.g. 東京タワー!") == [
        "iphone",
        "15",
        "를",
        "샀",
        "다",
        "e",
        "g",
        "東",
        "京",
        "タ",
        "ワ",
        "ー",
    ]


def test_rouge_l_does_not_care_how_syllables_are_encoded():
    assert compute_rouge_l("\u1112\u1161\u11ab\u1100\u1173\u11af", "한글") == 1.0


@pytest.mark.parametrize("answer", ["", "!?", "전혀 다른"])
def test_rouge_l_is_nothing_where_nothing_is_shared(answer):
    assert compute_rouge_l(answer, "Seoul") == 0.0


def test_the_longest_common_subsequence_is_the_one_that_trying_all_finds():
    first, second = "가나다가라마", "나가다라가마바"
    longest = max(
        size
        for size in range(len(first) + 1)
        for picked in combinations(first, size)
        if _is_within("".join(picked), second)
    )
    assert compute_rouge_l(first, second) == pytest.approx(2 * longest / (len(first) + len(second)))


def compute_lcs_length(first, second):
    """Return the length of the longest common subsequence by the textbook recurrence."""
    row = [0] * (len(second) + 1)
    for token in first:
        previous = row
        row = [0]
        for index, other in enumerate(second):
            row.append(previous[index] + 1 if token == other else max(previous[index + 1], row[-1]))
    return row[-1]


def test_rouge_l_equals_the_textbook_recurrence_on_random_texts():
    rng = random.Random(1446)
    for _ in range(300):
        first, second = (" ".join(rng.choices(["가", "나", "cat", "dog", "7"], k=rng.randint(1, 40))) for _ in "ab")
        tokens = tokenize_for_rouge(first), tokenize_for_rouge(second)
        expected = 2 * compute_lcs_length(*tokens) / sum(map(len, tokens))
        assert compute_rouge_l(first, second) == expected


def test_correlations_equal_the_covariance_of_values_and_of_mean_ranks():
    rng = random.Random(1446)
    for _ in range(200):
        size = rng.randint(2, 40)
        gold, predictions = ([rng.choice([rng.random(), rng.randint(0, 3)]) for _ in range(size)] for _ in "ab")
        if len(set(gold)) > 1 and len(set(predictions)) > 1:
            ranks = [stats.rankdata(values) for values in (gold, predictions)]
            assert compute_spearman(gold, predictions) == pytest.approx(np.corrcoef(*ranks)[0, 1], abs=1e-12)


def _is_within(part, text):
    letters = iter(text)
    return all(letter in letters for letter in part)


@pytest.mark.parametrize("answer", ["셋", "긍정", "서울시", "positive"])
def test_the_right_answer_has_all_of_chrf_however_short_it_is(answer):
    assert compute_chrf(answer, answer) == 100.0
    assert compute_chrf("", answer) == 0.0


def test_a_particle_costs_a_part_of_chrf():
    # Of 서울이 against 서울: precision (2/3 + 1/2) / 2 = 7/12, recall 1; F2 = 5PR / (4P + R).
    assert compute_chrf("서울이", "서울") == pytest.approx(100 * 5 * (7 / 12) / (4 * (7 / 12) + 1))


def test_length_ratio_counts_characters():
    assert compute_length_ratio(" 서울시 ", "서울") == 1.5
    assert compute_length_ratio("", "서울") == 0.0


def test_repetition_is_the_share_of_word_4_grams_that_were_there_before():
    assert compute_repetition("가 나 다 라 가 나 다 라") == pytest.approx(1 / 5)
    assert compute_repetition("하나 둘 셋 넷 다섯 여섯") == 0.0
    assert compute_repetition("짧다") == 0.0


def test_a_loop_without_blanks_is_repetition_too():
    assert compute_repetition("하" * 100) == pytest.approx(1 - 1 / 81)
    assert compute_repetition("정말 재미있는 영화였고 배우들의 연기도 훌륭했으며 음악이 특히 좋았다") == 0.0


def test_an_answer_is_in_the_language_of_the_question():
    assert is_same_language("서울입니다.", "한국의 수도는?")
    assert not is_same_language("It is Seoul.", "한국의 수도는?")
    assert is_same_language("iPhone을 샀습니다", "무엇을 샀나요?")


def test_a_number_is_of_any_language_and_no_answer_of_none():
    assert is_same_language("42", "몇인가요?")
    assert is_same_language("42", "How many?")
    assert not is_same_language(" ", "몇인가요?")


def test_a_translation_is_in_the_language_of_the_reference():
    assert is_same_language("dog", "'개'를 영어로 옮기세요.", "dog")
    assert not is_same_language("개", "'개'를 영어로 옮기세요.", "dog")
    assert is_same_language("넷입니다", "몇인가요?", "4")


def test_macro_f1_counts_each_label_the_same():
    # 긍정: 2 * 2 / (3 + 2); 부정: 2 * 1 / (1 + 2).
    assert compute_macro_f1(["긍정", "긍정", "긍정", "부정"], ["긍정", "긍정", "부정", "부정"]) == pytest.approx(
        (4 / 5 + 2 / 3) / 2
    )
    assert compute_macro_f1(["a", "b"], ["a", "c"]) == pytest.approx(1 / 3)


def test_spearman_goes_by_ranks_with_ties_at_their_mean():
    assert compute_spearman([1, 2, 3, 4], [1, 10, 100, 1000]) == pytest.approx(1.0)
    assert compute_spearman([1, 2, 2, 3], [4, 2, 3, 1]) == pytest.approx(
        -3 / math.sqrt(10)
    )  # covariance -4.5, spreads 4.5 and 5
    assert compute_spearman([1, 2, 3], [5, 5, 5]) is None


def test_metrics_of_empty_or_unequal_sets_are_refused():
    for metric in (compute_macro_f1, compute_spearman):
        with pytest.raises(ValueError, match="lengths must be equal"):
            metric([], [])
        with pytest.raises(ValueError, match="lengths must be equal"):
            metric([1, 2], [1])
