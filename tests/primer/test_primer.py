"""The primer: deterministic records, correct labels, and a base without answers of the scored families."""

import random
import re
from collections import Counter, defaultdict

import pytest

from seodang.primer.families import build_families
from seodang.primer.generator import iter_bundled_records, iter_primer_records
from seodang.primer.item import read_lexicon, select_words
from seodang.primer.korean import conjugate_formal, conjugate_past, list_endings, nominalize, resolve_particles
from seodang.primer_base.corpus import build_practice_families, iter_practice_records, iter_unlabelled_inputs

SIZES = {"sentiment_per_language": 60, "classification_per_language": 40, "open_per_language": 20}


@pytest.fixture(scope="module")
def records():
    return list(iter_primer_records(seed=1446, **SIZES))


def test_the_same_seed_gives_the_same_records_and_another_seed_others(records):
    assert records == list(iter_primer_records(seed=1446, **SIZES))
    assert records != list(iter_primer_records(seed=1, **SIZES))


def test_there_are_twelve_families_in_five_clusters_in_both_languages(records):
    generated = [record for record in records if record.task not in ("seed", "own_words")]
    assert len({record.task for record in generated}) >= 12
    assert len({record.cluster for record in generated}) >= 5
    languages = defaultdict(set)
    for record in generated:
        languages[record.task].add(record.language)
    assert all(names == {"ko", "en"} for names in languages.values())


def test_the_default_sizes_give_three_thousand_records_and_more():
    assert (
        sum(
            1
            for _ in iter_primer_records(
                seed=1446, sentiment_per_language=500, classification_per_language=120, open_per_language=60
            )
        )
        >= 3000
    )


def test_two_hundred_seeds_are_hand_written_half_in_each_language():
    seeds = list(iter_bundled_records("seed_tasks.jsonl", task="seed", cluster="seed"))
    counts = Counter(record.language for record in seeds)
    assert len(seeds) >= 200
    assert abs(counts["ko"] - counts["en"]) <= 0.1 * len(seeds)
    assert len({(record.instruction, record.input) for record in seeds}) == len(seeds)


def test_no_record_comes_twice_and_every_label_is_one_of_its_choices(records):
    assert len({record.id for record in records}) == len(records)
    assert all(record.output in record.choices for record in records if record.choices)


def list_held_out_words():
    return [
        (name, language, word)
        for name, words_by_language in read_lexicon("held_out").items()
        for language, words in words_by_language.items()
        for word in words
    ]


def test_no_held_out_stem_of_film_remarks_is_in_a_training_record(records):
    texts = {"ko": "", "en": ""}
    for record in records:
        if record.task == "sentiment" and record.role == "train":
            texts[record.language] += f"\n{record.input.lower()}"
    assert len(texts["ko"]) > 500
    for name, language, word in list_held_out_words():
        if name == "sentiment" and len(word) > 3:
            assert not re.search(rf"\b{re.escape(word.lower())}\b", texts[language]), word


def test_every_sentiment_item_of_the_test_split_has_a_held_out_stem():
    words = read_lexicon("held_out")["sentiment"]["en"]
    unseen = [
        record
        for record in iter_primer_records(seed=7, **SIZES)
        if (record.task, record.role, record.language) == ("sentiment", "test", "en")
    ]
    assert unseen
    assert all(any(word.lower() in record.input.lower() for word in words) for record in unseen)


def test_every_list_that_is_split_keeps_words_on_both_sides():
    for name in read_lexicon("held_out"):
        for side in ("seen", "unseen"):
            assert [] not in list(walk_lists(select_words(name, side)))


def walk_lists(value):
    if isinstance(value, dict):
        for inner in value.values():
            yield from walk_lists(inner)
    elif isinstance(value, list):
        yield value


def test_every_held_out_word_is_a_word_of_its_lexicon():
    for name, _language, word in list_held_out_words():
        words = {
            option[0] if isinstance(option, list) else option
            for options in walk_lists(read_lexicon(name))
            for option in options
        }
        assert word in words


def test_test_items_with_seen_words_are_a_task_of_their_own_and_share_no_input_with_training(records):
    by_task = defaultdict(set)
    for record in records:
        by_task[record.task, record.role].add((record.language, record.input))
    assert by_task["topic_seen_words", "test"]
    assert not by_task["topic_seen_words", "test"] & by_task["topic", "train"]
    assert not by_task["topic", "test"] & by_task["topic", "train"]


def test_one_input_of_a_family_never_has_two_labels(records):
    labels = defaultdict(set)
    for record in records:
        if record.choices:
            labels[(record.task, record.language, record.input)].add(record.output)
    assert [key for key, outputs in labels.items() if len(outputs) > 1] == []


def test_the_base_practises_on_no_family_that_is_scored():
    assert not set(build_practice_families()) & set(build_families())
    templates = {
        template
        for family in build_families().values()
        for template in (*family.korean_templates, *family.english_templates)
    }
    practice = list(iter_practice_records(random.Random(1), ["그 영화 참 좋았다", "A fine day"], 400))
    assert not templates & {record.instruction for record in practice}


def test_unlabelled_inputs_are_texts_and_never_labels():
    labels = {label for family in build_families().values() for names in family.labels for label in names}
    assert not [text for text in iter_unlabelled_inputs(random.Random(1), 500) if text in labels]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (conjugate_formal("지루하"), "지루합니다"),
        (conjugate_formal("좋"), "좋습니다"),
        (conjugate_formal("힘들"), "힘듭니다"),
        (nominalize("아름답", "아름다워"), "아름다움"),
        (nominalize("힘들", "힘들어"), "힘듦"),
        (nominalize("지루하", "지루해"), "지루함"),
        (conjugate_past("최고이", "최고야"), "최고였"),
        (conjugate_past("보통이", "보통이야"), "보통이었"),
        (conjugate_past("좋", "좋아"), "좋았"),
        (resolve_particles("책|를 샀다, 사과|를 샀다, 회사|로"), "책을 샀다, 사과를 샀다, 회사로"),
    ],
)
def test_korean_forms_are_the_right_ones(form, expected):
    assert form == expected


def test_every_ending_of_every_predicate_is_one_clean_word_form():
    words = read_lexicon("sentiment")["ko"]
    for feeling in ("positive", "negative", "neutral"):
        for stem, connective in words[feeling]:
            for form in list_endings(stem, connective):
                assert form.strip() == form
                assert "이이" not in form
