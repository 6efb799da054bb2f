"""Many texts to token ids, just as one by one and several times as fast: what recurs is tokenised once.

A text is cut at its blanks, and each word is looked up. A new word is cut behind its letters, and each piece looked up
again: "film," and "film!" share one. That gives the ids of the whole text only where the tokenizer itself never joins
what stands on the two sides of the cut, which `cuts_of` tells; other texts are tokenised whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice, repeat

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer
from tokenizers.normalizers import ByteLevel
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from seodang.models.tokenization import encode_text
from seodang.prompting import whole_characters
from seodang.training.fast_encoding_cuts import BEHIND, RUN, Cuts, cuts_of
from seodang.training.ragged import Numbers, Sequences, offsets_of

_A_RUN = " a"
_GROUP = 256  # words encoded as one text: a call for each costs more than its tokens
# Bounds of what is remembered, some 100 MB; beyond them everything is forgotten at once.
_MOST_WORDS = 400_000
_MOST_TOKENS = 4_000_000


class BatchEncoder:
    """Encodes texts as encode_text does, many at a time."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Look at the tokenizer's parts; it must not be changed afterwards."""
        self._tokenizer = tokenizer
        self._cuts = cuts_of(tokenizer.backend_tokenizer) if isinstance(tokenizer, PreTrainedTokenizerFast) else None
        self._forget()

    def encode(self, texts: Sequence[str]) -> Sequences:
        """Return the ids of each text, without begin or end token; markers in it are plain text."""
        try:
            column = pa.array(texts, pa.large_string())
        except UnicodeEncodeError:
            return self.encode([whole_characters(text) for text in texts])
        if self._cuts is None or not texts:
            return self._encode_whole(texts)
        if self._words.is_full():
            self._forget()
        try:
            numbers, counts, order = self._cut(column, self._cuts)
            self._learn(self._cuts)
        except BaseException:
            self._forget()  # else numbers would stand for nothing
            raise
        return self._words.known.take(numbers).joined(counts).take(order)

    def _forget(self) -> None:
        self._words, self._runs, self._rests = _Table(), _Table(), _Table()

    def _cut(self, texts: pa.LargeStringArray, cuts: Cuts) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return the numbers of all words, how many words each text has, and where each of `texts` stands among these texts."""
        rare = pc.match_substring_regex(texts, cuts.joined)  # Arrow's patterns can't look back
        numbers, counts = _words_of(texts.filter(pc.invert(rare)), self._words.numbers)
        parts = [cuts.blank.split(text) for text in texts.filter(rare).to_pylist()]
        others = self._words.numbers_of([word if place == 0 else f" {word}" for words in parts for place, word in enumerate(words)])
        order = _places(~rare.to_numpy(zero_copy_only=False))
        return np.concatenate([numbers, others]), np.concatenate([counts, np.array(list(map(len, parts)), np.int64)]), order

    def _learn(self, cuts: Cuts) -> None:
        """Tokenise the words that were not known yet, each as a run, if it begins with one, and the rest of it."""
        words = self._words.new()
        begins = map(RUN.match, words) if cuts.behind_runs else repeat(None, len(words))
        runs = ["" if begin is None else begin[0] for begin in begins]
        rests = [word[len(run) :] for word, run in zip(words, runs, strict=True)]
        pieces = np.stack([self._runs.numbers_of(runs), self._rests.numbers_of(rests)], axis=1)
        self._runs.add(self._encode_runs(self._runs.new()))
        self._rests.add(self._encode_rests(self._rests.new(), cuts))
        pieces[:, 1] += len(self._runs)
        known = Sequences.all_of([self._runs.known, self._rests.known])
        self._words.add(known.take(pieces.ravel()).joined(np.full(len(words), 2)))

    def _encode_rests(self, rests: Sequence[str], cuts: Cuts) -> Sequences:
        """Encode words and what follows a run: side by side what begins and ends at a cut, else alone."""
        encoders = {"inner": self._encode_grouped, "behind": self._encode_behind, "alone": self._encode_whole}
        kinds = ["alone" if rest[-1:] in cuts.joining else "inner" if rest[:1] == " " else "behind" if cuts.behind_runs and BEHIND.match(rest) else "alone" for rest in rests]
        encoded = [encode([rest for rest, found in zip(rests, kinds, strict=True) if found == kind]) for kind, encode in encoders.items()]
        order = np.argsort(np.array([list(encoders).index(kind) for kind in kinds], np.int64), kind="stable")
        return Sequences.all_of(encoded).take(np.argsort(order))

    def _encode_runs(self, runs: Sequence[str]) -> Sequences:
        """Encode pieces that the pre-tokenizer would leave as they are: without it."""
        model, in_bytes = self._backend().model, ByteLevel()
        separator = in_bytes.normalize_str("\n")
        written = in_bytes.normalize_str("\n".join(runs)).split(separator) if runs else []
        return Sequences.of([token.id for token in model.tokenize(run)] for run in written)

    def _encode_grouped(self, texts: Sequence[str]) -> Sequences:
        groups = [texts[start : start + _GROUP] for start in range(0, len(texts), _GROUP)]
        encodings = self._backend().encode_batch(["".join(group) for group in groups], add_special_tokens=False)
        return Sequences.all_of(list(map(_divided, groups, encodings)))

    def _encode_behind(self, texts: Sequence[str]) -> Sequences:
        """Encode texts that stand behind a run, each behind one."""
        found = self._encode_grouped([part for text in texts for part in (_A_RUN, text)])
        return found.take(np.arange(1, 2 * len(texts), 2))

    def _encode_whole(self, texts: Sequence[str]) -> Sequences:
        if not isinstance(self._tokenizer, PreTrainedTokenizerFast):
            return Sequences.of(encode_text(self._tokenizer, text) for text in texts)
        return Sequences.of(encoding.ids for encoding in self._backend().encode_batch_fast(texts, add_special_tokens=False))

    def _backend(self) -> Tokenizer:
        """Return the Rust tokenizer with the settings of encode_text; other calls may have set it otherwise since."""
        backend: Tokenizer = self._tokenizer.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        backend.encode_special_tokens = True
        return backend


class _Table:
    """Texts met so far, and the ids of each."""

    def __init__(self) -> None:
        self.numbers: Numbers[str] = Numbers()
        self.known = Sequences.of([])

    def __len__(self) -> int:
        return len(self.numbers)

    def numbers_of(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return the number of each."""
        return np.fromiter(map(self.numbers.__getitem__, texts), np.int64, len(texts))

    def is_full(self) -> bool:
        """Return whether it is time to forget."""
        return len(self.numbers) > _MOST_WORDS or len(self.known.ids) > _MOST_TOKENS

    def new(self) -> list[str]:
        """Return the texts that have a number but no ids yet."""
        return list(islice(self.numbers, len(self.known.offsets) - 1, None))

    def add(self, encoded: Sequences) -> None:
        """Take the ids of what `new` returned."""
        self.known = Sequences.all_of([self.known, encoded])


def _words_of(texts: pa.LargeStringArray, numbers: Numbers[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of all words, each with the blank before it, and how many words each text has."""
    divided = pc.split_pattern(texts, " ")
    words = divided.flatten().dictionary_encode()
    offsets = divided.offsets.to_numpy().astype(np.int64)
    distinct, places = words.dictionary.to_pylist(), words.indices.to_numpy().astype(np.int64)
    places[offsets[:-1]] += len(distinct)  # the first word of a text has no blank before it
    met = np.flatnonzero(np.bincount(places, minlength=2 * len(distinct)))
    found = np.zeros(2 * len(distinct), np.int64)
    found[met] = [numbers[f" {distinct[place]}" if place < len(distinct) else distinct[place - len(distinct)]] for place in met.tolist()]
    return found[places], np.diff(offsets)


def _places(first: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return where each element stands once those for which `first` holds are put before the others."""
    return np.where(first, np.cumsum(first) - 1, int(first.sum()) + np.cumsum(~first) - 1)


def _divided(group: Sequence[str], encoding: Encoding) -> Sequences:
    """Return the ids of each text of a group that was encoded as one."""
    starts = offsets_of(np.fromiter(map(len, group), np.int64, len(group)))[:-1]
    begins = np.fromiter(chain.from_iterable(encoding.offsets), np.int64, 2 * len(encoding))[::2]
    counts = np.bincount(np.searchsorted(starts, begins, side="right") - 1, minlength=len(group))
    return Sequences(np.array(encoding.ids, np.int32), offsets_of(counts))
