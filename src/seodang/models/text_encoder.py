"""Encode texts with one tokenizer: user text as plain text, and each part of a prompt as in the complete text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from weakref import WeakKeyDictionary

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from seodang.models.plain_backend import create_plain_backend
from seodang.models.prompt_parts import LayoutPart, PartBuilder, fill_layout, find_layout
from seodang.prompting import Segment
from seodang.prompting.bounded_cache import BoundedCache
from seodang.records import replace_surrogates

# Begins a text that is encoded as the continuation of another one. It is for private use, so it merges with nothing.
_ANCHOR: Final = "\ue000"
# First characters of tokens that stand for a blank: SentencePiece and byte-level BPE.
_BLANKS: Final = ("▁", "Ġ")
# Added tokens in brackets control a model, even if they are not marked as special: <think>, [TOOL_CALLS], <|fim|>.
_BRACKETED: Final = re.compile(r"[<\[{｟].*[^\W\d_].*[>\]}｠]", re.DOTALL)

# The text that a chat template writes depends on roles and tools, which clients choose.
_MAX_CACHED: Final = 256
_MAX_CACHED_CHARACTERS: Final = 4096


class TextEncoder:
    """Encodes texts with one tokenizer. `get_text_encoder` creates one for each tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        added_tokens = tokenizer.added_tokens_decoder.values()
        template = str(tokenizer.chat_template or "")
        unmarked_controls = {
            token.content for token in added_tokens if not token.special and _is_control(token.content, template)
        }
        self.tokenizer = tokenizer
        self.vocabulary_size = len(tokenizer)
        self._plain_backend = create_plain_backend(tokenizer, unmarked_controls)
        self._added_token_pattern = _build_pattern([token.content for token in added_tokens])
        self._stripping_tokens = {token.content for token in added_tokens if token.rstrip}
        self._control_parts: BoundedCache[tuple[str, bool], tuple[str, Segment | None, str]] = BoundedCache(_MAX_CACHED)
        self._layouts: BoundedCache[tuple[Segment | bool, ...], list[LayoutPart] | None] = BoundedCache(_MAX_CACHED)
        self.adds_blank = self._begins_with_blank(self._encode_plain("a"))
        """Whether the tokenizer adds a blank before a text, as SentencePiece does."""
        self.continues_after_token = self.adds_blank and not self._is_blank_added_after_tokens()
        """Whether text after a control token is encoded without the blank that begins a text."""
        self._anchor_ids = self.encode(_ANCHOR) if self.adds_blank else []

    def encode(self, text: str, *, control: bool = False, continues: bool = False) -> list[int]:
        """Return the ids of a text, without begin or end token.

        Args:
            text: Any text; lone surrogates become "?".
            control: Whether markers such as <end_of_turn> become control tokens.
            continues: Whether other text stands directly before it; the tokenizer then adds no blank.
        """
        text = replace_surrogates(text)
        if control:
            return self._encode_with_tokenizer(text, split_special_tokens=False)
        if continues and self.adds_blank:
            ids = self._encode_plain(_ANCHOR + text)
            return self._strip_anchor(ids, text)
        return self._encode_plain(text)

    def encode_batch(self, texts: Sequence[tuple[str, bool]]) -> list[list[int]]:
        """Return the ids of texts as plain text, equal to those of `encode`; fast tokenizers encode one batch.

        Args:
            texts: Each text, and whether it continues another one.
        """
        if not isinstance(self.tokenizer, PreTrainedTokenizerFast):
            return [self.encode(text, continues=continues) for text, continues in texts]
        backend = self._prepare_backend(self.tokenizer)
        plain = [replace_surrogates(text) for text, _ in texts]
        if not self.adds_blank:
            return [encoding.ids for encoding in backend.encode_batch_fast(plain, add_special_tokens=False)]
        anchored = [_ANCHOR + text if continues else text for text, (_, continues) in zip(plain, texts, strict=True)]
        encodings = backend.encode_batch_fast(anchored, add_special_tokens=False)
        return [
            self._strip_anchor(encoding.ids, text) if continues else encoding.ids
            for encoding, text, (_, continues) in zip(encodings, plain, texts, strict=True)
        ]

    def split_segments(self, segments: Sequence[Segment], *, continues: bool = False) -> Sequence[Segment]:
        """Return the parts of a prompt or example whose ids, joined, are those of the complete text.

        Text of a chat template and the message beside it become one part, because the tokenizer joins a blank to the
        next word. An answer stays a part of its own, with the blank before it: its tokens are the labels. The answer
        of an example follows a prompt that ends before it, as in generation.

        Args:
            segments: Segments of a prompt or an example.
            continues: Whether other text stands directly before them.
        """
        if segments[0].control:  # a chat begins with the text of its template, other formats have no control segments
            return PartBuilder(self, continues=continues).build(segments) if continues else self._split_chat(segments)
        if not self.adds_blank:
            return segments
        return [
            segment._replace(continues=True) if continues or index else segment
            for index, segment in enumerate(segments)
        ]

    def _split_chat(self, segments: Sequence[Segment]) -> Sequence[Segment]:
        """Return the parts of a chat; the layout of the first chat with the same markers serves all others."""
        if sum([len(segment.text) for segment in segments if segment.control]) > _MAX_CACHED_CHARACTERS:
            return PartBuilder(self, continues=False).build(segments)
        key = tuple([segment if segment.control else segment.is_label for segment in segments])
        layout = self._layouts.get(key, lambda: find_layout(self, segments))
        parts = None if layout is None else fill_layout(layout, segments)
        return PartBuilder(self, continues=False).build(segments) if parts is None else parts

    def split_control(self, segment: Segment) -> tuple[str, Segment | None, str]:
        """Return the text before the first control token, the part from the first to the last one, and the rest."""
        if len(segment.text) > _MAX_CACHED_CHARACTERS:
            return self._split_at_tokens(segment)
        return self._control_parts.get((segment.text, segment.is_label), lambda: self._split_at_tokens(segment))

    def has_added_token(self, text: str) -> bool:
        """Return whether another reader of a text would find an added token in it, such as a control token."""
        return self._added_token_pattern.search(text) is not None

    def _split_at_tokens(self, segment: Segment) -> tuple[str, Segment | None, str]:
        text = segment.text
        matches = list(self._added_token_pattern.finditer(text))
        if not matches:
            return text, None, ""
        start, end = matches[0].start(), matches[-1].end()
        if matches[-1].group() in self._stripping_tokens:
            end += len(text[end:]) - len(text[end:].lstrip())
        return text[:start], segment._replace(text=text[start:end]), text[end:]

    def _encode_plain(self, text: str) -> list[int]:
        if self._plain_backend is not None:
            ids: list[int] = self._plain_backend.encode(text, add_special_tokens=False).ids
            return ids
        return self._encode_with_tokenizer(text, split_special_tokens=True)

    def _encode_with_tokenizer(self, text: str, *, split_special_tokens: bool) -> list[int]:
        # verbose=False: callers check the length where it matters; the library would also warn about counted texts.
        ids: list[int] = self.tokenizer(
            text, add_special_tokens=False, split_special_tokens=split_special_tokens, verbose=False
        )["input_ids"]
        return ids

    def _prepare_backend(self, tokenizer: PreTrainedTokenizerFast) -> Tokenizer:
        if self._plain_backend is not None:
            return self._plain_backend
        backend = tokenizer.backend_tokenizer
        # Other calls may have changed these settings.
        backend.no_truncation()
        backend.no_padding()
        backend.encode_special_tokens = True
        return backend

    def _strip_anchor(self, ids: list[int], text: str) -> list[int]:
        count = len(self._anchor_ids)
        return ids[count:] if ids[:count] == self._anchor_ids else self._encode_plain(text)

    def _begins_with_blank(self, ids: list[int]) -> bool:
        return bool(ids) and str(self.tokenizer.convert_ids_to_tokens(ids[0])).startswith(_BLANKS)

    def _is_blank_added_after_tokens(self) -> bool:
        token = next((token.content for token in self.tokenizer.added_tokens_decoder.values() if token.special), None)
        return token is not None and self._begins_with_blank(self.encode(f"{token}a", control=True)[1:])


_encoders: WeakKeyDictionary[PreTrainedTokenizerBase, TextEncoder] = WeakKeyDictionary()


def get_text_encoder(tokenizer: PreTrainedTokenizerBase) -> TextEncoder:
    """Return the encoder of a tokenizer; a tokenizer that got more tokens gets a new encoder."""
    encoder = _encoders.get(tokenizer)
    if encoder is None or encoder.vocabulary_size != len(tokenizer):
        encoder = _encoders[tokenizer] = TextEncoder(tokenizer)
    return encoder


def _is_control(token: str, template: str) -> bool:
    """Return whether an added token that is not marked as special controls the model.

    Added words, as in a vocabulary for another language, and runs of blanks are content.
    """
    return bool(_BRACKETED.fullmatch(token)) or (bool(re.search(r"[^\w\s▁]", token)) and token in template)


def _build_pattern(tokens: Sequence[str]) -> re.Pattern[str]:
    longest_first = sorted(tokens, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or "(?!)")  # (?!) matches nothing
