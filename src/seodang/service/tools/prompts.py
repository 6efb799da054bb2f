"""Prompts of conversations with tools, and the grammar of their answers."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from transformers import PreTrainedTokenizerBase

from seodang.i18n import _
from seodang.inference.guides.grammars import build_grammar
from seodang.models.tokenization import encode_prompt
from seodang.packaging.chat_template import get_own_template
from seodang.prompting.tool_frame import render_tool_conversation
from seodang.records import normalize
from seodang.service.answers.forms import AnswerForm
from seodang.service.http.api_error import build_unsupported_error, reject_field
from seodang.service.model.served_model import ServedModel
from seodang.service.routes.openai_requests import ChatMessage, ChatRequest, read_text
from seodang.service.tools.call_format import ToolFormat
from seodang.service.tools.call_probe import ToolsUnsupported, find_tool_format
from seodang.service.tools.grammar import build_auto_body, build_required_body, build_tool_rules, strip_controls
from seodang.service.tools.requests import NamedTool, Tool, describe_tool, read_arguments

_ROLES: Final = {"developer": "system"}


@dataclass(frozen=True, slots=True)
class ToolPlan:
    """What tools mean for the answer to a request."""

    prompt: list[int]
    form: AnswerForm | None
    """Form of the answer, with its calls; None: any text."""
    format: ToolFormat | None
    """How calls stand in the answer's text; None: there are none."""
    is_required: bool


class ToolSupport:
    """The tools of one model."""

    def __init__(self, model: ServedModel) -> None:
        """Find how the model's chat template writes calls.

        Args:
            model: With the prompt format `chat`; other formats have no tools.
        """
        self._model = model
        tokenizer = model.tokenizer
        self._controls = _list_controls(tokenizer)
        self._is_risky = _build_risk_check(tokenizer)
        end = next((text for text, id in self._controls.items() if id == model.manifest.end_id), tokenizer.eos_token)
        self._format: ToolFormat | None = None
        self._refusal = ""
        try:
            self._format = self._find_format(str(end))
        except ToolsUnsupported as error:
            self._refusal = str(error)

    def _find_format(self, end: str) -> ToolFormat:
        name = self._model.manifest.prompt.format
        if name != "chat":
            raise ToolsUnsupported(_("the prompt format {name} of this model has no tools", name=name))
        format = find_tool_format(self._model.tokenizer, end)
        readable = strip_controls(format, self._controls)
        if not readable.begin or not readable.middle:
            raise ToolsUnsupported(_("the parts of a call of this model are divided by control tokens alone"))
        return format

    def plan(self, body: ChatRequest, form: AnswerForm | None) -> ToolPlan | None:
        """Return the prompt and the form of an answer; None if a conversation has no tools.

        Args:
            body: The request.
            form: Form that the request gives to an answer without calls.

        Raises:
            ApiError: If the model has no tools, or a field is wrong.
        """
        tools = _choose_tools(body)
        if not tools and not any(message.role == "tool" or message.tool_calls for message in body.messages):
            return None
        if self._format is None:
            if tools:
                raise reject_field("tools", self._refusal, "unsupported_parameter")
            return None  # the conversation is rejected with the message that has a call
        prompt = self._encode(body.messages, body.tools or [] if tools else [])
        if not tools:
            return ToolPlan(prompt, form, None, False)
        is_required = body.tool_choice not in (None, "auto")
        plan_format = strip_controls(self._format, self._controls)
        return ToolPlan(prompt, self._build_form(body, tools, form, is_required), plan_format, is_required)

    def _build_form(
        self, body: ChatRequest, tools: Sequence[Tool], form: AnswerForm | None, is_required: bool
    ) -> AnswerForm:
        if form is not None and form.is_grammar:
            raise reject_field(form.field, _("a grammar cannot stand beside tools"))
        is_parallel = body.parallel_tool_calls is not False and not isinstance(body.tool_choice, NamedTool)
        build = partial(self._build_grammar, list(tools), is_parallel, None if is_required else form, is_required)
        return AnswerForm("tools", build, is_grammar=True)

    def _build_grammar(
        self, tools: Sequence[Tool], is_parallel: bool, form: AnswerForm | None, is_required: bool
    ) -> str:
        assert self._format is not None
        rules = build_tool_rules(self._format, tools, is_parallel=is_parallel, controls=self._controls)
        if is_required:
            return build_grammar(build_required_body(self._format, self._controls), self._model.answer_prefix, rules)
        body, further = build_auto_body(self._format, self._controls, None if form is None else form.build())
        return build_grammar(body, self._model.answer_prefix, {**rules, **further})

    def _encode(self, messages: Sequence[ChatMessage], tools: Sequence[Tool]) -> list[int]:
        model = self._model
        built = _build_messages(messages)
        model.check_characters(sum(len(str(message)) for message in built) + len(str(tools)), "messages")
        template = get_own_template(str(model.tokenizer.chat_template))
        described = [describe_tool(tool) for tool in tools]
        segments = render_tool_conversation(model.tokenizer, template, built, described, self._is_risky)
        prompt = encode_prompt(model.tokenizer, segments)
        model.check_context(len(prompt) + 1, "messages")
        return prompt


def _choose_tools(body: ChatRequest) -> list[Tool]:
    """Return the tools that the answer may call."""
    tools, choice = body.tools or [], body.tool_choice
    names = [tool.function.name for tool in tools]
    if len(set(names)) < len(names):
        raise reject_field("tools", _("two tools have the same name"))
    if choice in (None, "auto", "none"):
        return [] if choice == "none" else tools
    if not tools:
        raise reject_field("tool_choice", _("needs tools"), "unsupported_parameter")
    if isinstance(choice, NamedTool):
        tools = [tool for tool in tools if tool.function.name == choice.function.name]
        if not tools:
            raise reject_field("tool_choice.function.name", _("there is no tool of this name"))
    return tools


def _build_messages(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """Return the messages as chat templates read them; system texts are joined and come first."""
    system: list[str] = []
    built: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for index, message in enumerate(messages):
        role = _ROLES.get(message.role, message.role)
        content = normalize(read_text(message, index))
        if role == "function":
            raise build_unsupported_error(f"messages.{index}.role")
        if role == "user" and not content:
            raise reject_field(f"messages.{index}.content", _("must not be blank"))
        if role == "system":
            system += [content] if content else []
            continue
        built.append({"role": role, "content": content})
        if role == "tool":
            id = message.tool_call_id or ""
            built[-1] |= {"tool_call_id": id, "name": message.name or names.get(id, "")}
        elif message.tool_calls:
            built[-1]["tool_calls"] = _build_calls(message, index)
            names |= {call.id: call.function.name for call in message.tool_calls if call.id}
    if not built or built[-1]["role"] == "assistant":
        raise reject_field("messages", _("the last message must be the user's, or the result of a tool"))
    return ([{"role": "system", "content": "\n\n".join(system)}] if system else []) + built


def _build_calls(message: ChatMessage, index: int) -> list[dict[str, Any]]:
    field = "messages.{}.tool_calls.{}.function.arguments"
    return [
        {
            "id": call.id or "",
            "type": "function",
            "function": {"name": call.function.name, "arguments": read_arguments(call, field.format(index, number))},
        }
        for number, call in enumerate(message.tool_calls or [])
    ]


def _list_controls(tokenizer: PreTrainedTokenizerBase) -> dict[str, int]:
    """Return the control tokens that the text of an answer does not contain."""
    return {token.content: id for id, token in tokenizer.added_tokens_decoder.items() if token.special}


def _build_risk_check(tokenizer: PreTrainedTokenizerBase) -> Callable[[str], bool]:
    """Return a function that says whether a text may contain, begin or complete a control token."""
    contents = [token.content for token in tokenizer.added_tokens_decoder.values() if token.content]
    edges = {character for content in contents for character in (content[0], content[-1])}

    def is_risky(text: str) -> bool:
        return not edges.isdisjoint(text) or not edges.isdisjoint(unicodedata.normalize("NFKC", text))

    return is_risky
