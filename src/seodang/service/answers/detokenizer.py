"""Turn tokens into text as they arrive: a part of a character waits for the rest of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from seodang.models.tokenization import REPLACEMENT

_MAX_WINDOW: Final = 64  # tokens that are decoded again with each new one; only invalid bytes reach it
_MAX_INCOMPLETE: Final = 3  # bytes of a character in UTF-8 but for the last one; each token has at least one byte


class Decoder(Protocol):
    """Turns token ids into text; invalid bytes become U+FFFD."""

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of the tokens, without control tokens."""
        ...


class Detokenizer:
    """Returns the text that each token adds. The parts, joined, are the text of all tokens.

    U+FFFD at the end of a text may be the beginning of a character: a Hangul syllable has three bytes, which tokenizers
    split. It is held back, and dropped if no further token completes it. Byte-level tokenizers decode such a beginning
    as one U+FFFD. SentencePiece's byte fallback decodes it as one for each byte, with the complete characters before
    it, if these are tokens of bytes, too.
    """

    def __init__(self, decoder: Decoder, context: Sequence[int] = ()) -> None:
        """Create a detokenizer.

        Args:
            decoder: Of the model's tokenizer.
            context: Last tokens before the text; SentencePiece drops the blank of a text that has nothing before it.
                If they end inside a character, the character is the first one of the text.
        """
        self._decoder = decoder
        self._start_window([])
        for held in range(min(len(context), _MAX_INCOMPLETE + 1)):
            if self._continue(context, len(context) - held):
                return
        if context and len(context) <= _MAX_INCOMPLETE:  # nothing but the beginning of a character
            self._window = list(context)

    def _continue(self, context: Sequence[int], end: int) -> bool:
        """Start behind the first `end` tokens; return False if they do not end with a complete character."""
        for start in range(end):  # the first tokens may be the end of a character
            known = self._decoder.decode(context[start:end])
            if REPLACEMENT not in known:
                self._window, self._boundary = list(context[start:]), end - start
                text = self._decoder.decode(self._window)
                self._sent = max(known, text.rstrip(REPLACEMENT), key=len)
                return True
        return False

    def push(self, token: int) -> str:
        """Return the text that a token completes; empty while a character is incomplete."""
        self._window.append(token)
        text = self._decoder.decode(self._window)
        stable = text.rstrip(REPLACEMENT)
        is_continued = text.startswith(self._sent)
        if stable == text and not is_continued:  # bytes that are no characters, after others
            text = self._decoder.decode(self._window[self._boundary :])
            self._start_window(self._window[self._boundary :])
            return text
        added = stable[len(self._sent) :] if is_continued else ""
        self._sent += added
        if stable == text and added:
            # Tokens since the last complete character are enough context for the next ones.
            self._start_window(self._window[self._boundary :])
        elif len(self._window) > _MAX_WINDOW:
            added += self._release(text[len(self._sent) :] if is_continued else None)
        return added

    def _start_window(self, window: list[int]) -> None:
        self._window = window
        self._boundary = len(window)
        self._sent = self._decoder.decode(window) if window else ""

    def _release(self, held: str | None) -> str:
        """Return what is held back, without what may still be the beginning of a character."""
        if held is None:
            held = self._decoder.decode(self._window[self._boundary :])
        end = self._window[-_MAX_INCOMPLETE:]
        count = len(self._decoder.decode(end))
        self._start_window([])
        self._window = end
        return held[: len(held) - count]
