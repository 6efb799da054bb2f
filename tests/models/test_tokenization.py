"""Many texts at a time give the tokens of each by itself, whatever stands in them, and text never becomes a marker."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from seodang.models.tokenization import build_loss_mask, encode_text, encode_texts
from seodang.primer_base.model import train_tokenizer
from seodang.prompting import Segment

TEXTS = [
    "이 영화는 정말 재미있다 그리고 좋다.",
    "The film was great, and I'd watch it 12 times!",
    "### 질문: ### 맥락: ### 답변:",
    "<b> x</b> <i> y</i> don't",
] * 20
MARKERS = ["<|end|>", "<|user|>", "<bos>", "<start_of_turn>", "<end_of_turn>", "</think>", "\n\n"]
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def trained(tokenizer: Tokenizer, *, alphabet: list[str]) -> PreTrainedTokenizerFast:
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    tokenizer.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(vocab_size=500, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    tokenizer.add_tokens([AddedToken("</think>", normalized=False), AddedToken("\n\n", normalized=False)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", unk_token="<unk>"
    )


def like_llama() -> PreTrainedTokenizerFast:
    """A pattern of its own before bytes, as in Llama 3 and Qwen."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
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


TOKENIZERS = {
    "primer": lambda: train_tokenizer(TEXTS, 500, 128),
    "llama": like_llama,
    "gemma": like_gemma,
    "whole": of_whole_texts,
}
PARTS = st.one_of(
    st.text(max_size=6),
    st.sampled_from(
        [
            *MARKERS,
            " ",
            "  ",
            "\n",
            "\t",
            "▁",
            ">",
            "</",
            "é",
            "e\u0301",
            "각",
            "\u1100\u1161",
            "\u00a0",
            "\x1c",
            "don't",
            "12",
            "영화는",
            ".",
            "film",
        ]
    ),
)
ANY_TEXT = st.lists(PARTS, max_size=12).map("".join)


@pytest.fixture(scope="module", params=TOKENIZERS)
def tokenizer(request):
    return TOKENIZERS[request.param]()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(ANY_TEXT, max_size=6))
def test_many_texts_at_a_time_give_the_ids_of_each_by_itself(tokenizer, texts):
    assert encode_texts(tokenizer, texts) == [encode_text(tokenizer, text) for text in texts]


def test_a_batch_leaves_and_needs_no_setting_of_the_tokenizer():
    tokenizer = train_tokenizer(TEXTS, 500, 128)
    tokenizer.backend_tokenizer.enable_truncation(2)
    encode_text(tokenizer, "<|end|>", control=True)  # markers as markers, by the last call
    text = "<|end|> 영화는 정말 재미있다"
    assert encode_texts(tokenizer, [text]) == [encode_text(tokenizer, text)]
    assert tokenizer.eos_token_id not in encode_texts(tokenizer, [text])[0]


def test_half_characters_are_read_as_question_marks():
    tokenizer = train_tokenizer(TEXTS, 500, 128)
    assert encode_texts(tokenizer, ["영화는 \ud800"]) == [encode_text(tokenizer, "영화는 ?")]


def test_of_a_control_segment_only_the_end_of_the_answer_is_learned():
    assert build_loss_mask(Segment("", control=True, is_label=True), [9, 4, 9], end_id=9) == [True, False, False]
    assert build_loss_mask(Segment("", control=True, is_label=True), [4, 5], end_id=9) == [False, False]
    assert build_loss_mask(Segment("", control=True, is_label=False), [9, 4], end_id=9) == [False, False]
    assert build_loss_mask(Segment("", control=False, is_label=True), [9, 4], end_id=9) == [True, True]
