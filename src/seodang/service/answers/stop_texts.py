"""Find the texts that end an answer, across the borders of its parts."""

from __future__ import annotations

from collections.abc import Sequence


class StopScanner:
    """Passes a text on up to the first stop text. A part that may begin a stop text waits for the next parts."""

    def __init__(self, stops: Sequence[str]) -> None:
        """Create a scanner.

        Args:
            stops: Texts that end the answer, none of them empty.
        """
        self._stops = tuple(stops)
        self._held = ""
        self.is_stopped = False
        """Whether a stop text was found."""
        self.passed = 0
        """Number of characters passed on."""

    def push(self, text: str) -> str:
        """Return the text that no stop text can begin in; after a stop text, nothing."""
        if self.is_stopped:
            return ""
        text = self._held + text
        positions = [position for stop in self._stops if (position := text.find(stop)) >= 0]
        if positions:
            self.is_stopped, self._held = True, ""
            return self._pass(text[: min(positions)])
        held = max((count_overlap(text, stop) for stop in self._stops), default=0)
        self._held = text[len(text) - held :]
        return self._pass(text[: len(text) - held])

    def flush(self) -> str:
        """Return the text that still waits; the answer has ended."""
        text, self._held = self._held, ""
        return self._pass(text)

    def _pass(self, text: str) -> str:
        self.passed += len(text)
        return text


def count_overlap(text: str, stop: str) -> int:
    """Return the number of characters at the end of a text that a stop text begins with."""
    longest = min(len(text), len(stop) - 1)
    return next((count for count in range(longest, 0, -1) if text.endswith(stop[:count])), 0)
