"""Parts of a chat whose ids, joined, are those of the complete text."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, NamedTuple, Protocol

from seodang.prompting import Segment

# Replaces the text of a message while a layout is found; for private use, so no chat template writes it.
_MARK: Final = "\ue002{}\ue003"


class ControlSplitter(Protocol):
    """The part of a text encoder that decides where a chat is split."""

    adds_blank: bool
    continues_after_token: bool

    def split_control(self, segment: Segment) -> tuple[str, Segment | None, str]:
        """Return the text before the first control token, the part from the first to the last one, and the rest."""
        ...


class PartBuilder:
    """Joins the text of a chat template with the messages beside it."""

    def __init__(self, encoder: ControlSplitter, *, continues: bool) -> None:
        """Create a builder for one prompt or example.

        Args:
            encoder: Finds the control tokens of a template.
            continues: Whether other text stands directly before it.
        """
        self._encoder = encoder
        self._adds_blank = encoder.adds_blank
        self._continues = continues and encoder.adds_blank
        self._text = ""
        self._parts: list[Segment] = []

    def build(self, segments: Sequence[Segment]) -> list[Segment]:
        """Return the parts of the segments."""
        last = len(segments) - 1
        for index, segment in enumerate(segments):
            if segment.control:
                self._add_control(segment)
            elif segment.is_label or index == last:
                # The prompt of the last answer ends before it, so it keeps its blank.
                self._add_answer(segment, takes_blank=index < last)
            else:
                self._text += segment.text
        self._flush()
        return self._parts

    def _add_control(self, segment: Segment) -> None:
        before, tokens, after = self._encoder.split_control(segment)
        self._text += before
        if tokens is not None:
            self._flush()
            self._parts.append(tokens)
            self._continues = self._encoder.continues_after_token
            self._text = after

    def _add_answer(self, segment: Segment, *, takes_blank: bool) -> None:
        answer = segment.text
        if takes_blank and self._text.endswith(" "):
            text = self._text.rstrip(" ")
            self._text, answer = text, self._text[len(text) :] + answer
        self._flush()
        self._parts.append(Segment(answer, False, segment.is_label, self._continues))
        self._continues = self._adds_blank

    def _flush(self) -> None:
        if self._text:
            self._parts.append(Segment(self._text, False, False, self._continues))
            self._text = ""
            self._continues = self._adds_blank


class LayoutPart(NamedTuple):
    """A part of every chat with the same markers."""

    control: Segment | None
    """A part without text of a message, the same in each chat."""
    before: str
    message: int
    """Index of the segment whose text stands between `before` and `after`."""
    after: str
    is_label: bool
    continues: bool


def find_layout(encoder: ControlSplitter, segments: Sequence[Segment]) -> list[LayoutPart] | None:
    """Return how each chat with these markers is split; None if that depends on the texts of its messages."""
    marks = [_MARK.format(index) for index in range(len(segments))]
    marked = [
        segment if segment.control else segment._replace(text=mark)
        for segment, mark in zip(segments, marks, strict=True)
    ]
    layout = []
    for part in PartBuilder(encoder, continues=False).build(marked):
        indices = [index for index, mark in enumerate(marks) if mark in part.text]
        if len(indices) > 1:
            return None
        if not indices:
            layout.append(LayoutPart(part, "", 0, "", part.is_label, part.continues))
            continue
        before, _, after = part.text.partition(marks[indices[0]])
        layout.append(LayoutPart(None, before, indices[0], after, part.is_label, part.continues))
    if any(part.control is None and not part.after and next.control is None for part, next in pairwise(layout)):
        return None  # a blank at the end of a message would belong to the answer after it
    return layout


def fill_layout(layout: Sequence[LayoutPart], segments: Sequence[Segment]) -> list[Segment] | None:
    """Return the parts of a chat; None if a message is empty, because an empty text is no part."""
    parts = []
    for control, before, message, after, is_label, continues in layout:
        if control is not None:
            parts.append(control)
        elif text := before + segments[message].text + after:
            parts.append(Segment(text, False, is_label, continues))
        else:
            return None
    return parts
