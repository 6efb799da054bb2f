"""Many texts to token ids, just as one by one and several times as fast: a word that recurs is tokenised once.

A text is cut at its blanks, and each word is looked up. That gives the ids of the whole text only where the
tokenizer itself never joins what stands on the two sides of the cut. `_joining` tells from the tokenizer's parts
where that is so; texts and tokenizers of which it isn't sure are tokenised whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

from seodang.modeling.tokenizing import encode_text
from seodang.prompting import whole_characters

_CUT = re.compile(r"\S[ ▁]")
# A tokenizer that joins the blank to so many different characters is not worth cutting for.
_MOST_JOINED = 64
_GROUP = 256  # words encoded as one text: a call for each costs more than its tokens
# Bounds of what is remembered, some 100 MB; beyond them everything is forgotten at once.
_MOST_WORDS = 400_000
_MOST_TOKENS = 4_000_000

# No match of these patterns holds a blank after another character, and none looks back.
_LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_QWEN35 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_CUTTING_PATTERNS = frozenset({_LLAMA3, _QWEN2, _QWEN35})


@dataclass(frozen=True, slots=True)
class Sequences:
    """Token sequences of various lengths, one after the other."""

    ids: NDArray[np.int32]  # (tokens,)
    offsets: NDArray[np.int64]  # (sequences + 1,): where each begins; the last is the number of tokens

    @classmethod
    def of(cls, lists: Iterable[Sequence[int]]) -> Self:
        """Return the lists as one."""
        kept = list(lists)
        lengths = np.fromiter(map(len, kept), np.int64, len(kept))
        return cls(np.fromiter(chain.from_iterable(kept), np.int32, int(lengths.sum())), offsets_of(lengths))

    @classmethod
    def all_of(cls, parts: Sequence[Sequences]) -> Self:
        """Return the sequences of all parts."""
        lengths = [part.lengths for part in parts]
        return cls(np.concatenate([np.zeros(0, np.int32), *(part.ids for part in parts)]), offsets_of(np.concatenate([np.zeros(0, np.int64), *lengths])))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each, shape (sequences,)."""
        return np.diff(self.offsets)

    def take(self, numbers: NDArray[np.int64]) -> Sequences:
        """Return the sequences of these numbers, in their order."""
        lengths = self.lengths[numbers]
        offsets = offsets_of(lengths)
        places = np.repeat(self.offsets[numbers] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Sequences(self.ids[places], offsets)

    def joined(self, counts: NDArray[np.int64]) -> Sequences:
        """Return the first counts[0] as one sequence, the next counts[1] as one, and so on."""
        return Sequences(self.ids, self.offsets[offsets_of(counts)])


def offsets_of(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each of parts of these lengths begins, and where the last ends."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


Key = TypeVar("Key")


class Numbers(dict[Key, int]):
    """Numbers its keys from 0 in the order in which they are first asked for."""

    def __missing__(self, key: Key) -> int:
        number = self[key] = len(self)
        return number


class BatchEncoder:
    """Encodes texts as encode_text does, many at a time."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        """Look at the tokenizer's parts; it must not be changed afterwards."""
        self._tokenizer = tokenizer
        joining = _joining(tokenizer.backend_tokenizer) if isinstance(tokenizer, PreTrainedTokenizerFast) else None
        self._words = None if joining is None else _Words(joining)

    def encode(self, texts: Sequence[str]) -> Sequences:
        """Return the ids of each text, without begin or end token; markers in it are plain text."""
        texts = [whole_characters(text) for text in texts]
        if self._words is None:
            return self._encode_whole(texts)
        if self._words.is_full():
            self._words.forget()
        numbers, counts = self._words.numbers_of(texts)
        self._learn(self._words)
        whole = self._words.must_stay_whole(numbers, counts)
        cut = self._words.known.take(numbers[~np.repeat(whole, counts)]).joined(counts[~whole])
        uncut = self._encode_whole([text for text, flag in zip(texts, whole.tolist(), strict=True) if flag])
        return Sequences.all_of([uncut, cut]).take(_places(whole))

    def _learn(self, words: _Words) -> None:
        """Tokenise the words that were not known yet."""
        try:
            apart, inner = words.new()
            alone = self._encode_whole(apart)
            groups = [inner[start : start + _GROUP] for start in range(0, len(inner), _GROUP)]
            encodings = self._backend().encode_batch(["".join(group) for group in groups], add_special_tokens=False)
            words.add(Sequences.all_of([alone, *map(_divided, groups, encodings)]))
        except BaseException:
            words.forget()  # else numbers would stand for nothing
            raise

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


class _Words:
    """The words met so far, and the ids of each.

    A word stands for itself with the blank before it; the first word of a text, which has none, is kept as a tuple.
    """

    def __init__(self, joining: frozenset[str]) -> None:
        """Take the characters, besides blanks, to which a blank that follows may be joined."""
        # SentencePiece writes a blank as "▁", so a "▁" in the text counts as one too.
        self._joining = joining | {"▁"}
        self.forget()

    def forget(self) -> None:
        """Begin anew."""
        self._numbers: Numbers[str | tuple[str]] = Numbers()
        self._open = np.zeros(0, np.bool_)  # of each: whether a blank behind the word may be joined to it
        self._apart = np.zeros(0, np.bool_)  # of those that `new` returned last
        self.known = Sequences.of([])

    def is_full(self) -> bool:
        """Return whether it is time to forget."""
        return len(self._numbers) > _MOST_WORDS or len(self.known.ids) > _MOST_TOKENS

    def numbers_of(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the numbers of all words, and how many words each text has."""
        words: list[str | tuple[str]] = []
        counts: list[int] = []
        for text in texts:
            found: list[str | tuple[str]] = [*text.split(" ")]
            found[0] = (text[: len(found[0])],)
            words += found
            counts.append(len(found))
        return np.fromiter(map(self._numbers.__getitem__, words), np.int64, len(words)), np.array(counts, np.int64)

    def new(self) -> tuple[list[str], list[str]]:
        """Return what to tokenise: the new words that must stand alone, and those that may stand side by side."""
        new = list(islice(self._numbers, len(self._open), None))
        opened = np.fromiter(map(self._is_open, new), np.bool_, len(new))
        self._open = np.concatenate([self._open, opened])
        self._apart = opened | np.fromiter((isinstance(word, tuple) for word in new), np.bool_, len(new))
        apart: list[str] = []
        inner: list[str] = []
        for word, alone in zip(new, self._apart.tolist(), strict=True):
            (apart if alone else inner).append(word[0] if isinstance(word, tuple) else f" {word}")
        return apart, inner

    def add(self, encoded: Sequences) -> None:
        """Take the ids of what `new` returned, in that order."""
        self.known = Sequences.all_of([self.known, encoded.take(_places(self._apart))])

    def must_stay_whole(self, numbers: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return of each text whether a blank in it may be joined to what stands before it."""
        opened = self._open[numbers]
        opened[np.cumsum(counts) - 1] = False  # no blank follows the last
        return np.add.reduceat(opened, np.cumsum(counts) - counts, dtype=np.int64) > 0 if len(counts) else np.zeros(0, np.bool_)

    def _is_open(self, word: str | tuple[str]) -> bool:
        if isinstance(word, tuple):
            return word[0] != "" and self._is_open(word[0])  # a text may well begin with a blank
        return word == "" or word[-1].isspace() or word[-1] in self._joining


def _places(first: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return where each element stands once those for which `first` holds are put before the others."""
    return np.where(first, np.cumsum(first) - 1, int(first.sum()) + np.cumsum(~first) - 1)


def _divided(group: Sequence[str], encoding: Encoding) -> Sequences:
    """Return the ids of each text of a group that was encoded as one."""
    starts = offsets_of(np.fromiter(map(len, group), np.int64, len(group)))[:-1]
    begins = np.fromiter((begin for begin, _ in encoding.offsets), np.int64, len(encoding))
    counts = np.bincount(np.searchsorted(starts, begins, side="right") - 1, minlength=len(group))
    return Sequences(np.array(encoding.ids, np.int32), offsets_of(counts))


def _joining(backend: Tokenizer) -> frozenset[str] | None:
    """Return the characters to which the tokenizer may join a blank that follows; None if texts must stay whole.

    Byte-pair encoding merges within what the pre-tokenizer cut, and into tokens of its vocabulary only. So a cut is
    the tokenizer's own if the pre-tokenizer cuts there too, or if no token spans it.
    """
    model = backend.model
    if not isinstance(model, BPE) or model.dropout or model.continuing_subword_prefix or model.end_of_word_suffix:
        return None
    added = backend.get_added_tokens_decoder().values()
    if any(token.lstrip or token.rstrip or token.single_word for token in added):
        return None
    spanning = _spanning(token.content for token in added)
    normalizers, steps = _parts(backend.normalizer, "normalizers"), _parts(backend.pre_tokenizer, "pretokenizers")
    if normalizers == [{"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]:
        # Nothing is left to a step that cuts at blanks, so all depends on the vocabulary.
        vocabulary = backend.get_vocab()
        if "▁" not in vocabulary or any(step["type"] != "Split" or step["pattern"] != {"String": " "} for step in steps):
            return None
        spanning |= _spanning(token for token in vocabulary if "▁" in token[1:])
    elif normalizers not in ([], [{"type": "NFC"}]) or not _cuts_at_blanks(steps):
        return None
    return spanning if len(spanning) <= _MOST_JOINED else None


def _spanning(tokens: Iterable[str]) -> frozenset[str]:
    """Return the characters after which a blank stands in any of the tokens."""
    return frozenset(found[0] for token in tokens for found in _CUT.findall(token))


def _parts(part: Any, several: str) -> list[dict[str, Any]]:  # noqa: ANN401 - the Rust library's classes have no common type
    """Return the settings of a normalizer or pre-tokenizer, of each in turn if it is a sequence."""
    if part is None:
        return []
    settings: dict[str, Any] = json.loads(part.__getstate__())
    return list(settings[several]) if settings["type"] == "Sequence" else [settings]


def _cuts_at_blanks(steps: list[dict[str, Any]]) -> bool:
    """Return whether pre-tokenizers cut wherever a blank follows something else, and each part by itself."""
    kinds = [step["type"] for step in steps]
    if not set(kinds) <= {"Digits", "Split", "ByteLevel"} or any(step["type"] == "ByteLevel" and step["add_prefix_space"] for step in steps):
        return False
    if any(step["type"] == "Split" and not _is_known(step) for step in steps):
        return False
    first = next((step for step in steps if step["type"] != "Digits"), None)  # of those after it none sees over a cut
    return first is not None and (first["type"] == "Split" or first["use_regex"])  # ByteLevel's own is GPT-2's pattern


def _is_known(split: dict[str, Any]) -> bool:
    return split["pattern"].get("Regex") in _CUTTING_PATTERNS and split["behavior"] == "Isolated" and not split["invert"]
