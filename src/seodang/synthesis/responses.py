"""Read the response of an OpenAI-compatible endpoint: an answer, or an error by what helps against it. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from seodang.io.retry_after import parse_retry_after
from seodang.synthesis.budget import Tokens
from seodang.synthesis.calls import Call, FailureReason, Refusal, Reply

_OPTIONAL_FIELDS: Final = ("response_format", "seed")  # of a request; an endpoint may not support them
_SUCCESS: Final = range(200, 300)  # a gateway may answer 201; what it has is paid for
_TEMPORARY: Final = frozenset({408, 409, 425, 429, 529})  # beside all of 5xx
_GATEWAY: Final = frozenset({502, 504, 522, 524})  # of a proxy: the teacher behind it may have answered, for money
_CALL_REFUSED: Final = frozenset({400, 413, 422})  # of one call, such as one beyond the context of the teacher
_NO_CREDIT: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_UNSUPPORTED: Final = ("support", "unknown", "unrecognized", "not permitted", "not allowed", "extra", "invalid")
_FILTERED: Final = "content_filter"
# Names of that finish reason at endpoints that pass on those of another API, in lower case.
_FILTER_REASONS: Final = frozenset(
    {
        _FILTERED,
        "content-filter",
        "safety",
        "recitation",
        "blocklist",
        "prohibited_content",
        "spii",
        "sensitive",
        "refusal",
    }
)
_FLAGGED: Final = "flagged"  # OpenRouter's 403 about one prompt: "requires moderation and your input was flagged"
_TEXT_PARTS: Final = (None, "text", "output_text")  # types; a part with reasoning is no answer
_MAX_COUNT: Final = 10**9  # tokens of one call; a higher number is no count
_EXCERPT: Final = 200  # characters of a response in a message


class TemporaryError(Exception):
    """A further attempt may succeed."""

    def __init__(
        self, detail: str, *, is_unpaid: bool, wait: float | None = None, reason: FailureReason = "no_answer"
    ) -> None:
        """Describe the failed attempt.

        Args:
            detail: For messages and the journal, in English.
            is_unpaid: It surely cost nothing; otherwise the teacher may have answered.
            wait: Seconds that the endpoint asks to wait.
            reason: Of the failure, if no further attempt succeeds.
        """
        super().__init__(detail)
        self.is_unpaid = is_unpaid
        self.wait = wait
        self.reason: FailureReason = reason


class CallRefused(Exception):
    """The endpoint refuses this call; others may succeed."""


class FieldRefused(Exception):
    """The endpoint does not know an optional field of the request; the argument is its name."""


class AllCallsRefused(Exception):
    """The endpoint refuses every call: a wrong key, model or address, or no credit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """A response as it came."""

    status: int
    headers: Mapping[str, str]
    """With names in lower case."""
    body: bytes


def parse_response(response: Response, call: Call, bound: Tokens) -> Reply | Refusal:
    """Return the teacher's answer.

    Args:
        response: To the call.
        call: What was asked.
        bound: Tokens that count where the response has no usage.

    Raises:
        TemporaryError: If a further attempt may succeed.
        CallRefused: If the endpoint refuses this call.
        FieldRefused: If it refuses an optional field.
        AllCallsRefused: If it refuses every call.
    """
    if response.status in _SUCCESS:
        return _parse_answer(response.body, call, bound)
    error = _read_error(response.body)
    detail = f"HTTP {response.status}: {shorten(error.message)}"
    if response.status == 402 or not _NO_CREDIT.isdisjoint((error.code, error.kind)):
        raise AllCallsRefused(detail)
    if response.status in _TEMPORARY or response.status >= 500:
        wait = parse_retry_after(response.headers.get("retry-after", ""))
        raise TemporaryError(detail, is_unpaid=response.status not in _GATEWAY, wait=wait)
    if error.code == _FILTERED or (response.status == 403 and _FLAGGED in error.message.lower()):
        return _build_refusal(call, _FILTERED, error.message, Tokens(0, 0), "")
    if response.status not in _CALL_REFUSED:
        raise AllCallsRefused(detail)
    if (name := error.find_refused_field()) is not None:
        raise FieldRefused(name)
    raise CallRefused(detail)


@dataclass(frozen=True, slots=True)
class _Error:
    code: str
    kind: str
    param: str
    message: str

    def find_refused_field(self) -> str | None:
        """Return the optional field of the request that the endpoint does not support, if that is the error."""
        if "max_completion_tokens" in self.message:
            return "max_tokens"
        message = self.message.lower()
        for name in _OPTIONAL_FIELDS:
            if self.param.split(".")[0] == name:
                return name
            if name in message and any(word in message for word in _UNSUPPORTED):
                return name
        return None


def _read_error(body: bytes) -> _Error:
    """Return what a response says about an error, in the form of OpenAI's API or in any other."""
    text = body.decode("utf-8", "replace")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    error = content.get("error", content) if isinstance(content, dict) else None
    if not isinstance(error, dict):
        return _Error("", "", "", text)
    message = error.get("message") or error.get("detail") or text
    code, kind, param = (str(error.get(name) or "") for name in ("code", "type", "param"))
    return _Error(code, kind, param, _to_text(message))


def _to_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _parse_answer(body: bytes, call: Call, bound: Tokens) -> Reply | Refusal:
    try:
        content = json.loads(body)
        choice = content["choices"][0]
        message = choice["message"]
        text = _join_parts(message.get("content"), _TEXT_PARTS, "text")
        declined = message.get("refusal") or _join_parts(message.get("content"), ("refusal",), "refusal")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        detail = f"no chat completion: {shorten(body.decode('utf-8', 'replace'))}"
        raise TemporaryError(detail, is_unpaid=False, reason="unusable_response") from error
    tokens = _read_usage(content.get("usage"), bound, text)
    model = shorten(content["model"]) if isinstance(content.get("model"), str) else ""
    finish_reason = str(choice.get("finish_reason") or "")
    if isinstance(declined, str) and declined:
        return _build_refusal(call, "refusal", declined, tokens, model)
    if finish_reason.lower() in _FILTER_REASONS:
        return _build_refusal(call, finish_reason, text, tokens, model)
    return Reply(
        key=call.key,
        text=text,
        finish_reason=finish_reason,
        prompt_tokens=tokens.prompt,
        completion_tokens=tokens.reply,
        model=model,
        received=_read_time(),
    )


def _build_refusal(call: Call, reason: str, text: str, tokens: Tokens, model: str) -> Refusal:
    return Refusal(
        key=call.key,
        reason=reason,
        text=text,
        prompt_tokens=tokens.prompt,
        completion_tokens=tokens.reply,
        model=model,
        received=_read_time(),
    )


def _read_time() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _join_parts(content: Any, types: Collection[str | None], key: str) -> str:
    """Return the text of a message: a string, or its parts of some types; "" where there is none."""
    parts = content if isinstance(content, list) else [content]
    return "".join(_read_part({"text": part} if isinstance(part, str) else part, types, key) for part in parts)


def _read_part(part: Any, types: Collection[str | None], key: str) -> str:
    text = part.get(key) if isinstance(part, dict) and part.get("type") in types else None
    return text if isinstance(text, str) else ""


def _read_usage(usage: Any, bound: Tokens, text: str) -> Tokens:
    """Return the tokens of a call; the upper bound where the endpoint does not say: no prompt and no text have none.

    Some endpoints count hidden reasoning, which is billed, in the total alone.
    """
    counts = usage if isinstance(usage, dict) else {}
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    prompt, reply, total = (_read_count(counts.get(name)) for name in names)
    if prompt and reply is not None and total is not None:
        reply = max(reply, total - prompt)
    if not reply and text:
        reply = None
    return Tokens(prompt or bound.prompt, bound.reply if reply is None else reply)


def _read_count(value: Any) -> int | None:
    """Return a number of tokens, also from a float or a text; None where it is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < len(str(_MAX_COUNT)):
        return int(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return math.ceil(value) if is_number and 0 <= value <= _MAX_COUNT else None


def shorten(text: str) -> str:
    """Return the beginning of a text on one line, without codes that a terminal obeys."""
    line = " ".join(text.split())
    line = "".join(character if character.isprintable() else "?" for character in line)
    return line if len(line) <= _EXCERPT else f"{line[:_EXCERPT]} …"
