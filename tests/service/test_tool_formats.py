"""How models write calls of tools, read from their chat templates. Run: pytest tests/service/test_tool_formats.py"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.constants import ROOT
from tests.service.tool_cases import BARE, HERMES, MISTRAL, NO_CALLS, NUMBERED, THOUGHTFUL, XML

from seodang.paths import Paths
from seodang.primer_base.model import train_tokenizer
from seodang.service.tools.call_format import ID, ToolFormat
from seodang.service.tools.call_probe import ToolsUnsupported, find_tool_format
from seodang.service.tools.calls import CallDelta, ToolCallReader
from seodang.service.tools.grammar import build_auto_body, strip_controls, write

TEMPLATES = Paths(ROOT).gguf_tools / "llama.cpp" / "models" / "templates"
_HERMES = ToolFormat(
    '<tool_call>\n{"name": "', '", "arguments": ', '}\n</tool_call>\n<tool_call>\n{"name": "', "}\n</tool_call>"
)
_LLAMA = ToolFormat('{"name": "', '", "parameters": ', None, "}")
_IDS = (f', "id": "{ID}"}}, {{"name": "', f', "id": "{ID}"}}]')
PUBLIC: dict[str, tuple[str, ToolFormat | str]] = {
    "Qwen-Qwen3-0.6B": ("<|im_end|>", _HERMES),
    "Qwen-Qwen2.5-7B-Instruct": ("<|im_end|>", _HERMES),
    "Bielik-11B-v3.0-Instruct": ("<|im_end|>", _HERMES),
    "NousResearch-Hermes-3-Llama-3.1-8B-tool_use": ("<|im_end|>", _HERMES),
    "ibm-granite-granite-4.0": ("<|end_of_text|>", _HERMES),
    "meta-llama-Llama-3.2-3B-Instruct": ("<|eot_id|>", _LLAMA),
    "meta-llama-Llama-3.3-70B-Instruct": ("<|eot_id|>", _LLAMA),
    "mistralai-Mistral-Nemo-Instruct-2407": (
        "</s>",
        ToolFormat('[TOOL_CALLS][{"name": "', '", "arguments": ', *_IDS),
    ),
    "unsloth-Apriel-1.5": (
        "<|end|>",
        ToolFormat('<tool_calls>[{"name": "', '", "arguments": ', _IDS[0], f"{_IDS[1]}</tool_calls>"),
    ),
    "unsloth-mistral-Devstral-Small-2507": ("</s>", ToolFormat("[TOOL_CALLS]", "[ARGS]", "[TOOL_CALLS]", "")),
    "CohereForAI-c4ai-command-r7b-12-2024-tool_use": (
        "<|END_OF_TURN_TOKEN|>",
        ToolFormat(
            '<|START_ACTION|>[\n    {"tool_call_id": "0", "tool_name": "',
            '", "parameters": ',
            None,
            "}\n]<|END_ACTION|>",
        ),
    ),
    "Qwen3-Coder": ("<|im_end|>", "not read: <|im_end|>\n<|im_start|>assistant\n<tool_call>\n<function=probe_name_a>"),
    "GLM-4.6": ("<|observation|>", "<tool_call>probe_name_a\n<arg_key>probe_key</arg_key>"),
    "google-gemma-4-31B-it": ("<turn|>", "<|tool_call>call:probe_name_a{probe_key:"),
    "LFM2.5-8B-A1B": ("<|im_end|>", "[probe_name_a(probe_key='probe_value')]"),
    "Qwen-QwQ-32B": ("<|im_end|>", "begins a thought"),
    "google-gemma-2-2b-it": ("<end_of_turn>", "has no tools"),
    "ibm-granite-granite-3.3-2B-Instruct": ("<|end_of_text|>", "describes tools, but writes no calls"),
}
"""Template -> its end token, and the format, or what the refusal says."""


@pytest.fixture(scope="module")
def find() -> Callable[..., ToolFormat]:
    """Finds the format of a template; the vocabulary does not matter."""
    shared = train_tokenizer(["가 나"] * 3, vocab_size=300, context_length=128)

    def find(template: str, end: str = "<|end|>") -> ToolFormat:
        tokenizer = copy.deepcopy(shared)
        tokenizer.chat_template = template
        tokenizer.eos_token = end
        tokenizer.bos_token = "<s>"
        return find_tool_format(tokenizer, end)

    return find


@pytest.mark.parametrize("name", PUBLIC)
def test_the_templates_of_public_models_give_their_format_or_the_reason(find, name):
    file = TEMPLATES / f"{name}.jinja"
    if not file.is_file():
        pytest.skip("the templates are not installed; run: make gguf")
    end, expected = PUBLIC[name]
    if isinstance(expected, ToolFormat):
        assert find(file.read_text("utf-8"), end) == expected
        return
    with pytest.raises(ToolsUnsupported) as caught:
        find(file.read_text("utf-8"), end)
    assert expected in str(caught.value)


def test_an_id_in_a_call_may_be_any(find):
    format = find(MISTRAL)
    assert format == ToolFormat('<|pad|>[{"name": "', '", "arguments": ', *_IDS)
    assert write(format.end, {}) == '", \\"id\\": \\"" /[a-zA-Z0-9]{9}/ "\\"}]"'


def test_numbered_calls_are_read_one_at_a_time(find):
    format = find(NUMBERED)
    assert (format.begin, format.separator) == ('<tool_call>\n{"number": "1", "name": "', None)


def test_an_empty_thought_of_the_template_is_no_part_of_a_call(find):
    template = HERMES.replace(
        "<|assistant|>{{ message.content }}", "<|assistant|><think>\n</think>\n{{ message.content }}"
    )
    assert find(template) == find(HERMES) == _HERMES


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{% for m in messages %}{{ m.content }}{% endfor %}", "has no tools"),
        (NO_CALLS, "describes tools, but writes no calls"),
        (XML, "not read: <|end|><|assistant|><tool_call>"),
        (THOUGHTFUL, "begins a thought"),
        ("{{ nothing.at.all }}", "cannot write a call of a tool"),
    ],
)
def test_a_refusal_says_why(find, template, reason):
    with pytest.raises(ToolsUnsupported) as caught:
        find(template)
    assert reason in str(caught.value)


def test_control_tokens_alone_do_not_divide_a_call(find):
    assert strip_controls(find(BARE), {"<|pad|>": 5}).middle == ""


def test_a_control_token_begins_a_call_whatever_follows_it(find):
    format, controls = find(MISTRAL), {"<|pad|>": 5}
    assert format.find_trigger(controls) == "<|pad|>"
    assert build_auto_body(format, controls, None)[1] == {"TEXT": r"/[^\[](?s:.*)/"}


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_the_calls_of_a_list_are_read_and_their_ids_are_left_out(find, size):
    format = strip_controls(find(MISTRAL), {"<|pad|>": 5})
    calls = [
        {"name": name, "arguments": {"도시": "서울"}, "id": id} for name, id in (("a", "abcDEF123"), ("b", "z" * 9))
    ]
    deltas = read(format, json.dumps(calls, ensure_ascii=False), size)
    assert [delta.name for delta in deltas if delta.name] == ["a", "b"]
    for index in range(2):
        text = "".join(delta.arguments for delta in deltas if delta.index == index)
        assert json.loads(text) == {"도시": "서울"}


@pytest.mark.parametrize("text", ['답: [{"name": "a", "arguments": {}}]', "[1, 2]", "[", '[{"name"'])
@pytest.mark.parametrize("size", [1, 1000])
def test_other_lists_are_text(find, text, size):
    assert "".join(read(strip_controls(find(MISTRAL), {"<|pad|>": 5}), text, size)) == text


def read(format: ToolFormat, text: str, size: int) -> list[Any]:
    reader = ToolCallReader(format, is_required=False)
    parts = [text[start : start + size] for start in range(0, len(text), size)]
    items: list[str | CallDelta] = []
    for number, part in enumerate(parts, 1):
        items += reader.push(part, is_end=number == len(parts))
    return items
