"""Turn the steps of an engine into parts of an answer's text: characters, stop texts and blanks at the ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from seodang.inference.engine.contract import TokenLogprob, TokenStep
from seodang.models.tokenization import drop_replacements
from seodang.service.answers.detokenizer import Decoder, Detokenizer
from seodang.service.answers.stop_texts import StopScanner

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class AnswerToken:
    """A token of an answer."""

    id: int
    start: int
    """Number of characters before it in the answer, including blanks that are trimmed."""
    logprob: TokenLogprob | None


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """What one step adds to an answer."""

    text: str
    tokens: tuple[AnswerToken, ...]
    """Tokens whose text begins in the answer so far, and no earlier part had."""
    completion_tokens: int
    """Tokens computed so far, including the end token."""
    finish_reason: FinishReason | None
    """None while the answer goes on."""
    prompt_logprobs: tuple[TokenLogprob | None, ...] | None = None


@dataclass(frozen=True, slots=True)
class TextRules:
    """How tokens become an answer's text."""

    stops: tuple[str, ...] = ()
    is_trimmed: bool = False
    """Whether blanks at both ends are left out, as evaluation reads answers."""
    context: tuple[int, ...] = ()
    """Last tokens of the text that the answer continues; empty for an answer of its own."""
    keeps_end_token: bool = False
    """Whether an end token, which has no text, is one of the tokens."""


class AnswerReader:
    """Reads the steps of one answer. Bytes that are no character are left out, as in evaluation."""

    def __init__(self, decoder: Decoder, rules: TextRules) -> None:
        self._detokenizer = Detokenizer(decoder, rules.context)
        self._scanner = StopScanner(rules.stops)
        self._rules = rules
        self._waiting: list[AnswerToken] = []
        self._length = 0
        self._dropped = 0  # blanks at the beginning
        self._blanks = ""  # they may be the end
        self._completion_tokens = 0

    def read(self, step: TokenStep) -> AnswerPart:
        """Return what a step adds; after a part with a finish reason no step is read."""
        text = self._read_token(step)
        text = self._trim_start(text)
        passed = self._scanner.push(text)
        is_stopped = self._scanner.is_stopped
        is_end = is_stopped or step.finish_reason is not None
        if is_end and not is_stopped:
            passed += self._scanner.flush()
        finish_reason: FinishReason | None = None
        if is_end:
            finish_reason = "stop" if is_stopped or step.finish_reason == "stop" else "length"
        return AnswerPart(
            text=self._trim_end(passed),
            tokens=self._release_tokens(everything=is_end and not is_stopped),
            completion_tokens=self._completion_tokens,
            finish_reason=finish_reason,
            prompt_logprobs=step.prompt_logprobs,
        )

    def _read_token(self, step: TokenStep) -> str:
        if step.token is None:
            return ""
        self._completion_tokens += 1
        is_end_token = step.finish_reason == "stop"
        if not is_end_token or self._rules.keeps_end_token:
            self._waiting.append(AnswerToken(step.token, self._length, step.logprob))
        if is_end_token:  # it has no text
            return ""
        text = drop_replacements(self._detokenizer.push(step.token))
        self._length += len(text)
        return text

    def _trim_start(self, text: str) -> str:
        if not self._rules.is_trimmed or self._dropped < self._length - len(text):
            return text
        trimmed = text.lstrip()
        self._dropped += len(text) - len(trimmed)
        return trimmed

    def _trim_end(self, text: str) -> str:
        if not self._rules.is_trimmed:
            return text
        text = self._blanks + text
        kept = text.rstrip()
        self._blanks = text[len(kept) :]
        return kept

    def _release_tokens(self, *, everything: bool) -> tuple[AnswerToken, ...]:
        end = self._dropped + self._scanner.passed
        tokens = tuple(token for token in self._waiting if everything or token.start < end)
        self._waiting = self._waiting[len(tokens) :]
        return tokens


def join_parts(parts: Sequence[AnswerPart]) -> AnswerPart:
    """Return the complete answer of its parts, of which there is at least one."""
    last = parts[-1]
    return AnswerPart(
        text="".join(part.text for part in parts),
        tokens=tuple(token for part in parts for token in part.tokens),
        completion_tokens=last.completion_tokens,
        finish_reason=last.finish_reason,
        prompt_logprobs=next((part.prompt_logprobs for part in parts if part.prompt_logprobs is not None), None),
    )
