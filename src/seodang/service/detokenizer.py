"""Turn tokens into text as they arrive: a part of a character waits for the rest of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

_REPLACEMENT: Final = "\ufffd"  # what a decoder writes for bytes that are no character
_MAX_WINDOW: Final = 64  # tokens that are decoded again with each new one; only invalid bytes reach it
_MAX_CHARACTER_BYTES: Final = 4  # of UTF-8; each token has at least one byte


class Decoder(Protocol):
    """Turns token ids into text; invalid bytes become U+FFFD."""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of the tokens, without control tokens."""
        ...


class Detokenizer:
    """Returns the text that each token adds. The parts, joined, are the text of all tokens.

    The last U+FFFD of a text may be the beginning of a character: a Hangul syllable has three bytes, which byte-level
    tokenizers split. It is held back, and dropped if no further token completes it.
    """

    def __init__(self, decoder: Decoder, context: Sequence[int] = ()) -> None:
        """Create a detokenizer.

        Args:
            decoder: Of the model's tokenizer.
            context: Last tokens before the text; SentencePiece drops the blank of a text that has nothing before it.
        """
        self._decoder = decoder
        self._window: list[int] = []
        self._boundary = 0
        self._sent = 0
        text = decoder.decode(context) if context else ""
        if text and _REPLACEMENT not in text:
            self._window, self._boundary, self._sent = list(context), len(context), len(text)

    def push(self, token: int) -> str:
        """Return the text that a token completes; empty while a character is incomplete."""
        self._window.append(token)
        text = self._decoder.decode(self._window)
        stable = text.removesuffix(_REPLACEMENT)
        added, self._sent = stable[self._sent :], max(self._sent, len(stable))
        if stable == text and added:
            # Tokens since the last complete character are enough context for the next ones.
            self._start_window(self._window[self._boundary :])
        elif len(self._window) > _MAX_WINDOW:
            self._start_window(self._window[-_MAX_CHARACTER_BYTES:])
        return added

    def _start_window(self, window: list[int]) -> None:
        self._window = window
        self._boundary = len(window)
        self._sent = len(self._decoder.decode(window).removesuffix(_REPLACEMENT))
