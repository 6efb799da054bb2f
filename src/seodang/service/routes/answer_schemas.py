"""The shapes of all answers, for the OpenAPI document. An answer may have further fields."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from seodang.service.routes.native_requests import Usage


class _Answer(BaseModel):
    model_config = ConfigDict(extra="allow")


class ErrorContent(_Answer):
    """What is wrong with a request, or with the service."""

    message: str
    """For people, in the language of the server."""
    type: str
    param: str | None
    """Field that causes the error, as a path with dots."""
    code: str | None
    """For programs: context_length_exceeded, queue_full, ..."""


class Error(_Answer):
    """An answer that is no success."""

    error: ErrorContent


class TotalUsage(_Answer):
    """Number of tokens of prompts and answers."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class TokenProbability(_Answer):
    """A token with its log-probability, in nats."""

    token: str
    logprob: float
    bytes: list[int]


class AnswerTokenProbability(TokenProbability):
    """A token of an answer."""

    top_logprobs: list[TokenProbability]
    """The most likely tokens, best first."""


class ChatLogprobs(_Answer):
    """Log-probabilities of a chat's answer."""

    content: list[AnswerTokenProbability]
    refusal: None


class CalledFunction(_Answer):
    """A function that an answer calls."""

    name: str
    arguments: str
    """JSON that keeps the schema of the function's parameters; incomplete if the answer was cut."""


class AnswerToolCall(_Answer):
    """A call of a tool."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class AssistantMessage(_Answer):
    """The answer to a conversation."""

    role: Literal["assistant"]
    content: str | None
    """None beside calls of tools, if the answer has no text."""
    refusal: None
    tool_calls: list[AnswerToolCall] | None = None
    """Missing if the answer calls no tool."""


class ChatChoice(_Answer):
    """One of the answers to a conversation."""

    index: int
    message: AssistantMessage
    logprobs: ChatLogprobs | None
    finish_reason: Literal["stop", "length", "tool_calls"]


class ChatCompletion(_Answer):
    """Answer of POST /v1/chat/completions."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    system_fingerprint: str
    """Version of weights, tokenizer and prompts."""
    choices: list[ChatChoice]
    usage: TotalUsage


class ChunkChoice(_Answer):
    """A part of one of the answers."""

    index: int
    delta: dict[str, Any]
    """The first one has the role."""
    logprobs: ChatLogprobs | None
    finish_reason: Literal["stop", "length", "tool_calls"] | None


class ChatCompletionChunk(_Answer):
    """Event of a streamed conversation."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChunkChoice]
    """Empty in the chunk with the usage."""
    usage: TotalUsage | None = None


class CompletionLogprobs(_Answer):
    """Log-probabilities of a completion: lists of the same length."""

    tokens: list[str]
    token_logprobs: list[float | None]
    """The first token of a prompt has none."""
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]
    """Number of characters before each token."""


class CompletionChoice(_Answer):
    """One of the continuations."""

    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: Literal["stop", "length"] | None
    """None in a chunk before the last one."""


class TextCompletion(_Answer):
    """Answer of POST /v1/completions, and event of its stream."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[CompletionChoice]
    usage: TotalUsage | None = None


class GeneratePart(_Answer):
    """Event of a streamed answer to POST /generate: a part of the text, or at the end everything else."""

    output: str | None = None
    finish_reason: Literal["stop", "length"] | None = None
    usage: Usage | None = None
    id: str | None = None
    model: str | None = None


class ModelCard(_Answer):
    """A served model."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    max_model_len: int | None
    """Tokens of prompt and answer."""
    licences: list[str]


class ModelList(_Answer):
    """The served models."""

    object: Literal["list"]
    data: list[ModelCard]


class TokenizeResponse(_Answer):
    """Token ids of a text."""

    tokens: list[int]
    count: int
    max_model_len: int | None


class DetokenizeResponse(_Answer):
    """Text of token ids."""

    prompt: str


class TokenizerInfo(_Answer):
    """Special tokens and chat template."""

    tokenizer_class: str
    bos_token: str | None
    eos_token: str | None
    pad_token: str | None
    chat_template: str | None
    vocab_size: int
    model_max_length: int | None


class Lineage(_Answer):
    """Where the weights come from."""

    bento: str | None
    model: str
    prompt: dict[str, Any]
    fingerprint: str


class Status(_Answer):
    """State of the process."""

    status: Literal["ok"]
