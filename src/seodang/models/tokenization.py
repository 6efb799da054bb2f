"""Convert records to token ids. User text never becomes a control token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from transformers import PreTrainedTokenizerBase

from seodang.config import PromptFormat
from seodang.errors import ModelError
from seodang.i18n import _
from seodang.models.text_encoder import get_text_encoder
from seodang.prompting import PROMPT_TEMPLATES, Renderer, Segment, build_template_error
from seodang.records import Record

REPLACEMENT: Final = "\ufffd"
"""What a decoder writes for bytes that are no character."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Token ids of a record. Training uses `training.dataset.TokenizedExample`, which also has the labels."""

    prompt: list[int]
    completion: list[int]
    """The answer and the end token."""


def encode_text(tokenizer: PreTrainedTokenizerBase, text: str, *, control: bool = False) -> list[int]:
    """Return the ids of a text, without begin or end token.

    Args:
        tokenizer: Tokenizer of the model.
        text: Any text; lone surrogates become "?".
        control: Whether markers such as <end_of_turn> become control tokens.
    """
    return get_text_encoder(tokenizer).encode(text, control=control)


def encode_prompt(
    tokenizer: PreTrainedTokenizerBase, segments: Sequence[Segment], *, continues: bool = False
) -> list[int]:
    """Return the ids of a rendered prompt, with the begin token if the tokenizer adds one.

    Args:
        tokenizer: Tokenizer of the model.
        segments: The rendered prompt.
        continues: Whether other text stands directly before it, such as few-shot examples.
    """
    start = [] if segments[0].control else get_begin_ids(tokenizer)
    return start + [
        token
        for part in get_text_encoder(tokenizer).split_segments(segments, continues=continues)
        for token in encode_part(tokenizer, part)
    ]


def encode_part(tokenizer: PreTrainedTokenizerBase, part: Segment) -> list[int]:
    """Return the ids of a part that `TextEncoder.split_segments` returned."""
    return get_text_encoder(tokenizer).encode(part.text, control=part.control, continues=part.continues)


def build_loss_mask(segment: Segment, ids: Sequence[int], end_id: int) -> list[bool]:
    """Return the loss mask of a segment: True for label tokens.

    Args:
        segment: Segment of a rendered example.
        ids: Token ids of the segment.
        end_id: Token that ends an answer; in a control segment after an answer only this token is a label.
    """
    if not segment.control:
        return [segment.is_label] * len(ids)
    end_position = ids.index(end_id) if segment.is_label and end_id in ids else None
    return [position == end_position for position in range(len(ids))]


def drop_replacements(text: str) -> str:
    """Return a decoded text without U+FFFD, which decoders write for bytes that are no character."""
    return text.replace(REPLACEMENT, "")


def get_begin_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return [bos] if the tokenizer begins every text with it, else []."""
    ids: list[int] = tokenizer("a")["input_ids"]
    bos = tokenizer.bos_token_id
    return [bos] if bos is not None and ids[0] == bos else []


def get_end_id(tokenizer: PreTrainedTokenizerBase, format: PromptFormat) -> int:
    """Return the id of the token that ends an answer.

    A chat template may end its turns with a special token (<end_of_turn>);
    text formats end with the end-of-sequence token.

    Raises:
        ModelError: If the tokenizer has no end token: the tuned model would never stop.
    """
    if PROMPT_TEMPLATES[format].needs_tokenizer and (turn_end := _find_turn_end(tokenizer)) is not None:
        return turn_end
    if tokenizer.eos_token_id is None:
        raise ModelError(
            _(
                "the tokenizer {name} has no end token; set eos_token in its tokenizer_config.json",
                name=tokenizer.name_or_path,
            )
        )
    return int(tokenizer.eos_token_id)


def get_pad_id(tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the id that fills short rows. It is never a label, so a tokenizer without a pad token uses id 0."""
    return int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0)


def _find_turn_end(tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Return the first control token that the chat template writes after an answer, or None."""
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "\ue000"}]
    try:
        rendered = str(tokenizer.apply_chat_template(turns, tokenize=False))
    except Exception as error:  # a template raises errors of any class
        raise build_template_error(("user", "assistant"), error) from error
    suffix_ids = encode_text(tokenizer, rendered.partition("\ue000")[2], control=True)
    special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
    return next((token for token in suffix_ids if token in special), None)


def tokenize_record(
    tokenizer: PreTrainedTokenizerBase, record: Record, format: PromptFormat, *, continues: bool = False
) -> Tokens:
    """Return the prompt and completion ids of a record; its earlier conversation is part of the prompt.

    Args:
        tokenizer: Tokenizer of the model.
        record: The record.
        format: Name of the prompt template.
        continues: Whether other text stands directly before the prompt.
    """
    renderer = Renderer(format, tokenizer)
    return _tokenize_segments(
        tokenizer, renderer.render_record(record), renderer.render_answer(record.output), format, continues=continues
    )


def _tokenize_segments(
    tokenizer: PreTrainedTokenizerBase,
    segments: Sequence[Segment],
    answer: Segment,
    format: PromptFormat,
    *,
    continues: bool = False,
) -> Tokens:
    answer_part = get_text_encoder(tokenizer).split_segments([*segments, answer])[-1]
    return Tokens(
        prompt=encode_prompt(tokenizer, segments, continues=continues),
        completion=[*encode_part(tokenizer, answer_part), get_end_id(tokenizer, format)],
    )


def decode_answer(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int], stop_ids: Sequence[int]) -> str:
    """Return the text of an answer, without the token that ends it."""
    kept = ids[:-1] if ids and ids[-1] in stop_ids else ids
    return str(tokenizer.decode(list(kept), skip_special_tokens=True))
