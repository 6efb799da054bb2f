"""Define the prompt templates. A model is tuned, evaluated and served with the same template.

The weights of a packaged model depend on its prompts, so the texts of a published template never change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from seodang.config import PromptFormat

__all__ = ["PROMPT_TEMPLATES", "PromptTemplate", "TemplateTexts"]

# Texts of Alpaca: README of tatsu-lab/stanford_alpaca, "Data Release".
_ALPACA_HEADER: Final = (
    "Below is an instruction that describes a task{pairing}."
    " Write a response that appropriately completes the request.\n\n"
)
_ALPACA_INPUT_HEADER: Final = _ALPACA_HEADER.format(pairing=", paired with an input that provides further context")


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateTexts:
    """Texts of a prompt template. The first of a pair is for requests with an input, the second for those without."""

    headers: tuple[str, str]
    """Beginning of the prompt."""
    requests: tuple[str, str]
    """Last request, with {instruction} and {input}."""
    user: str
    """Heading of an earlier question."""
    assistant: str
    """Heading of an earlier answer."""
    tool: str
    """Heading of a tool's result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTemplate:
    """A prompt format. Every part is required, so that a new format cannot be incomplete."""

    name: PromptFormat
    texts: TemplateTexts | None
    """None: the tokenizer's chat template renders the prompt."""
    answer_prefix: str
    """Text between prompt and answer.

    It belongs to the answer, because byte-level tokenizers join a space to the next word.
    """
    few_shot_separator: str | None
    """Text between few-shot examples; None: the token that ends an answer."""

    @property
    def needs_tokenizer(self) -> bool:
        """Whether rendering needs the tokenizer, which holds the chat template."""
        return self.texts is None


_ALPACA: Final = PromptTemplate(
    name="alpaca",
    texts=TemplateTexts(
        headers=(_ALPACA_INPUT_HEADER, _ALPACA_HEADER.format(pairing="")),
        requests=(
            "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:",
            "### Instruction:\n{instruction}\n\n### Response:",
        ),
        user="### Instruction:\n",
        assistant="### Response:",
        tool="### Input:\n",
    ),
    answer_prefix="",
    few_shot_separator="\n\n",
)
# Texts of KoAlpaca: README of Beomi/KoAlpaca.
_KOALPACA: Final = PromptTemplate(
    name="koalpaca",
    texts=TemplateTexts(
        headers=("", ""),
        requests=("### 질문: {instruction}\n\n### 맥락: {input}\n\n### 답변:", "### 질문: {instruction}\n\n### 답변:"),
        user="### 질문: ",
        assistant="### 답변:",
        tool="### 맥락: ",
    ),
    answer_prefix=" ",
    few_shot_separator="\n\n",
)
_CHAT: Final = PromptTemplate(name="chat", texts=None, answer_prefix="", few_shot_separator=None)
# The bare request, for a base model that was not tuned to any format.
_PLAIN: Final = PromptTemplate(
    name="plain",
    texts=TemplateTexts(
        headers=("", ""), requests=("{instruction}\n{input}\n", "{instruction}"), user="", assistant="", tool=""
    ),
    answer_prefix=" ",
    few_shot_separator="\n\n",
)
PROMPT_TEMPLATES: Final[Mapping[PromptFormat, PromptTemplate]] = MappingProxyType(
    {template.name: template for template in (_ALPACA, _KOALPACA, _CHAT, _PLAIN)}
)
"""Every prompt template by the name that params.yaml uses."""
