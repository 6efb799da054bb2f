"""The contract between the HTTP application and what computes the tokens.

An engine knows tokens only. Texts, prompts, stop texts and user data are the application's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from seodang.errors import EvaluationError, ModelError

FinishReason = Literal["stop", "length", "cancelled"]


class TokenMatcher(Protocol):
    """How far one answer is in its grammar."""

    def find_allowed(self, stop_ids: frozenset[int]) -> NDArray[np.bool_]:
        """Return for each token whether the grammar allows it next.

        Args:
            stop_ids: Tokens that end the answer; allowed where the grammar may end.

        Raises:
            GuideFailed: If the grammar is too complex.
        """
        ...

    def advance(self, token: int) -> None:
        """Take the next token of the answer, which is no end token.

        Raises:
            GuideFailed: If the grammar is too complex.
        """
        ...


class Guide(Protocol):
    """A grammar that an answer keeps. It does not change; each answer has a matcher of its own."""

    @property
    def grammar(self) -> str:
        """Return the text of the grammar, in the Lark syntax of llguidance."""
        ...

    def start(self) -> TokenMatcher:
        """Return a matcher at the beginning of an answer."""
        ...


@dataclass(frozen=True, slots=True)
class SamplingOptions:
    """How the tokens of one request are chosen; every request has its own."""

    max_new_tokens: int
    temperature: float = 0.0
    """0: greedy; else 0 to 2."""
    top_p: float = 1.0
    """(0, 1]: the most likely tokens with this total probability."""
    seed: int | None = None
    """Of this request; None: random. Equal seeds give equal answers, whatever else is running."""
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    """-2 to 2, OpenAI's formula: logit - count * frequency_penalty - (count > 0) * presence_penalty."""
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    """-100 to 100, added to the logits of these tokens."""
    stop_ids: frozenset[int] = frozenset()
    """Tokens that end the answer; empty: the end tokens of the model."""
    guide: Guide | None = None
    """Grammar of the answer; None: any text. Other tokens cannot be chosen, whatever the options above."""
    top_logprobs: int | None = None
    """Alternatives whose log-probabilities are returned with each token; 0: of the token alone; None: none."""


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A prompt to be continued."""

    prompt: tuple[int, ...]
    options: SamplingOptions
    adapter: str | None = None
    """None: the model as it was packaged."""
    prompt_logprobs: int | None = None
    """As options.top_logprobs, for the tokens of the prompt; the first token has none."""
    max_delay: float = 0.0
    """Seconds that a step may wait for the next ones, and inf: until the answer ends. Fewer deliveries are less work.

    0: each step is delivered at once, as the first one always is. An engine may ignore it.
    """


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """Log-probabilities at one position, in nats, after the model's softmax and before penalties and temperature."""

    logprob: float
    alternatives: tuple[tuple[int, float], ...]
    """The most likely tokens, best first."""


@dataclass(frozen=True, slots=True)
class AnswerStart:
    """What preceded the first step of an answer, for metrics."""

    queue_seconds: float | None
    """Time from the arrival of the request until its computation began; None if the engine does not measure it."""
    cached_tokens: int
    """Tokens of the prompt that the prefix cache had."""


@dataclass(frozen=True, slots=True)
class TokenStep:
    """One new token of an answer."""

    token: int | None
    """None where the answer ended without a new token: max_new_tokens 0, or cancelled."""
    logprob: TokenLogprob | None = None
    finish_reason: FinishReason | None = None
    """None while the answer goes on; an end token is delivered with "stop"."""
    prompt_logprobs: tuple[TokenLogprob | None, ...] | None = None
    """With the first step only, where they were asked for."""
    start: AnswerStart | None = field(default=None, compare=False)
    """With the first step only, from engines that measure it; times do not make steps different."""
    computed_at: float | None = field(default=None, compare=False)
    """By time.monotonic(), of a step that is delivered later than it is computed; None: it is delivered at once."""


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """For metrics and admission."""

    running: int
    waiting: int
    cached_tokens: int
    prefix_hits: int
    prefix_queries: int


@dataclass(frozen=True, slots=True)
class EngineLoad:
    """Number of requests by adapter; None is the model as it was packaged."""

    running: Mapping[str | None, int]
    waiting: Mapping[str | None, int]
    cache_usage: float
    """Part of the key-value cache that is in use; above 1 if a long request runs alone."""


class EngineObserver(Protocol):
    """Is called by the engine's threads for metrics; it must be fast and raise no error."""

    def observe_load(self, load: EngineLoad) -> None:
        """Take the new load, whenever it has changed."""
        ...

    def observe_batch(self, adapter: str | None, rows: int) -> None:
        """Take the number of requests that one step of an adapter computes."""
        ...

    def observe_stall(self, seconds: float) -> None:
        """Take the time since the last progress, about once a second and in another thread; 0 while nothing runs."""
        ...


class QueueFull(Exception):
    """The engine takes no further request now."""


class EngineStopped(EvaluationError):
    """The engine has ended by itself; only a new process computes again. The message is shown to clients."""


class GuideFailed(ModelError):
    """The grammar of an answer is wrong or too complex, which only its sender can cure."""

    def __init__(self, message: str, field: str | None = None) -> None:
        """Create the error.

        Args:
            message: What is wrong.
            field: Of the request; None: the one that holds the grammar.
        """
        super().__init__(message)
        self.field = field


class Engine(Protocol):
    """Continues prompts; many at a time. All methods may be called from the event loop's thread."""

    context_length: int | None

    def submit(self, request: TokenRequest) -> AsyncIterator[TokenStep]:
        """Return the steps of the answer as they are computed; closing the iterator frees the slot within one step.

        Raises:
            QueueFull: If running and waiting requests reach the bound, or the engine is closed.
            EngineStopped: If the engine has ended by itself; also while iterating.
            SeodangError: While iterating, if the model fails.
        """
        ...

    def get_failure(self) -> EngineStopped | None:
        """Return why no step is computed any more; None while the engine computes, and if it was closed before.

        An engine whose present step does not end within its limit (Limits.step_seconds) has stopped, too.
        """
        ...

    def get_status(self) -> EngineStatus:
        """Return the present load."""
        ...

    async def close(self, timeout: float) -> None:
        """Finish the running requests within `timeout` seconds, cancel the others, and stop."""
        ...
