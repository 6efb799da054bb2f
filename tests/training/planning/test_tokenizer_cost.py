"""Tokens per syllable, word and record, with a tokenizer whose tokens are counted by hand."""

from __future__ import annotations

import json

import pytest
from rich.cells import cell_len
from tests.constants import ROOT

from seodang.cli.main import main
from seodang.cli.plan_tokenizers import compare_tokenizers, print_comparison
from seodang.config.load import load_params
from seodang.io.jsonl import write_records
from seodang.models.loading import load_tokenizer
from seodang.models.tokenization import encode_text
from seodang.paths import Paths
from seodang.records import make_record
from seodang.training.planning.sample_texts import ENGLISH, KOREAN
from seodang.training.planning.tokenizer_cost import build_corpus, measure_tokenizer

PRIMER = ROOT / "models" / "primer-base"


def make_text_record(text, language, number=0):
    return make_record(
        instruction=text, input=str(number), output="네", language=language, source="test", task="test", cluster="test"
    )


def test_the_bundled_texts_have_the_same_content_in_both_languages():
    assert len(KOREAN) == len(ENGLISH)
    corpus = build_corpus([])
    assert corpus.korean.is_bundled
    assert corpus.english.is_bundled
    assert corpus.records == ()
    assert all(sum(map(len, texts.words)) >= 100 for texts in (corpus.korean, corpus.english))


def test_words_are_counted_without_marks_digits_and_words_of_the_other_language():
    korean = [make_text_record("GPU 3개를 샀다, 정말!", "ko", number) for number in range(40)]
    corpus = build_corpus([*korean, make_text_record("It's a well-known word.", "en")])
    assert not corpus.korean.is_bundled
    assert corpus.korean.words[0] == ("개를", "샀다", "정말", "네")
    assert corpus.english.is_bundled  # four words are too few
    assert corpus.records[0] == "GPU 3개를 샀다, 정말!\n0\n네"


def test_the_cost_is_tokens_over_syllables_words_and_records():
    tokenizer = load_tokenizer(PRIMER)
    records = [make_text_record("학교에 갔다", "ko", number) for number in range(50)]
    records += [make_text_record("It's a dog", "en", number) for number in range(50)]
    cost = measure_tokenizer(tokenizer, build_corpus(records), 512)
    korean = len(encode_text(tokenizer, "학교에 갔다 네"))
    assert cost.tokens_per_syllable == pytest.approx(korean / 6)
    assert cost.tokens_per_eojeol == pytest.approx(korean / 3)
    assert cost.tokens_per_word == pytest.approx(len(encode_text(tokenizer, "It's a dog")) / 3)
    texts = [f"{record.instruction}\n{record.input}\n네" for record in records]
    assert cost.tokens_per_record == pytest.approx(sum(len(encode_text(tokenizer, text)) for text in texts) / 100)
    assert cost.context_syllables == int(512 / (korean / 6))
    assert cost.korean_to_english == pytest.approx(
        sum(len(encode_text(tokenizer, text)) for text in KOREAN)
        / sum(len(encode_text(tokenizer, text)) for text in ENGLISH)
    )


def test_a_model_without_a_limit_has_no_context():
    cost = measure_tokenizer(load_tokenizer(PRIMER), build_corpus([]), None)
    assert cost.context_syllables is None
    assert cost.tokens_per_record is None


@pytest.fixture
def in_root(monkeypatch, tmp_path):
    """A project with the parameters of this one and no data."""
    for name in ("params.yaml", "profiles", "models", "tasks"):
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    return Paths(tmp_path)


def test_tokenizers_are_compared_by_profile_and_by_folder(in_root, capsys):
    names = ["tiny", "models/primer-base", "qwen3-0.6b"]
    options = [word for name in names for word in ("--compare-tokenizers", name)]
    assert main(["plan", *options, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["tiny"] == found["models/primer-base"]
    assert found["tiny"]["tokens_per_syllable"] > 0.3
    assert found["tiny"]["korean_text"] == "bundled"
    assert "is not on this machine" in found["qwen3-0.6b"]["error"]
    assert main(["plan", *options]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum("x1.00" in line for line in lines) == 2
    assert max(map(cell_len, lines[:5])) <= 100
    assert main(["plan", "--compare-tokenizers", "qwen3-0.6b"]) == 2
    assert main(["plan", "--compare-tokenizers", "."]) == 2
    assert ". has no tokenizer" in capsys.readouterr().out


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_table_of_records_fits_a_hundred_columns(language, in_root, capsys, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", language)
    records = [make_text_record("학교에 갔다", "ko", number) for number in range(50)]
    write_records(in_root.get_split_path("train"), records)
    (in_root.root / "a-folder-with-a-long-name-of-a-model").symlink_to(PRIMER)
    names = ["tiny", "a-folder-with-a-long-name-of-a-model"]
    print_comparison(*compare_tokenizers(names, load_params(in_root.params), in_root))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(cell_len, lines)) <= 100
    assert sum("(x1.00)" in line for line in lines) == 2
