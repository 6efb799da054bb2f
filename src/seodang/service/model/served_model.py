"""The packaged model as requests see it: prompts, limits and texts. This module does not depend on HTTP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Final

from transformers import PreTrainedTokenizerBase, TokenizersBackend

from seodang.errors import SeodangError
from seodang.i18n import _, ngettext
from seodang.inference.prompt_encoder import PromptEncoder
from seodang.models.text_encoder import get_text_encoder
from seodang.models.tokenization import encode_part, encode_prompt
from seodang.packaging.chat_template import reads_input_from_message
from seodang.packaging.model_folder import Manifest
from seodang.prompting import Renderer
from seodang.records import Turn, normalize

# Clients recognize an overflow by these words, in every language: langchain-openai and litellm by the first part.
_OVERFLOW_WORDS: Final = "prompt is too long; it exceeds the context window"


class RequestRejected(SeodangError):
    """A request that this model cannot answer; its sender can correct it."""

    def __init__(self, field: str, message: str, code: str = "invalid_value") -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message
        self.code = code


# Texts of single tokens that are kept: a token is decoded alone after each character.
_KEPT_TEXTS: Final = 8192


@dataclass(frozen=True, slots=True)
class Conversation:
    """The messages of a chat, as the renderer reads them; every text is normalized like the training data."""

    request: str
    """The last message of the user."""
    system: str = ""
    turns: tuple[Turn, ...] = ()
    """Messages before the request, oldest first."""
    prefill: str = ""
    """Beginning of the answer; "" for none."""
    input: str | None = None
    """Text that the request refers to; None: the request may contain it, as in a chat client."""


@dataclass(frozen=True)
class ServedModel:
    """Renders, encodes and decodes for one packaged model."""

    tokenizer: PreTrainedTokenizerBase
    manifest: Manifest
    context_length: int | None
    """Tokens of prompt and answer; None: no limit."""
    tag: str
    """Exact tag of the weights."""
    created: int = 0
    """Time of packaging, seconds since 1970."""
    bento: str | None = None
    """Tag of the bento; None if a folder is served."""
    names: tuple[str, ...] = field(default=())
    """Other names under which requests find the model."""
    parent: str | None = None
    """Tag of the base that an adapter belongs to; None for other models."""

    @property
    def name(self) -> str:
        """Return the name of the model without its version."""
        return self.tag.partition(":")[0]

    @cached_property
    def encoder(self) -> PromptEncoder:
        """Return the encoder that evaluation uses."""
        return PromptEncoder(self.tokenizer, self.manifest.prompt.format)

    @cached_property
    def vocabulary_size(self) -> int:
        """Return the number of token ids."""
        return len(self.tokenizer)

    @cached_property
    def _renderer(self) -> Renderer:
        return Renderer(self.manifest.prompt.format, self.tokenizer)

    @cached_property
    def answer_prefix(self) -> str:
        """Return the text that the model writes before each answer, such as a blank; "" for none."""
        return self._renderer.render_answer("").text

    @cached_property
    def _splits_input(self) -> bool:
        return reads_input_from_message(str(self.tokenizer.chat_template or ""))

    @cached_property
    def _longest_token(self) -> int:
        return max(map(len, self.tokenizer.get_vocab()))

    def is_named(self, name: str) -> bool:
        """Return whether a name is the model's tag or one of its other names."""
        return name == self.tag or name in self.names

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of tokens without control tokens; blanks stay as they are."""
        return self._decode_token(ids[0]) if len(ids) == 1 else self._decode_ids(ids)

    @cached_property
    def _decode_token(self) -> Callable[[int], str]:
        return lru_cache(maxsize=_KEPT_TEXTS)(lambda token: self._decode_ids([token]))

    def _decode_ids(self, ids: Sequence[int]) -> str:
        # transformers' own method checks its arguments for longer than the library below it decodes.
        if type(self.tokenizer).decode is PreTrainedTokenizerBase.decode and (
            type(self.tokenizer)._decode is TokenizersBackend._decode
        ):
            return str(self.tokenizer.backend_tokenizer.decode(ids, skip_special_tokens=True))
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def encode_request(self, instruction: str, input: str = "", field: str = "instruction") -> list[int]:
        """Return the ids of a request, normalized like the training data.

        Args:
            instruction: Of the request.
            input: Text that the instruction refers to; may be empty.
            field: Of the instruction, for the error.

        Raises:
            RequestRejected: If the prompt leaves no room for an answer.
        """
        return self.encode_conversation(Conversation(normalize(instruction), input=normalize(input)), field)

    def encode_conversation(self, conversation: Conversation, field: str = "messages") -> list[int]:
        """Return the ids of a conversation, and of the beginning of its answer.

        Args:
            conversation: Its messages.
            field: Of the request, for the error.

        Raises:
            RequestRejected: If the prompt leaves no room for an answer.
        """
        request, input = self._split_request(conversation)
        texts = (request, input, conversation.system, conversation.prefill, *(t.content for t in conversation.turns))
        self.check_characters(sum(map(len, texts)), field)
        segments = self._renderer.render_prompt(request, input, system=conversation.system, turns=conversation.turns)
        prompt = encode_prompt(self.tokenizer, segments)
        if conversation.prefill:
            answer = self._renderer.render_answer(conversation.prefill)
            prompt += encode_part(
                self.tokenizer, get_text_encoder(self.tokenizer).split_segments([*segments, answer])[-1]
            )
        self._check_length(len(prompt) + 1, field)
        return prompt

    def encode_plain(self, text: str, field: str = "prompt") -> list[int]:
        """Return the ids of a text that no template surrounds, after the begin token.

        Raises:
            RequestRejected: If the text is longer than the context.
        """
        self.check_characters(len(text), field)
        return [*self.encoder.begin_ids, *self.encoder.encode_text(text)] or self.encoder.start_ids

    def limit_new_tokens(self, count: int | None, prompt_tokens: int, field: str) -> int:
        """Return the number of tokens that an answer may have.

        Args:
            count: Of the request; None: the packaged maximum, or less where the context ends.
            prompt_tokens: Tokens of the prompt.
            field: Name of the count in the request.

        Raises:
            RequestRejected: If the count is above the packaged maximum.
        """
        limit = self.manifest.max_new_tokens
        if count is not None and count > limit:
            raise RequestRejected(
                field,
                _("must be from 1 to {limit}, the maximum of this model (got {count})", limit=limit, count=count),
            )
        count = limit if count is None else count
        return count if self.context_length is None else min(count, self.context_length - prompt_tokens)

    def check_context(self, tokens: int, field: str) -> None:
        """Raise an error if prompt and answer are longer than the context.

        Args:
            tokens: Of prompt and answer.
            field: Of the request, for the error.
        """
        self._check_length(tokens, field)

    def _split_request(self, conversation: Conversation) -> tuple[str, str]:
        """Return instruction and input, as the packaged chat template reads them."""
        if conversation.input is not None:
            return conversation.request, conversation.input
        if self._splits_input and "\n\n" in conversation.request:
            instruction, _separator, input = conversation.request.partition("\n\n")
            return instruction.strip(), input.strip()
        return conversation.request, ""

    def _check_length(self, tokens: int, field: str) -> None:
        if self.context_length is not None and tokens > self.context_length:
            raise RequestRejected(
                field,
                ngettext(
                    "{words}: the request has {count:,} token, but the model's context has only {limit:,}; shorten the"
                    " prompt or the answer",
                    "{words}: the request has {count:,} tokens, but the model's context has only {limit:,}; shorten the"
                    " prompt or the answer",
                    tokens,
                    words=_OVERFLOW_WORDS,
                    limit=self.context_length,
                ),
                "context_length_exceeded",
            )

    def check_characters(self, count: int, field: str) -> None:
        """Reject a text that cannot fit, without tokenizing it: that would block the server for seconds.

        No token is longer than _longest_token characters.

        Args:
            count: Characters of the text.
            field: Of the request, for the error.

        Raises:
            RequestRejected: If the text cannot fit into the context.
        """
        if self.context_length is not None and count > self.context_length * self._longest_token:
            raise RequestRejected(
                field,
                _(
                    "{words}: the request has {count:,} characters, too many for the model's context of {limit:,} tokens;"
                    " shorten it",
                    words=_OVERFLOW_WORDS,
                    count=count,
                    limit=self.context_length,
                ),
                "context_length_exceeded",
            )
