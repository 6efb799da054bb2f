"""Normalized letters of texts, and their hashes."""

import numpy as np
import pytest

from seodang.preparation.shingles import (
    compute_ngrams,
    compute_shingles,
    extract_letters,
    hash_texts,
    hash_words,
    join_hashes,
)


def has_same_hash(first: str, second: str) -> bool:
    hashes = hash_texts(extract_letters([first, second]))
    return bool(hashes[0] == hashes[1])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Hello, World!", "hello world"),
        ("안녕 하세요.", "안녕하세요"),
        ("한글", "한글"),  # the second in jamo
        ("ＡＢＣ　１", "abc 1"),  # full width
        ("Straße", "STRASSE"),
        ("끝.\n\n- 다음", "끝 다음"),
        ("a\0b", "a b"),
    ],
)
def test_case_blanks_punctuation_and_unicode_forms_do_not_count(first, second):
    assert has_same_hash(first, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("1.5", "15"),
        ("1, 23", "12, 3"),
        ("3 - 1", "3 1"),
        ("5 * 3", "5 / 3"),
        ("-2", "2"),
        ("3 + 1", "3 1"),
        ("C++", "C"),
        ("x/y", "x*y"),
        ("!", "?"),
        ("! ?", ". ."),
        ("좋아 😀", "좋아 😡"),
        ("것", "겄"),
    ],
)
def test_numbers_and_signs_count(first, second):
    assert not has_same_hash(first, second)


def test_the_joined_hash_of_two_texts_is_the_hash_of_the_joined_text():
    letters = extract_letters(["나무를 ", "심자", "나무를 심자"])
    hashes = hash_texts(letters)
    assert join_hashes(hashes[:1], letters.lengths[:1], hashes[1:2])[0] == hashes[2]


def test_a_text_has_one_shingle_a_letter_and_the_last_ones_are_shorter():
    letters = extract_letters(["abcd", "bcd", "ab", ""])
    hashes = compute_shingles(letters, np.array([3, 3, 3, 3]))
    # abc bcd cd d | bcd cd d | ab b
    assert letters.lengths.tolist() == [4, 3, 2, 0]
    assert hashes[1:4].tolist() == hashes[4:7].tolist()
    assert len(set(hashes[[0, 1, 2, 3, 7, 8]].tolist())) == 6


def test_korean_and_english_texts_have_different_shingle_lengths_in_one_call():
    letters = extract_letters(["가나다라", "abcdef"])
    hashes = compute_shingles(letters, np.array([3, 5]))
    assert hashes[:4].tolist() == compute_shingles(extract_letters(["가나다라"]), np.array([3])).tolist()
    assert hashes[4:].tolist() == compute_shingles(extract_letters(["abcdef"]), np.array([5])).tolist()


def test_ngrams_of_words_stay_within_a_text_and_do_not_see_punctuation():
    letters = extract_letters(["One two, three four", "two three four!", "three four"])
    hashes, owners = compute_ngrams(*hash_words(letters), 3)
    assert owners.tolist() == [0, 0, 1]
    assert hashes[1] == hashes[2] != hashes[0]


def test_words_are_separated_where_a_character_was_dropped():
    letters = extract_letters(["ab c", "a bc"])
    hashes, starts = hash_words(letters)
    assert starts.tolist() == [0, 2, 4]
    assert len(set(hashes.tolist())) == 4


def test_blank_texts_have_nothing():
    letters = extract_letters(["", " ", "\n"])
    assert letters.lengths.tolist() == [0, 0, 0]
    assert hash_texts(letters).tolist() == [0, 0, 0]
    assert compute_ngrams(*hash_words(letters), 2)[0].size == 0
