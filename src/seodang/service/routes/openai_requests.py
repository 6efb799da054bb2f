"""Bodies of OpenAI's routes."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import Discriminator, Field, Tag

from seodang.i18n import _
from seodang.records import Turn, normalize
from seodang.service.http.api_error import UNION_TAG, build_unsupported_error, reject_field
from seodang.service.model.served_model import Conversation
from seodang.service.routes.field_types import LIST, TEXT, TEXT_OR_LIST, WHOLE, OpenObject, Text
from seodang.service.routes.request_fields import Count, SamplingRequest
from seodang.service.tools.requests import ToolCall, ToolFields

MAX_PROMPTS: Final = 128
_MAX_MESSAGES: Final = 1024
_INT64: Final = 2**63
TokenId = Annotated[int, Field(ge=0, lt=_INT64)]
# The first error ends a list. Else a body of 4 MB with a million wrong values takes 18 seconds and 5 GB of memory.
TokenIds = Annotated[list[TokenId], Field(fail_fast=True)]


_TEXTS: Final = Tag(f"{UNION_TAG}texts")
_IDS: Final = Tag(f"{UNION_TAG}ids")


def _find_prompt(value: Any) -> str:
    """Return the type of prompts by the first one."""
    if not isinstance(value, list):
        return TEXT.tag
    first = value[0] if value else ""
    return _TEXTS.tag if isinstance(first, str) else LIST.tag if isinstance(first, list) else _IDS.tag


class ContentPart(OpenObject):
    """A part of a message."""

    type: Text
    text: Text | None = None


class ChatMessage(OpenObject):
    """A message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: (
        Annotated[
            Annotated[Text, TEXT] | Annotated[list[ContentPart], Field(fail_fast=True), LIST],
            TEXT_OR_LIST,
        ]
        | None
    ) = None
    name: Text | None = None
    """Of the tool whose result the message is."""
    tool_calls: Annotated[list[ToolCall], Field(fail_fast=True)] | None = None
    """Calls in an earlier answer."""
    tool_call_id: Text | None = None
    """Of the call whose result the message is."""
    input: Text | None = None
    """Text that the last message of the user refers to; the packaged chat template reads it, too."""


class ChatRequest(SamplingRequest, ToolFields):
    """Body of POST /v1/chat/completions."""

    messages: Annotated[list[ChatMessage], Field(fail_fast=True, min_length=1, max_length=_MAX_MESSAGES)]
    max_tokens: Count | None = None
    max_completion_tokens: Count | None = None
    """Comes before max_tokens."""
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20), WHOLE] | None = None


class CompletionRequest(SamplingRequest):
    """Body of POST /v1/completions."""

    prompt: Annotated[
        Annotated[Text, TEXT]
        | Annotated[list[Text], Field(fail_fast=True), _TEXTS]
        | Annotated[TokenIds, _IDS]
        | Annotated[list[TokenIds], Field(fail_fast=True, max_length=MAX_PROMPTS), LIST],
        Discriminator(_find_prompt),
    ]
    """Text, token ids, or a list of either; no template is added."""
    max_tokens: Annotated[int, Field(ge=0, lt=_INT64), WHOLE] | None = None
    max_completion_tokens: Annotated[int, Field(ge=0, lt=_INT64), WHOLE] | None = None
    """The name of chats, which load tools send here, too; comes before max_tokens."""
    logprobs: Annotated[int, Field(ge=0, le=20), WHOLE] | None = None
    echo: bool | None = None
    """Whether the answer begins with the prompt."""


def find_limit(request: ChatRequest | CompletionRequest) -> tuple[str, int | None]:
    """Return the limit of an answer's tokens and the name of its field; max_completion_tokens comes first."""
    if request.max_completion_tokens is not None:
        return "max_completion_tokens", request.max_completion_tokens
    return "max_tokens", request.max_tokens


def build_conversation(messages: list[ChatMessage]) -> Conversation:
    """Return the messages as the renderer reads them, normalized like the training data.

    System texts are joined, wherever they stand. An assistant's message at the end is the beginning of the answer.

    Raises:
        ApiError: If a message has other content than text, or none is the user's.
    """
    system: list[str] = []
    turns: list[Turn] = []
    request = -1
    input: str | None = None
    for index, message in enumerate(messages):
        _check_message(message, index)
        text = read_text(message, index)
        if message.role in ("system", "developer"):
            system += [text.strip()] if text.strip() else []
            continue
        if message.role == "user":
            request, input = len(turns), message.input
        turns.append(Turn(role=message.role, content=text))
    if request < 0 or len(turns) - request > 2:
        raise reject_field("messages", _("the last message must be the user's, or the beginning of its answer"))
    prefill = turns[-1].content if request < len(turns) - 1 else ""
    return Conversation(
        request=normalize(turns[request].content),
        system=normalize("\n\n".join(system)),
        turns=tuple(Turn(role=turn.role, content=normalize(turn.content)) for turn in turns[:request]),
        prefill=_normalize_prefill(prefill),
        input=None if input is None else normalize(input),
    )


def _check_message(message: ChatMessage, index: int) -> None:
    extra: dict[str, Any] = message.model_extra or {}
    if message.role in ("tool", "function"):
        raise build_unsupported_error(f"messages.{index}.role")
    if message.tool_calls:
        raise build_unsupported_error(f"messages.{index}.tool_calls")
    for name in ("function_call", "audio"):
        if extra.get(name):
            raise build_unsupported_error(f"messages.{index}.{name}")
    if message.role == "user" and not read_text(message, index).strip():
        raise reject_field(f"messages.{index}.content", _("must not be blank"))


def read_text(message: ChatMessage, index: int) -> str:
    """Return the text of a message.

    Raises:
        ApiError: If it has other content than text.
    """
    if not isinstance(message.content, list):
        return message.content or ""
    for number, part in enumerate(message.content):
        if part.type == "text" and part.text is None:
            raise reject_field(f"messages.{index}.content.{number}.text", _("a text part needs its text"))
        if part.type != "text":
            raise build_unsupported_error(f"messages.{index}.content.{number}")
    return "".join(part.text or "" for part in message.content)


def _normalize_prefill(text: str) -> str:
    """Return the beginning of an answer; a blank at its end belongs to it."""
    normalized = normalize(text)
    return normalized + text[len(text.rstrip()) :] if normalized else ""
