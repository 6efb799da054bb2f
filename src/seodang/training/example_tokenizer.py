"""Tokenization of training records: ids and loss mask, one record or many at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerBase

from seodang.config import PromptFormat
from seodang.models.text_encoder import get_text_encoder
from seodang.models.tokenization import build_loss_mask, encode_part, encode_text, get_begin_ids, get_end_id
from seodang.prompting import Renderer, Segment
from seodang.records import Record
from seodang.training.ragged import IndexMap, Sequences, compute_offsets

_BEGIN, _END = -1, -2  # indices of the fixed sequences: begin tokens, end token


@dataclass(frozen=True, slots=True)
class TokenizedExample:
    """One tokenized record."""

    ids: NDArray[np.int32]  # (T,)
    loss_mask: NDArray[np.bool_]  # (T,): whether the token is a label; the first token never is, as nothing predicts it


def tokenize_example(tokenizer: PreTrainedTokenizerBase, record: Record, format: PromptFormat) -> TokenizedExample:
    """Return one record as `write_tokenized_dataset` stores it, tokenized by itself."""
    segments, eos_token_id = Renderer(format, tokenizer).render_example(record), get_end_id(tokenizer, format)
    ids = [] if segments[0].control else get_begin_ids(tokenizer)
    loss_mask = [False] * len(ids)
    for part in get_text_encoder(tokenizer).split_segments(segments):
        token_ids = encode_part(tokenizer, part)
        ids += token_ids
        loss_mask += build_loss_mask(part, token_ids, eos_token_id)
    example = TokenizedExample(
        np.array([*ids, eos_token_id], np.int32), np.array([*loss_mask, segments[-1].is_label], np.bool_)
    )
    example.loss_mask[0] = False
    return example


@dataclass(frozen=True, slots=True)
class TokenizedChunk:
    """Some thousands of examples, one after another."""

    tokens: Sequences
    loss_mask: NDArray[np.bool_]  # (tokens,)

    def count_labels(self) -> NDArray[np.int64]:
        """Return the number of label tokens of each example."""
        return np.add.reduceat(self.loss_mask, self.tokens.offsets[:-1], dtype=np.int64)

    def select(self, keep: NDArray[np.bool_]) -> TokenizedChunk:
        """Return the examples that are kept."""
        lengths = self.tokens.lengths
        token_mask = np.repeat(keep, lengths)
        return TokenizedChunk(
            Sequences(self.tokens.ids[token_mask], compute_offsets(lengths[keep])), self.loss_mask[token_mask]
        )


class BatchTokenizer:
    """Tokenizes many records at a time, with the same result as `tokenize_example` of each."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, format: PromptFormat) -> None:
        self._tokenizer = tokenizer
        self._encoder = get_text_encoder(tokenizer)
        self._renderer = Renderer(format, tokenizer)
        self._eos_token_id = get_end_id(tokenizer, format)
        # Sequences that recur in nearly every record: begin, end, and the parts of the chat template's markers.
        self._fixed_sequences: list[list[int]] = [get_begin_ids(tokenizer), [self._eos_token_id]]
        self._controls: dict[Segment, tuple[list[int], list[bool]]] = {}

    def tokenize(self, records: Sequence[Record]) -> TokenizedChunk:
        """Return the examples of records, in order."""
        texts: IndexMap[tuple[str, bool]] = IndexMap()
        indices: list[int] = []
        part_mask: list[bool] = []
        ends: list[int] = []
        for record in records:
            segments = self._renderer.render_example(record)
            if not segments[0].control:
                indices.append(_BEGIN)
                part_mask.append(False)
            for part in self._encoder.split_segments(segments):
                if part.control:
                    fixed_indices, flags = self._split_control_segment(part)
                    indices += fixed_indices
                    part_mask += flags
                else:
                    indices.append(texts[part.text, part.continues])
                    part_mask.append(part.is_label)
            indices.append(_END)
            part_mask.append(segments[-1].is_label)
            ends.append(len(indices))
        return self._assemble(
            list(texts), np.array(indices, np.int64), np.array(part_mask, np.bool_), np.diff(ends, prepend=0)
        )

    def _split_control_segment(self, segment: Segment) -> tuple[list[int], list[bool]]:
        """Return the indices of the fixed sequences that make up a control segment, and whether each has labels."""
        if segment not in self._controls:
            ids = encode_text(self._tokenizer, segment.text, control=True)
            runs = groupby(zip(build_loss_mask(segment, ids, self._eos_token_id), ids, strict=True), key=itemgetter(0))
            parts = [(self._add_fixed_sequence([token for _, token in run]), flag) for flag, run in runs]
            self._controls[segment] = [index for index, _ in parts], [flag for _, flag in parts]
        return self._controls[segment]

    def _add_fixed_sequence(self, ids: list[int]) -> int:
        """Return the index of a new fixed sequence: negative, counted from the end."""
        self._fixed_sequences.append(ids)
        return -len(self._fixed_sequences)

    def _assemble(
        self,
        texts: list[tuple[str, bool]],
        indices: NDArray[np.int64],
        part_mask: NDArray[np.bool_],
        parts: NDArray[np.int64],
    ) -> TokenizedChunk:
        sequences = Sequences.from_lists([*self._encoder.encode_batch(texts), *reversed(self._fixed_sequences)])
        pieces = sequences.take(np.where(indices < 0, indices + len(texts) + len(self._fixed_sequences), indices))
        loss_mask = np.repeat(part_mask, pieces.lengths)
        tokens = pieces.join(parts)
        loss_mask[tokens.offsets[:-1]] = False
        return TokenizedChunk(tokens, loss_mask)
