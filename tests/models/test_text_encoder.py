"""The parts of a prompt have the ids of the complete text, and user text never controls a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.constants import ENGLISH, KOREAN
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from seodang.inference.prompt_encoder import PromptEncoder
from seodang.models import text_encoder
from seodang.models.prompt_parts import PartBuilder
from seodang.models.text_encoder import get_text_encoder
from seodang.models.tokenization import encode_prompt, encode_text, tokenize_record
from seodang.primer_base.model import train_tokenizer
from seodang.prompting import Renderer, render_prompt, render_record, renderer
from seodang.records import Record, Turn, make_record
from seodang.training.example_tokenizer import BatchTokenizer, tokenize_example

LLAMA = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}{{ '<<SYS>>' + m['content'] + '<</SYS>> ' }}"
    "{% elif m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'] + ' ' + eos_token }}{% endif %}{% endfor %}"
)
GEMMA = (
    "{{ bos_token }}{% for m in messages %}{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role'])"
    " + '\n' + m['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
VICUNA = (
    "{% for m in messages %}{% if m['role'] == 'user' %}{{ 'USER: ' + m['content'] + ' ' }}{% else %}"
    "{{ 'ASSISTANT: ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
QUESTION, ANSWER = "다음 문장의 감정을 분석해 주세요", "좋았다"
CONVERSATION = make_record(
    instruction=QUESTION,
    input="배우들의 연기가 정말 좋았다",
    output=ANSWER,
    turns=(Turn(role="user", content="안녕? The film"), Turn(role="assistant", content="네, hello.")),
    source="s",
    task="t",
    cluster="c",
)


def train_sentencepiece(pre_tokenizer: Any, normalizer: Any, template: str) -> PreTrainedTokenizerFast:
    """Return a BPE tokenizer with byte fallback that writes blanks as "▁", as SentencePiece does."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = ["<unk>", "<s>", "</s>", "<start_of_turn>", "<end_of_turn>", *(f"<0x{byte:02X}>" for byte in range(256))]
    texts = [*KOREAN, *ENGLISH, CONVERSATION.input, QUESTION, ANSWER, "[INST] hello [/INST]", "user\nmodel\n"] * 5
    tokenizer.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=700, special_tokens=special, initial_alphabet=list("네,.#:질문답변\n"))
    )
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    result = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    result.chat_template = template
    return result


def create_metaspace(scheme: Any, template: str) -> PreTrainedTokenizerFast:
    return train_sentencepiece(pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False), None, template)


def create_legacy(template: str) -> PreTrainedTokenizerFast:
    """Return a tokenizer in the form of Llama 2, whose normalizer writes a blank before each part of a text."""
    steps = [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    return train_sentencepiece(None, normalizers.Sequence(steps), template)


def create_gemma() -> PreTrainedTokenizerFast:
    return train_sentencepiece(None, normalizers.Replace(" ", "▁"), GEMMA)


def create_byte_level(template: str) -> PreTrainedTokenizerFast:
    tokenizer = train_tokenizer([*KOREAN, *ENGLISH, "USER: ASSISTANT:"] * 5, 500, 128)
    tokenizer.chat_template = template
    return tokenizer


CREATORS: dict[str, Callable[[], PreTrainedTokenizerFast]] = {
    "legacy": lambda: create_legacy(LLAMA),
    "metaspace first": lambda: create_metaspace("first", LLAMA),
    "metaspace always": lambda: create_metaspace("always", LLAMA),
    "metaspace first, text template": lambda: create_metaspace("first", VICUNA),
    "no prefix": create_gemma,
    "byte level, text template": lambda: create_byte_level(VICUNA),
}


@pytest.fixture(scope="module", params=CREATORS)
def tokenizer(request) -> PreTrainedTokenizerFast:
    return CREATORS[request.param]()


def encode_messages(tokenizer: PreTrainedTokenizerFast, *messages: tuple[str, str]) -> list[int]:
    """Return the ids that every other reader of the chat template gets."""
    conversation = [{"role": role, "content": content} for role, content in messages]
    encoded = tokenizer.apply_chat_template(conversation, add_generation_prompt=messages[-1][0] == "user")
    return list(encoded["input_ids"])


def list_messages(record: Record) -> list[tuple[str, str]]:
    request = f"{record.instruction}\n\n{record.input}" if record.input else record.instruction
    return [*((turn.role, turn.content) for turn in record.turns), ("user", request)]


def test_a_chat_prompt_has_the_ids_of_the_models_own_template(tokenizer):
    for record in (
        CONVERSATION,
        make_record(instruction=QUESTION, input="", output="", source="s", task="t", cluster="c"),
    ):
        prompt = encode_prompt(tokenizer, render_record(record, "chat", tokenizer))
        assert prompt == encode_messages(tokenizer, *list_messages(record))


def test_a_chat_example_has_the_ids_of_the_models_own_template_up_to_the_end_token(tokenizer):
    tokens = tokenize_record(tokenizer, CONVERSATION, "chat")
    ids = [*tokens.prompt, *tokens.completion]
    stock = encode_messages(tokenizer, *list_messages(CONVERSATION), ("assistant", ANSWER))
    blank = 1 if stock[len(ids) - 1] != ids[-1] else 0  # Llama 2 writes a blank before the end token; no model needs it
    assert [*ids[:-1]] == stock[: len(ids) - 1]
    assert ids[-1] == stock[len(ids) - 1 + blank]


def test_a_text_prompt_and_its_answer_have_the_ids_of_the_complete_text(tokenizer):
    record = make_record(instruction=QUESTION, input="", output=ANSWER, source="s", task="t", cluster="c")
    tokens = tokenize_record(tokenizer, record, "koalpaca")
    text = f"### 질문: {QUESTION}\n\n### 답변: {ANSWER}"
    assert [*tokens.prompt, *tokens.completion[:-1]] == tokenizer(text)["input_ids"]
    assert tokenizer.decode(tokens.completion[:-1]).strip() == ANSWER


@pytest.mark.parametrize("format", ["koalpaca", "chat"])
def test_labels_are_the_answers_and_their_end_tokens(tokenizer, format):
    example = tokenize_example(tokenizer, CONVERSATION, format)
    labels = tokenizer.decode(example.ids[example.loss_mask], skip_special_tokens=True)
    assert labels.replace(" ", "") == f"네,hello.{ANSWER}"


@pytest.mark.parametrize("format", ["koalpaca", "alpaca", "plain", "chat"])
def test_a_batch_has_the_ids_and_labels_of_each_record(tokenizer, format):
    records = [CONVERSATION, make_record(instruction="가", input="나", output="다", source="s", task="t", cluster="c")]
    chunk = BatchTokenizer(tokenizer, format).tokenize(records)
    examples = [tokenize_example(tokenizer, record, format) for record in records]
    assert chunk.tokens.ids.tolist() == [token for example in examples for token in example.ids.tolist()]
    assert chunk.loss_mask.tolist() == [flag for example in examples for flag in example.loss_mask.tolist()]


@pytest.mark.parametrize("format", ["koalpaca", "chat"])
def test_evaluation_scores_the_answer_that_training_taught(tokenizer, format):
    encoder = PromptEncoder(tokenizer, format)
    tokens = tokenize_record(tokenizer, CONVERSATION, format)
    assert encoder.encode_prompt(CONVERSATION) == tokens.prompt
    assert encoder.encode_answer(ANSWER) == tokens.completion[:-1]


def test_few_shot_examples_have_no_added_blank_at_their_borders():
    tokenizer = create_legacy(LLAMA)
    encoder = PromptEncoder(tokenizer, "koalpaca")
    record = make_record(instruction=QUESTION, input="", output=ANSWER, source="s", task="t", cluster="c")
    example = encoder.encode_few_shot_example(record)
    ids = encoder.encode_prompt(record, [example, example])
    block = f"### 질문: {QUESTION}\n\n### 답변: {ANSWER}\n\n"
    text = f"{block}{block}### 질문: {QUESTION}\n\n### 답변:"
    assert tokenizer.decode(ids[1:]).strip() == text


CONTROLS = ["<think>", "</think>", "<tool_call>", "[TOOL_CALLS]", "<|fim|>"]


@pytest.fixture
def thinking() -> PreTrainedTokenizerFast:
    """A tokenizer with added tokens that are not marked as special, as in Qwen 3."""
    tokenizer = create_byte_level(
        "{% for m in messages %}{{ '<|user|>' + m['content'] + '<|end|>' }}{% endfor %}{{ '<think>\n\n</think>' }}"
    )
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in [*CONTROLS, "김치찌개", "\n\n"]])
    return tokenizer


@pytest.mark.parametrize("control", [*CONTROLS, "<|end|>"])
def test_a_control_token_in_user_text_is_plain_text_even_if_it_is_not_marked_as_special(thinking, control):
    ids = encode_text(thinking, f"a{control}b")
    assert thinking.convert_tokens_to_ids(control) not in ids
    assert thinking.decode(ids) == f"a{control}b"
    assert get_text_encoder(thinking).encode_batch([(f"a{control}b", False)]) == [ids]


def test_the_template_writes_control_tokens_that_a_user_cannot(thinking):
    ids = encode_prompt(thinking, render_prompt("<think>안녕</think>", "", "chat", thinking))
    assert ids.count(thinking.convert_tokens_to_ids("<think>")) == 1
    assert ids == encode_messages(thinking, ("user", "안녕"))[:1] + ids[1:]


def test_added_words_and_blanks_stay_one_token(thinking):
    for content in ("김치찌개", "\n\n"):
        assert encode_text(thinking, content) == [thinking.convert_tokens_to_ids(content)]


def test_an_encoder_knows_tokens_that_were_added_later():
    tokenizer = create_byte_level(VICUNA)
    encode_text(tokenizer, "a")
    tokenizer.add_tokens([AddedToken("<think>", normalized=False)])
    assert tokenizer.convert_tokens_to_ids("<think>") not in encode_text(tokenizer, "<think>")


def test_only_tokenizers_that_add_a_blank_encode_continued_text_differently():
    assert not get_text_encoder(create_gemma()).adds_blank
    encoder = get_text_encoder(create_legacy(LLAMA))
    assert encoder.tokenizer.convert_ids_to_tokens(encoder.encode("film"))[0].startswith("▁")
    assert not encoder.tokenizer.convert_ids_to_tokens(encoder.encode("film", continues=True))[0].startswith("▁")


PIECES = ["가", "a", " ", "\n", "<s>", "</s>", "<end_of_turn>", "\ue000", "\ue002", "."]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=6).map("".join)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.tuples(TEXTS, TEXTS, TEXTS, TEXTS, st.booleans()), min_size=1, max_size=4))
def test_the_parts_of_a_layout_are_those_of_each_chat_by_itself(tokenizer, texts):
    """The layout of the first chat serves the others; empty texts, outer blanks and marks in a text change nothing."""
    encoder = get_text_encoder(tokenizer)
    renderer = Renderer("chat", tokenizer)
    for instruction, input, output, answer, has_turns in texts:
        turns = (Turn(role="user", content=input), Turn(role="assistant", content=answer)) if has_turns else ()
        segments = [
            *renderer.render_prompt(instruction, input, system=output, turns=turns),
            renderer.render_answer(output),
        ]
        assert list(encoder.split_segments(segments)) == PartBuilder(encoder, continues=False).build(segments)


def test_conversations_of_many_shapes_do_not_fill_the_caches(monkeypatch):
    monkeypatch.setattr(text_encoder, "_MAX_CACHED", 20)
    monkeypatch.setattr(renderer, "_MAX_FRAMES", 20)
    tokenizer = train_tokenizer([*KOREAN, *ENGLISH] * 10, vocab_size=420, context_length=128)
    tokenizer.chat_template = GEMMA
    encoder, rendered = text_encoder.TextEncoder(tokenizer), Renderer("chat", tokenizer)
    for count in range(40):
        turns = (Turn(role="user", content=QUESTION), Turn(role="assistant", content=ANSWER)) * count
        segments = rendered.render_prompt(QUESTION, "", turns=turns)
        parts = encoder.split_segments(segments)
        assert "".join(part.text for part in parts) == "".join(segment.text for segment in segments)
    long = rendered.render_prompt(QUESTION, "", turns=turns * 10)
    parts = encoder.split_segments(long)
    assert list(parts) == PartBuilder(encoder, continues=False).build(long)
    assert (len(rendered._frames), len(encoder._layouts)) == (20, 20)
    assert len(encoder._control_parts) <= 20
