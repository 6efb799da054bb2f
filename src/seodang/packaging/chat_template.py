"""Write the chat template of a packaged model: it renders the prompt that the model was tuned with.

Chat servers know a conversation and no prompt format, so the template holds the format. It reads the input of a request
from the variable or the message's key `input`; see `build_chat_template` for other requests.
"""

from __future__ import annotations

import json
import re
from typing import Final

from transformers import PreTrainedTokenizerBase

from seodang.config import PromptFormat
from seodang.models.tokenization import get_begin_ids
from seodang.prompting import PROMPT_TEMPLATES, TemplateTexts, supports_system

_SPLIT: Final = "elif <splits> and"
# Content is a text or a list of parts, as chat servers send it. Training strips each text, so the template does, too.
_READ_CONTENT: Final = """
{%- macro read_parts(content) -%}
{%- if content is string -%}{{ content }}
{%- elif content -%}{%- for part in content -%}{{ part if part is string else part['text'] }}{%- endfor -%}{%- endif -%}
{%- endmacro -%}
"""
_TEXT_TEMPLATE: Final = """
{%- set request = namespace(system='', index=-1, instruction='', input='') -%}
{%- for message in messages -%}
{%- if message['role'] in ['system', 'developer'] -%}
{%- set text = read_parts(message['content']) | trim -%}
{%- if text -%}{%- set request.system = request.system + text + '\\n\\n' -%}{%- endif -%}
{%- elif message['role'] != 'assistant' -%}{%- set request.index = loop.index0 -%}
{%- endif -%}
{%- endfor -%}
{%- if request.index >= 0 -%}
{%- set message = messages[request.index] -%}
{%- set request.instruction = read_parts(message['content']) | trim -%}
{%- if input is string -%}{%- set request.input = input | trim -%}
{%- elif message['input'] is string -%}{%- set request.input = message['input'] | trim -%}
{%- elif <splits> and '\\n\\n' in request.instruction -%}
{%- set parts = request.instruction.split('\\n\\n', 1) -%}
{%- set request.instruction = parts[0] | trim -%}{%- set request.input = parts[1] | trim -%}
{%- endif -%}
{%- endif -%}
{{- <begin> + (<header_input> if request.input else <header>) + request.system -}}
{%- for message in messages -%}
{%- set text = read_parts(message['content']) | trim -%}
{%- if message['role'] == 'assistant' -%}
{{- <assistant> + <prefix> + text + (eos_token if loop.index0 > request.index else '\\n\\n') -}}
{%- elif loop.index0 == request.index -%}{{- (<body_input>) if request.input else (<body>) -}}
{%- elif message['role'] == 'tool' -%}{{- <tool> + text + '\\n\\n' -}}
{%- elif message['role'] not in ['system', 'developer'] -%}{{- <user> + text + '\\n\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- <assistant> -}}{%- endif -%}
"""
# Adjacent messages of a role are joined, and results of tools are the user's, as in training. A conversation with tools
# of the model's own kind stays as it is.
_CHAT_TEMPLATE: Final = """
{%- if not tools -%}
{%- set chat = namespace(messages=[], system='') -%}
{%- for message in messages -%}
{%- set text = read_parts(message['content']) | trim -%}
{%- if message['input'] is string and message['input'] | trim -%}
{%- set text = text + '\\n\\n' + (message['input'] | trim) -%}
{%- endif -%}
{%- set role = 'assistant' if message['role'] == 'assistant' else 'user' -%}
{%- if message['role'] in ['system', 'developer'] -%}
{%- set chat.system = chat.system + '\\n\\n' + text if chat.system else text -%}
{%- elif chat.messages and chat.messages[-1]['role'] == role -%}
{%- set text = chat.messages[-1]['content'] + '\\n\\n' + text -%}
{%- set chat.messages = chat.messages[:-1] + [{'role': role, 'content': text}] -%}
{%- else -%}{%- set chat.messages = chat.messages + [{'role': role, 'content': text}] -%}
{%- endif -%}
{%- endfor -%}
{%- if chat.system and <supports_system> -%}
{%- set chat.messages = [{'role': 'system', 'content': chat.system}] + chat.messages -%}
{%- elif chat.system and chat.messages and chat.messages[0]['role'] == 'user' -%}
{%- set text = chat.system + '\\n\\n' + chat.messages[0]['content'] -%}
{%- set chat.messages = [{'role': 'user', 'content': text}] + chat.messages[1:] -%}
{%- elif chat.system -%}
{%- set chat.messages = [{'role': 'user', 'content': chat.system}] + chat.messages -%}
{%- endif -%}
{%- set messages = chat.messages -%}
{%- endif -%}
"""


_JOIN: Final = "{%- if not tools -%}{%- set chat = namespace"


def build_chat_template(format: PromptFormat, tokenizer: PreTrainedTokenizerBase, *, splits_input: bool) -> str:
    """Return the chat template that renders the prompts of a format.

    Args:
        format: Prompt format that the model was tuned with.
        tokenizer: The base's tokenizer.
        splits_input: Whether a blank line in the last message separates the instruction from its input, as a chat
            client writes them. The keys `input` come before that.
    """
    template = PROMPT_TEMPLATES[format]
    if template.texts is None:
        return _build_chat(tokenizer)
    begin = "bos_token" if get_begin_ids(tokenizer) else "''"
    return _fill(
        _READ_CONTENT + _TEXT_TEMPLATE,
        splits=str(splits_input).lower(),
        begin=begin,
        prefix=_quote(template.answer_prefix),
        **_build_parts(template.texts),
    )


def reads_input_from_message(template: str) -> bool:
    """Return whether a packaged template reads the input of a request from its last message."""
    return _SPLIT.replace("<splits>", "true") in template


def get_own_template(template: str) -> str:
    """Return a packaged template as the base has it: with tools, and without joining messages."""
    return template.replace(_JOIN, _JOIN.replace("not tools", "false"), 1)


def _build_parts(texts: TemplateTexts) -> dict[str, str]:
    body_input, body = (_build_body(request.removesuffix(texts.assistant)) for request in texts.requests)
    return {
        "header_input": _quote(texts.headers[0]),
        "header": _quote(texts.headers[1]),
        "body_input": body_input,
        "body": body,
        "user": _quote(texts.user),
        "assistant": _quote(texts.assistant),
        "tool": _quote(texts.tool),
    }


def _build_body(request: str) -> str:
    """Return a Jinja expression for a request with {instruction} and {input}."""
    parts = re.split(r"\{(instruction|input)\}", request)
    return " + ".join(f"request.{part}" if index % 2 else _quote(part) for index, part in enumerate(parts))


def _build_chat(tokenizer: PreTrainedTokenizerBase) -> str:
    preamble = _fill(_READ_CONTENT + _CHAT_TEMPLATE, supports_system=str(supports_system(tokenizer)).lower())
    return preamble + str(tokenizer.chat_template)


def bind_end_token(template: str, token: str) -> str:
    """Return a template that writes `token` as eos_token, whatever end token the tokenizer has later."""
    return f"{{%- set eos_token = {_quote(token)} -%}}{template}"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _fill(template: str, **values: str) -> str:
    for name, value in values.items():
        template = template.replace(f"<{name}>", value)
    return template.replace("-%}\n{", "-%}{").strip()
