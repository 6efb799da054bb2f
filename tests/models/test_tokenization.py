"""A batch of texts has the same tokens as each text alone, and text never becomes a control token."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from seodang.models.text_encoder import get_text_encoder
from seodang.models.tokenization import build_loss_mask, encode_text
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


def train(tokenizer: Tokenizer, *, alphabet: list[str]) -> PreTrainedTokenizerFast:
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    tokenizer.train_from_iterator(
        TEXTS,
        trainers.BpeTrainer(vocab_size=500, special_tokens=special, initial_alphabet=alphabet, show_progress=False),
    )
    tokenizer.add_tokens([AddedToken("</think>", normalized=False), AddedToken("\n\n", normalized=False)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>", unk_token="<unk>"
    )


def create_llama_like() -> PreTrainedTokenizerFast:
    """Return a tokenizer with a split pattern before the bytes, as in Llama 3 and Qwen."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA3), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return train(tokenizer, alphabet=pre_tokenizers.ByteLevel.alphabet())


def create_gemma_like() -> PreTrainedTokenizerFast:
    """Return a tokenizer that writes spaces as "▁" and has a token across a space, as in Gemma."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    # It is trained word by word, except where ">" stands before the space.
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("(?<!>)▁"), "merged_with_next")
    result = train(tokenizer, alphabet=["▁"])
    result.backend_tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    return result


def create_metaspace() -> PreTrainedTokenizerFast:
    """Return a tokenizer that adds a space before each text."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return train(tokenizer, alphabet=["▁"])


TOKENIZERS = {
    "primer": lambda: train_tokenizer(TEXTS, 500, 128),
    "llama": create_llama_like,
    "gemma": create_gemma_like,
    "metaspace": create_metaspace,
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


def encode_batch(tokenizer, texts):
    return get_text_encoder(tokenizer).encode_batch([(text, False) for text in texts])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(ANY_TEXT, max_size=6))
def test_a_batch_of_texts_has_the_ids_of_each_text_alone(tokenizer, texts):
    assert encode_batch(tokenizer, texts) == [encode_text(tokenizer, text) for text in texts]


def test_a_batch_neither_changes_nor_needs_settings_of_the_tokenizer():
    tokenizer = train_tokenizer(TEXTS, 500, 128)
    tokenizer.backend_tokenizer.enable_truncation(2)
    encode_text(tokenizer, "<|end|>", control=True)  # markers as markers, by the last call
    text = "<|end|> 영화는 정말 재미있다"
    assert encode_batch(tokenizer, [text]) == [encode_text(tokenizer, text)]
    assert tokenizer.eos_token_id not in encode_batch(tokenizer, [text])[0]


def test_lone_surrogates_are_read_as_question_marks():
    tokenizer = train_tokenizer(TEXTS, 500, 128)
    assert encode_batch(tokenizer, ["영화는 \ud800"]) == [encode_text(tokenizer, "영화는 ?")]


def test_in_a_control_segment_only_the_end_token_of_the_answer_is_a_label():
    assert build_loss_mask(Segment("", control=True, is_label=True), [9, 4, 9], end_id=9) == [True, False, False]
    assert build_loss_mask(Segment("", control=True, is_label=True), [4, 5], end_id=9) == [False, False]
    assert build_loss_mask(Segment("", control=True, is_label=False), [9, 4], end_id=9) == [False, False]
    assert build_loss_mask(Segment("", control=False, is_label=True), [9, 4], end_id=9) == [True, True]
