"""Many texts at a time give the tokens of each by itself, whatever stands in them, and text never becomes a marker."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from seodang.models.tokenization import encode_text, learned_tokens
from seodang.primer_base.model import train_tokenizer
from seodang.prompting import Segment
from seodang.training.fast_encoding import BatchEncoder

TEXTS = ["이 영화는 정말 재미있다 그리고 좋다.", "The film was great, and I'd watch it 12 times!", "### 질문: ### 맥락: ### 답변:", "<b> x</b> <i> y</i> don't"] * 20
MARKERS = ["<|end|>", "<|user|>", "<bos>", "<start_of_turn>", "<end_of_turn>", "</think>", "\n\n"]
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def trained(tokenizer: Tokenizer, *, alphabet: list[str]) -> PreTrainedTokenizerFast:
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    tokenizer.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=500, special_tokens=special, initial_alphabet=alphabet, show_progress=False))
    tokenizer.add_tokens([AddedToken("</think>", normalized=False), AddedToken("\n\n", normalized=False)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", unk_token="<unk>")


def like_llama() -> PreTrainedTokenizerFast:
    """A pattern of its own before bytes, as in Llama 3 and Qwen."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    return trained(tokenizer, alphabet=pre_tokenizers.ByteLevel.alphabet())


def like_gemma() -> PreTrainedTokenizerFast:
    """Blanks as "▁" and whole texts merged at once; a token that spans a blank, as Gemma has one."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    # Trained word by word, but where ">" stands before the blank.
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("(?<!>)▁"), "merged_with_next")
    made = trained(tokenizer, alphabet=["▁"])
    made.backend_tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    return made


def of_whole_texts() -> PreTrainedTokenizerFast:
    """A tokenizer whose texts can't be cut: it puts a blank before each."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return trained(tokenizer, alphabet=["▁"])


TOKENIZERS = {"primer": lambda: train_tokenizer(TEXTS, 500, 128), "llama": like_llama, "gemma": like_gemma, "whole": of_whole_texts}
PARTS = st.one_of(
    st.text(max_size=6),
    st.sampled_from([*MARKERS, " ", "  ", "\n", "\t", "▁", ">", "</", "é", "e\u0301", "각", "\u1100\u1161", "\u00a0", "\x1c", "don't", "12", "영화는", ".", "film"]),
)
ANY_TEXT = st.lists(PARTS, max_size=12).map("".join)


@pytest.fixture(scope="module", params=TOKENIZERS)
def tokenizer(request):
    return TOKENIZERS[request.param]()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=st.lists(st.lists(ANY_TEXT, max_size=6), min_size=1, max_size=3))
def test_many_texts_at_a_time_give_the_ids_of_each_by_itself(tokenizer, chunks):
    encoder = BatchEncoder(tokenizer)
    for texts in chunks:  # what was learned from one chunk serves the next
        found = encoder.encode(texts)
        assert [found.ids[start:stop].tolist() for start, stop in zip(found.offsets, found.offsets[1:], strict=False)] == [encode_text(tokenizer, text) for text in texts]


def test_all_but_the_tokenizer_that_puts_blanks_before_texts_are_cut_into_words():
    assert [name for name, make in TOKENIZERS.items() if BatchEncoder(make())._cuts is None] == ["whole"]


def test_a_word_whose_blank_the_tokenizer_joins_is_not_cut_off():
    tokenizer = like_gemma()
    spanning = [token for token in tokenizer.get_vocab() if ">▁" in token]
    assert spanning
    found = BatchEncoder(tokenizer).encode(["x <b> x"])
    assert found.ids.tolist() == encode_text(tokenizer, "x <b> x")


def test_letters_are_not_cut_off_where_a_marker_may_begin_within_them():
    assert [name for name, make in TOKENIZERS.items() if (cuts := BatchEncoder(make())._cuts) and cuts.behind_runs] == ["primer", "llama"]
    tokenizer = like_llama()
    tokenizer.backend_tokenizer.add_tokens([AddedToken("film>", normalized=False)])
    encoder = BatchEncoder(tokenizer)
    assert encoder._cuts is not None
    assert not encoder._cuts.behind_runs
    assert encoder.encode(["a film> film"]).ids.tolist() == encode_text(tokenizer, "a film> film")


def test_a_batch_leaves_and_needs_no_setting_of_the_tokenizer():
    tokenizer = train_tokenizer(TEXTS, 500, 128)
    tokenizer.backend_tokenizer.enable_truncation(2)
    encode_text(tokenizer, "<|end|>", control=True)  # markers as markers, by the last call
    text = "<|end|> 영화는 정말 재미있다"
    found = BatchEncoder(tokenizer).encode([text])
    assert found.ids.tolist() == encode_text(tokenizer, text)
    assert tokenizer.eos_token_id not in found.ids


def test_what_was_learned_is_forgotten_when_it_is_too_much(monkeypatch):
    monkeypatch.setattr("seodang.training.fast_encoding._MOST_WORDS", 2)
    tokenizer = train_tokenizer(TEXTS, 500, 128)
    encoder = BatchEncoder(tokenizer)
    for text in ("하나 둘 셋 넷", "넷 셋", "둘 하나"):
        assert encoder.encode([text]).ids.tolist() == encode_text(tokenizer, text)


def test_half_characters_are_read_as_question_marks():
    tokenizer = train_tokenizer(TEXTS, 500, 128)
    assert BatchEncoder(tokenizer).encode(["영화는 \ud800"]).ids.tolist() == encode_text(tokenizer, "영화는 ?")


def test_words_whose_learning_was_interrupted_are_learned_anew(monkeypatch):
    tokenizer = train_tokenizer(TEXTS, 500, 128)
    encoder = BatchEncoder(tokenizer)

    def interrupt(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(encoder, "_encode_whole", interrupt)
        with pytest.raises(KeyboardInterrupt):
            encoder.encode(["영화는 정말"])
    assert encoder.encode(["영화는 정말"]).ids.tolist() == encode_text(tokenizer, "영화는 정말")


def test_of_a_control_segment_only_the_end_of_the_answer_is_learned():
    assert learned_tokens(Segment("", control=True, learned=True), [9, 4, 9], end=9) == [True, False, False]
    assert learned_tokens(Segment("", control=True, learned=True), [4, 5], end=9) == [False, False]
    assert learned_tokens(Segment("", control=True, learned=False), [9, 4], end=9) == [False, False]
    assert learned_tokens(Segment("", control=False, learned=True), [9, 4], end=9) == [True, True]
