"""Chat templates in the form of published models: the prompts are those of the template, each time and everywhere."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable

import pytest
from tests.constants import ENGLISH, KOREAN
from tests.models.chat_template_cases import FAILING, MARKERS, REFUSED, TEMPLATES
from tokenizers import AddedToken
from transformers import PreTrainedTokenizerFast
from transformers.utils import chat_template_utils

from seodang.errors import ChatTemplateError
from seodang.models.chat_templates import freeze_clock
from seodang.models.compatibility import check_checkpoint
from seodang.models.loading import load_tokenizer
from seodang.models.tokenization import encode_prompt, get_end_id, tokenize_record
from seodang.packaging.chat_template import build_chat_template
from seodang.primer_base.model import train_tokenizer
from seodang.prompting import compute_fingerprint, render_prompt, render_record
from seodang.records import Record, Turn, make_record
from seodang.training.example_tokenizer import tokenize_example

TURNS = (Turn(role="user", content="안녕?"), Turn(role="assistant", content='네 "<b>" .'))
# Ends of answers that differ from the model's end token in the template's last line.
ENDS = {
    "llama 3.1": "<|eot_id|>",
    "mistral v3": "</s>",
    "qwen 3": "<|im_end|>",
    "deepseek r1": "<｜end▁of▁sentence｜>",
    "exaone deep": "[|endofturn|]",
    "solar": "</s>",  # its template writes none
    "gemma 3": "<end_of_turn>",
    "phi 3": "<|end|>",
    "command r": "<|END_OF_TURN_TOKEN|>",
    "gpt-oss": "<|return|>",
}


def make(instruction: str, input: str = "", system: str = "", turns: tuple[Turn, ...] = ()) -> Record:
    texts = {"instruction": instruction, "input": input, "output": "답", "system": system, "turns": turns}
    return make_record(**texts, source="s", task="t", cluster="c")


RECORDS = [
    make('수도는 "어디" {{x}}?'),
    make("가", "나\n\n다"),
    make("가", "나", system="짧게"),
    make("가", turns=TURNS),
    make("가", system="짧게", turns=TURNS),
]


@pytest.fixture(scope="module")
def create_tokenizer() -> Callable[[str], PreTrainedTokenizerFast]:
    """Creates a tokenizer that has the markers of every template, and its clock frozen."""
    tokenizer = train_tokenizer([*KOREAN, *ENGLISH] * 5, 500, 512)
    tokenizer.add_tokens([AddedToken(marker, special=True, normalized=False) for marker in MARKERS])
    tokenizer.bos_token, tokenizer.eos_token = "<s>", "</s>"

    def create_tokenizer(template: str) -> PreTrainedTokenizerFast:
        tokenizer.chat_template = freeze_clock(template)
        return tokenizer

    return create_tokenizer


def list_messages(record: Record) -> list[dict[str, str]]:
    request = f"{record.instruction}\n\n{record.input}" if record.input else record.instruction
    turns = [{"role": turn.role, "content": turn.content} for turn in record.turns]
    system = [{"role": "system", "content": record.system}] if record.system else []
    return [*system, *turns, {"role": "user", "content": request}]


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_prompt_has_the_text_and_the_ids_of_the_template(name, create_tokenizer):
    tokenizer = create_tokenizer(TEMPLATES[name])
    for record in RECORDS:
        if name == "gemma 2" and record.system:
            continue
        expected = tokenizer.apply_chat_template(list_messages(record), tokenize=False, add_generation_prompt=True)
        segments = render_record(record, "chat", tokenizer)
        assert "".join(segment.text for segment in segments) == expected
        assert encode_prompt(tokenizer, segments) == tokenizer(expected, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_packaged_template_renders_the_tuned_prompt(name, create_tokenizer):
    tokenizer = create_tokenizer(TEMPLATES[name])
    packaged = build_chat_template("chat", tokenizer, splits_input=False)
    for record in RECORDS:
        expected = "".join(segment.text for segment in render_record(record, "chat", tokenizer))
        rendered = tokenizer.apply_chat_template(
            list_messages(record), chat_template=packaged, tokenize=False, add_generation_prompt=True
        )
        assert rendered == expected


@pytest.mark.parametrize("name", TEMPLATES)
def test_time_and_chance_change_no_prompt(name, create_tokenizer, monkeypatch):
    tokenizer = create_tokenizer(TEMPLATES[name])
    fingerprints = set()
    for year in (2024, 2031):
        clock = type("Clock", (datetime.datetime,), {"now": classmethod(lambda cls, tz=None, y=year: cls(y, 3, 9, 23))})
        monkeypatch.setattr(chat_template_utils, "datetime", clock)
        random.seed(year)
        fingerprints.add(compute_fingerprint("chat", tokenizer))
    assert len(fingerprints) == 1
    assert "2031" not in "".join(segment.text for segment in render_prompt("가", "", "chat", tokenizer))


@pytest.mark.parametrize("name", ENDS)
def test_an_answer_ends_with_the_first_marker_after_it(name, create_tokenizer):
    tokenizer = create_tokenizer(TEMPLATES[name])
    assert tokenizer.convert_ids_to_tokens(get_end_id(tokenizer, "chat")) == ENDS[name]
    assert tokenize_record(tokenizer, RECORDS[0], "chat").completion[-1] == get_end_id(tokenizer, "chat")


@pytest.mark.parametrize("name", TEMPLATES)
def test_labels_are_the_answers_wherever_the_template_writes_them(name, create_tokenizer):
    tokenizer = create_tokenizer(TEMPLATES[name])
    example = tokenize_example(tokenizer, RECORDS[-1], "chat")
    labels = tokenizer.decode(example.ids[example.loss_mask], skip_special_tokens=True)
    assert labels.replace(" ", "") == '네"<b>".답'


def test_a_system_text_stays_where_the_template_writes_it(create_tokenizer):
    tokenizer = create_tokenizer(TEMPLATES["mistral v3"])
    text = "".join(segment.text for segment in render_record(RECORDS[-1], "chat", tokenizer))
    assert text == '<s>[INST] 안녕?[/INST] 네 "<b>" .</s>[INST] 짧게\n\n가[/INST]'


@pytest.mark.parametrize("name", REFUSED)
def test_a_template_that_may_differ_from_call_to_call_is_refused(name, tmp_path, make_tiny_model):
    template, message = REFUSED[name]
    folder = make_tiny_model(tmp_path / "model")
    (folder / "chat_template.jinja").write_text(template, "utf-8")
    with pytest.raises(ChatTemplateError, match=message) as raised:
        load_tokenizer(folder)
    assert "remove it there and set prompt.format to another format than chat" in str(raised.value)


@pytest.mark.parametrize("name", FAILING)
def test_a_template_that_cannot_write_a_question_as_it_is_is_refused(name, create_tokenizer):
    template, message = FAILING[name]
    with pytest.raises(ChatTemplateError, match=message):
        render_prompt("가", "", "chat", create_tokenizer(template))


@pytest.mark.parametrize("name", TEMPLATES)
def test_published_templates_are_not_refused(name, tmp_path, make_tiny_model):
    folder = make_tiny_model(tmp_path / "model")
    (folder / "chat_template.jinja").write_text(TEMPLATES[name], "utf-8")
    assert load_tokenizer(folder).chat_template.endswith(TEMPLATES[name])


def test_a_variable_that_the_template_sets_itself_may_have_any_name(tmp_path, make_tiny_model):
    folder = make_tiny_model(tmp_path / "model")
    template = "{% set today = 'x' %}{% macro now() %}y{% endmacro %}{{ today + now() }}" + FAILING["JSON"][0]
    (folder / "chat_template.jinja").write_text(template, "utf-8")
    assert load_tokenizer(folder)


def test_stage_base_warns_about_a_template_that_only_the_format_chat_needs(tmp_path, make_tiny_model, caplog):
    folder = make_tiny_model(tmp_path / "model")
    (folder / "chat_template.jinja").write_text(FAILING["raise_exception"][0], "utf-8")
    check_checkpoint(folder, "model.path x")
    assert "the model's chat template fails on the messages user: tools only" in caplog.text
