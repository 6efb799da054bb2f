"""A packaged model answers every reader as in the service. Run: pytest tests/packaging/test_plain_reader.py"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer, GenerationConfig

from seodang.errors import ParityError
from seodang.models.loading import load_tokenizer
from seodang.models.tokenization import encode_prompt
from seodang.packaging.merge import merge
from seodang.packaging.reader_parity import check_plain_reader
from seodang.packaging.reader_settings import decide_input_split, write_reader_settings
from seodang.prompting import render_prompt, render_record
from seodang.records import Record, Turn, make_record


def create_record(instruction: str, input: str = "", **extra: Any) -> Record:
    return make_record(instruction=instruction, input=input, output="답", source="s", task="t", cluster="c", **extra)


RECORDS = [
    create_record("이 영화는?"),
    create_record("감정을 분석하세요", "이 영화는 너무 지루해\n\n정말"),
    create_record("이름은?", "홍길동", system="짧게 답하세요.", turns=(Turn(role="user", content="안녕?"),)),
]
CONVERSATION = create_record(
    "이름은?",
    "홍길동",
    system="짧게.",
    turns=(
        Turn(role="user", content="안녕?"),
        Turn(role="assistant", content="네."),
        Turn(role="user", content="가?"),
        Turn(role="tool", content="맑음"),
    ),
)
FORMATS = ["koalpaca", "alpaca", "plain", "chat"]
# In the form of Gemma: another token ends the turns, and a system message is refused.
GEMMA = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "{% if loop.index0 and messages[loop.index0 - 1]['role'] == m['role'] %}{{ raise_exception('alternate') }}{% endif %}"
    "{{ '<|user|>' + m['role'] + '\n' + m['content'] | trim + '<|assistant|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|user|>model\n' }}{% endif %}"
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, make_tiny_model) -> Path:
    """A base in the form of a chat model: it adds a begin token and has generation settings and end tokens of its own.

    Its end tokens are an ordinary word, <|pad|> and <|assistant|>.
    """
    from tokenizers import processors

    folder: Path = make_tiny_model(tmp_path_factory.mktemp("base") / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.bos_token = "<|pad|>"
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|pad|> $A", special_tokens=[("<|pad|>", tokenizer.pad_token_id)]
    )
    tokenizer.chat_template = GEMMA
    tokenizer.save_pretrained(folder)
    (folder / "generation_config.json").write_text(
        json.dumps({"repetition_penalty": 9.0, "eos_token_id": [7, 0, 3]}), "utf-8"
    )
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "no_repeat_ngram_size": 2}), "utf-8")
    return folder


@pytest.fixture(scope="module")
def adapter(base: Path, tmp_path_factory: pytest.TempPathFactory, make_tiny_adapter) -> Path:
    return Path(make_tiny_adapter(base, tmp_path_factory.mktemp("adapter") / "adapter"))


@pytest.fixture(scope="module", params=FORMATS)
def packaged(request, base: Path, adapter: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder = tmp_path_factory.mktemp("packaged") / "model"
    merge(base, adapter, folder)
    write_reader_settings(base, folder, request.param, 24, splits_input=True)
    return request.param, folder


def list_messages(record: Record) -> list[dict[str, str]]:
    system = [{"role": "system", "content": record.system}] if record.system else []
    turns = [{"role": turn.role, "content": f" {turn.content}\n"} for turn in record.turns]
    request = f"{record.instruction}\n\n{record.input}" if record.input else record.instruction
    return [*system, *turns, {"role": "user", "content": request}]


def render_plain(folder: Path, messages: list[dict[str, Any]], **settings: Any) -> str:
    """Return what any chat server renders."""
    settings = {"add_generation_prompt": True, **settings}
    return str(AutoTokenizer.from_pretrained(folder).apply_chat_template(messages, tokenize=False, **settings))


def render_tuned(base: Path, record: Record, format: Any) -> str:
    tokenizer = load_tokenizer(base)
    begin = "" if format == "chat" else "<|pad|>"  # the chat template writes it itself
    return begin + "".join(segment.text for segment in render_record(record, format, tokenizer))


@pytest.mark.parametrize("record", [*RECORDS, CONVERSATION], ids=range(4))
def test_the_chat_template_renders_the_tuned_prompt(base, packaged, record):
    format, folder = packaged
    assert render_plain(folder, list_messages(record)) == render_tuned(base, record, format)


def test_a_message_is_a_text_or_a_list_of_parts(packaged):
    _, folder = packaged
    parts = [{"role": "user", "content": [{"type": "text", "text": "이 "}, {"type": "text", "text": "영화는?"}]}]
    assert render_plain(folder, parts) == render_plain(folder, [{"role": "user", "content": "이 영화는?"}])


def test_an_input_of_its_own_is_not_split(base, packaged):
    format, folder = packaged
    messages = [{"role": "user", "content": "가?\n\n나", "input": "다"}]
    expected = render_tuned(base, create_record("가?\n\n나", "다"), format)
    assert render_plain(folder, messages) == expected
    if format != "chat":
        assert render_plain(folder, [{"role": "user", "content": "가?\n\n나"}], input="다") == expected


def test_an_example_ends_with_the_answer_and_the_end_token(packaged):
    _, folder = packaged
    messages = [{"role": "user", "content": "가?"}, {"role": "assistant", "content": "답"}]
    end = AutoTokenizer.from_pretrained(folder).eos_token
    assert render_plain(folder, messages, add_generation_prompt=False).rstrip("\n").endswith(f"답{end}")
    assert render_plain(folder, messages[:1], add_generation_prompt=False) in render_plain(folder, messages[:1])


def test_every_tokenizer_call_gives_the_ids_of_the_service(base, packaged):
    format, folder = packaged
    plain, tokenizer = AutoTokenizer.from_pretrained(folder), load_tokenizer(base)
    segments = render_prompt("이 영화는?", "", format, tokenizer)
    ids = encode_prompt(tokenizer, segments)
    assert ids.count(tokenizer.bos_token_id) == 1
    assert plain("".join(segment.text for segment in segments))["input_ids"] == ids
    messages = [{"role": "user", "content": "이 영화는?"}]
    assert plain.apply_chat_template(messages, add_generation_prompt=True)["input_ids"] == ids


def test_the_folder_says_where_an_answer_ends_and_has_no_settings_of_the_base(packaged):
    format, folder = packaged
    tokenizer = AutoTokenizer.from_pretrained(folder)
    settings = GenerationConfig.from_pretrained(folder)
    end = tokenizer.convert_tokens_to_ids("<|assistant|>" if format == "chat" else "<|end|>")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    assert tokenizer.eos_token_id == end
    assert settings.eos_token_id == config["eos_token_id"] == list(dict.fromkeys([end, 0, 3]))
    assert settings.pad_token_id == config["pad_token_id"] == tokenizer.pad_token_id
    assert (settings.repetition_penalty, settings.do_sample, settings.max_new_tokens) == (None, False, 24)
    assert "no_repeat_ngram_size" not in config
    assert (tokenizer.model_max_length, tokenizer.padding_side) == (128, "left")
    assert not list(folder.glob("additional_chat_templates"))


@pytest.mark.slow
def test_plain_transformers_gives_the_answers_of_the_service(base, packaged):
    format, folder = packaged
    assert check_plain_reader(base, folder, format, RECORDS, 8, splits_input=True) == 3


@pytest.mark.slow
def test_a_chat_template_of_the_base_is_an_error_with_both_prompts(base, adapter, tmp_path):
    merge(base, adapter, tmp_path / "merged")
    with pytest.raises(ParityError, match=r"(?s)the packaged chat template reads another prompt.*tuned: .*'#'"):
        check_plain_reader(base, tmp_path / "merged", "koalpaca", RECORDS[:1], 8, splits_input=True)


@pytest.mark.slow
def test_a_generation_setting_that_changes_an_answer_is_an_error(base, packaged):
    format, folder = packaged
    if format != "koalpaca":
        return
    path = folder / "generation_config.json"
    content = path.read_text("utf-8")
    path.write_text(json.dumps({**json.loads(content), "repetition_penalty": 9.0}), "utf-8")
    try:
        with pytest.raises(ParityError, match="plain transformers answers otherwise than the service"):
            check_plain_reader(base, folder, format, RECORDS, 24, splits_input=True)
    finally:
        path.write_text(content, "utf-8")


def test_requests_that_other_readers_cannot_render_alike_are_left_out(base, tmp_path):
    marker = create_record("<|end|>가?")
    assert check_plain_reader(base, tmp_path, "koalpaca", [CONVERSATION, marker], 8, splits_input=True) == 0


def test_a_blank_line_separates_an_input_only_where_training_records_have_inputs():
    with_input, with_paragraphs = create_record("가?", "나"), create_record("가?\n\n나")
    assert decide_input_split([with_input, with_input, with_paragraphs])
    assert not decide_input_split([with_input, with_paragraphs])
    assert not decide_input_split([create_record("가?")])
