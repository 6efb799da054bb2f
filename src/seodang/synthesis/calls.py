"""What a recipe asks a teacher, what comes back, and the protocol between a recipe and the run that asks for it. Pure.

A recipe is asked in rounds, and `run` drives it like this:

    while calls := recipe.name_calls():
        recipe.take(ask(calls))          # one outcome for each call, in the order of the calls
    generated = recipe.finish()

- A recipe is deterministic: equal settings, seed and outcomes give equal calls with equal keys. It reads no clock and
  draws no other random number. So a second run replays the outcomes that the journal has, and asks only the rest.
- A recipe that knows all of its calls at once has one round. Self-instruct has many, because novelty depends on what
  was kept. `name_calls` returns no call when there is nothing more to ask; a recipe bounds the number of its rounds.
- Keys are unique in a run: `make_call` has an ordinal for calls that ask the same thing again.
- `finish` may be called after any `take`, also before the last round: the budget ended, and what is paid for is kept.
  The calls that were not asked then come back as a Failure with the reason `not_asked`.
- Settings come from `seodang.config.recipe.GenerateParams`; `seodang.synthesis.recipes.build_recipe(params, folder)`
  makes the recipe; paths in a recipe file are relative to `folder`, that of the project.
- Each call whose outcome is a Reply or a Refusal appears in at least one row or rejection of `finish`: no paid reply
  disappears. A Failure needs no rejection, because the run counts it and writes it itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

MessageRole = Literal["system", "user", "assistant"]
FailureReason = Literal["not_asked", "bad_request", "no_answer", "unusable_response"]
_KEY_DIGITS: Final = 32  # of a sha256


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a conversation with the teacher."""

    role: MessageRole
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to the teacher."""

    key: str
    """Hash of all that is asked, from `make_call`: equal calls of a killed run and its successor have equal keys."""
    messages: tuple[Message, ...]
    max_tokens: int
    """Of the reply; the budget reserves them."""
    temperature: float
    seed: int | None
    """None: the teacher gets no seed."""
    schema: Mapping[str, Any] | None
    """JSON schema of the reply. A teacher without structured output may ignore it, so a recipe parses leniently."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the teacher answered. It is paid for."""

    key: str
    text: str
    """May be empty or cut: `finish_reason` says "length" then."""
    finish_reason: str
    """As the teacher gives it: "stop", "length" or a name of its own; "" without one."""
    prompt_tokens: int
    completion_tokens: int
    model: str
    """Name that the teacher gives its model, which may be more exact than the requested one."""
    received: str
    """Date and time in UTC, ISO 8601. A replayed reply has that of the first run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The teacher declined to answer, by its own filter or in a field of its own. It may be paid for."""

    key: str
    reason: str
    """As the teacher gives it, such as "content_filter"."""
    text: str
    """What the teacher says about it; "" for nothing."""
    prompt_tokens: int
    completion_tokens: int
    model: str
    received: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """There is no answer to a call."""

    key: str
    reason: FailureReason
    """not_asked: the budget ended before. bad_request: the endpoint refuses this call. no_answer: all attempts failed.

    unusable_response: what came is no chat completion.
    """
    detail: str
    """Status and excerpt of the response, in English; "" for nothing."""


Outcome = Reply | Refusal | Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kept object of the output file."""

    keys: tuple[str, ...]
    """Of the calls that it comes from."""
    content: Mapping[str, Any]
    """The line in the output file: a record in a format that `ingest` reads, with its provenance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One reply, or one object in a reply, that is not kept."""

    keys: tuple[str, ...]
    """Of the calls that it comes from."""
    reason: str
    """A stable name, such as `unparsable` or `not_novel`; counts are by reason."""
    detail: str
    """What is wrong, in English; "" where the reason says it all."""
    text: str
    """What was rejected, as the teacher wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """What came of all outcomes."""

    rows: Sequence[Row]
    rejections: Sequence[Rejection]
    figures: Mapping[str, Any]
    """JSON values for the manifest, such as the diversity of a recipe; {} for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a recipe will ask at most, before it runs."""

    calls: int
    prompt_bytes: int
    """Of all messages and schemas in UTF-8; the run estimates tokens from them."""
    completion_tokens: int
    """The sum of max_tokens."""


class Recipe(Protocol):
    """A recipe with its settings and inputs; `seodang.synthesis.recipes.build_recipe` makes it from a recipe file."""

    def estimate(self) -> Estimate:
        """Return what is asked at most; called before the first round, and without any outcome."""
        ...

    def name_calls(self) -> Sequence[Call]:
        """Return the calls of the next round; none: everything is asked."""
        ...

    def take(self, outcomes: Sequence[Outcome]) -> None:
        """Take the outcomes of the calls that `name_calls` returned last, one for each, in their order."""
        ...

    def finish(self) -> Generated:
        """Return what came of the outcomes so far."""
        ...


def make_call(
    *,
    model: str,
    messages: Sequence[Message],
    max_tokens: int,
    temperature: float,
    seed: int | None = None,
    schema: Mapping[str, Any] | None = None,
    ordinal: int = 0,
) -> Call:
    """Return a call with its key.

    Args:
        model: The teacher's model, as the recipe file names it: another teacher is asked anew.
        messages: The conversation.
        max_tokens: As in Call.
        temperature: As in Call.
        seed: As in Call.
        schema: As in Call.
        ordinal: Number of the call among those that ask the same thing.
    """
    asked = {
        "model": model,
        "messages": [[message.role, message.content] for message in messages],
        "max_tokens": max_tokens,
        "temperature": temperature,
        "seed": seed,
        "schema": schema,
        "ordinal": ordinal,
    }
    text = json.dumps(asked, sort_keys=True)  # ASCII: a lone surrogate is escaped
    return Call(
        key=hashlib.sha256(text.encode()).hexdigest()[:_KEY_DIGITS],
        messages=tuple(messages),
        max_tokens=max_tokens,
        temperature=temperature,
        seed=seed,
        schema=schema,
    )


def measure_prompt(messages: Sequence[Message]) -> int:
    """Return the bytes of a prompt in UTF-8."""
    return sum(len(message.content.encode("utf-8", "surrogatepass")) for message in messages)


def measure_call(call: Call) -> int:
    """Return the bytes of a prompt and its schema, for an Estimate and for the budget."""
    return measure_prompt(call.messages) + (len(json.dumps(call.schema)) if call.schema is not None else 0)
