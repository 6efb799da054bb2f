"""Few-shot episodes of the primer base: labels follow from the examples, and no held-out word has a label."""

import random
from itertools import islice
from pathlib import Path

import pytest

from seodang.inference.prompt_encoder import PromptEncoder
from seodang.models.loading import load_tokenizer
from seodang.primer.families import build_families
from seodang.primer_base.episode_batches import encode_episode, iter_episode_rows
from seodang.primer_base.episodes import INSTRUCTIONS, EpisodeExample, generate_episode
from seodang.primer_base.text_pool import create_pool, has_held_out_word, iter_short_texts
from seodang.primer_base.weak_labels import split_politeness, split_sentence_types, split_tone
from seodang.primer_base.wordnet_kinds import read_kinds
from seodang.records import make_record

ROOT = Path(__file__).parents[2]
NOUNS = ("봄비", "산길", "바다", "노래", "사진", "마당", "기차표")
VERBS = ("좋아요", "봤다", "있네", "맞나요?", "가자", "왔음", "놀라워요")


@pytest.fixture(scope="module")
def pool():
    lines = [f"{number}번 {noun} {verb}" for number in range(4) for noun in NOUNS for verb in VERBS]
    texts = list(iter_short_texts(lines, "ko"))
    return create_pool("ko", texts, {"politeness": split_politeness(texts)})


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer(ROOT / "models" / "primer-base")


def generate_episodes(pool, count):
    rng = random.Random(1)
    return [generate_episode(rng, pool) for _ in range(count)]


def test_an_invented_label_is_predictable_only_after_an_example_of_it(pool):
    names = {"존댓말", "반말", "높임말", "낮춤말", "공손함", "편함"}
    for episode in generate_episodes(pool, 300):
        labels = [example.output for example in episode]
        if not names & set(labels) and any(not example.is_predictable for example in episode):
            assert [example.is_predictable for example in episode] == [
                label in labels[:index] for index, label in enumerate(labels)
            ]


def test_no_text_of_an_episode_has_a_held_out_word(pool):
    assert not any("놀라" in example.input for episode in generate_episodes(pool, 300) for example in episode)


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("정말 훌륭한 영화", "ko", True),
        ("너무 아름다워요", "ko", True),
        ("지겨워서 나왔다", "ko", True),
        ("국수 한 그릇", "ko", True),
        ("문을 닫아 주세요", "ko", True),
        ("정말 좋은 영화", "ko", False),
        ("A dull day", "en", True),
        ("A duller day", "en", False),
    ],
)
def test_inflected_forms_of_held_out_words_are_found(text, language, expected):
    assert has_held_out_word(text, language) == expected


def test_no_instruction_of_an_episode_is_one_of_the_scored_families():
    templates = {
        template
        for family in build_families().values()
        for template in (*family.korean_templates, *family.english_templates)
    }
    assert not templates & {template for group in INSTRUCTIONS.values() for template in group}


@pytest.mark.parametrize("format", ["koalpaca", "plain"])
def test_an_episode_has_the_tokens_of_a_few_shot_prompt(tokenizer, format):
    examples = [EpisodeExample("고르세요.", f"글 {number}", "봄", number > 0) for number in range(3)]
    records = [
        make_record(instruction=e.instruction, input=e.input, output=e.output, source="s", task="t", cluster="c",
                    language="ko") for e in examples
    ]  # fmt: skip
    encoder = PromptEncoder(tokenizer, format)
    prompt = encoder.encode_prompt(records[2], [encoder.encode_few_shot_example(record) for record in records[:2]])
    ids, labels = encode_episode(tokenizer, examples, format, 512)
    assert ids == [*prompt, *encoder.encode_answer("봄"), tokenizer.eos_token_id]
    assert [token for token, is_label in zip(ids, labels, strict=True) if is_label] == encoder.encode_answer("봄") * 2


def test_a_row_has_its_length_and_labels(pool, tokenizer):
    for ids, labels in islice(iter_episode_rows(random.Random(1), {"ko": pool}, tokenizer, 200), 20):
        assert len(ids) == len(labels) == 200
    assert any(labels)


def test_endings_and_marks_decide_politeness_and_sentence_type():
    polite = split_politeness(["밥을 먹었습니다.", "밥 먹었어요", "그게 아니다", "밥 먹었어"])
    assert polite == {"polite": ["밥을 먹었습니다.", "밥 먹었어요"], "casual": ["그게 아니다", "밥 먹었어"]}
    types = split_sentence_types(["지금 가나요?", "이리 와 주세요", "벌써 갔다"])
    assert types == {"question": ["지금 가나요?"], "request": ["이리 와 주세요"], "statement": ["벌써 갔다"]}


def test_words_decide_the_tone_of_a_text_without_a_negation():
    texts = ["A good day", "A bad day", "A long day", "Not a good day"]
    tones = split_tone(texts, {"good": 1.9, "bad": -2.5})
    assert tones == {"negative": ["A bad day"], "neutral": ["A long day"], "positive": ["A good day"]}


def test_the_words_of_a_kind_are_its_own_and_those_of_all_its_hyponyms(tmp_path):
    (tmp_path / "data.noun").write_text(
        "  1 licence\n"
        "00000001 03 n 01 animal 0 001 ~ 00000002 n 0000 | a living thing\n"
        "00000002 05 n 02 dog 0 Fido 0 001 ~i 00000003 n 0000 | a pet\n"
        "00000003 05 n 01 pug 0 000 | a small dog\n"
    )
    assert read_kinds(tmp_path) == {"animal": ["animal", "dog", "pug"]}
