"""Read the response of an OpenAI-compatible endpoint: an answer, or an error by what helps against it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from seodang.io.retry_after import parse_retry_after
from seodang.synthesis.budget import Tokens
from seodang.synthesis.calls import Call, FailureReason, Refusal, Reply

_OPTIONAL_FIELDS: Final = ("response_format", "seed")  # of a request; an endpoint may not support them
_OK: Final = 200
_TEMPORARY: Final = frozenset({408, 409, 425, 429, 529})  # beside all of 5xx
_GATEWAY: Final = frozenset({502, 504, 522, 524})  # of a proxy: the teacher behind it may have answered, for money
_CALL_REFUSED: Final = frozenset({400, 413, 422})  # of one call, such as one beyond the context of the teacher
_NO_CREDIT: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})
_UNSUPPORTED: Final = ("support", "unknown", "unrecognized", "not permitted", "not allowed", "extra", "invalid")
_FILTERED: Final = "content_filter"
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
    if response.status == _OK:
        return _parse_answer(response.body, call, bound)
    error = _read_error(response.body)
    detail = f"HTTP {response.status}: {shorten(error.message)}"
    if response.status == 402 or error.code in _NO_CREDIT:
        raise AllCallsRefused(detail)
    if response.status in _TEMPORARY or response.status >= 500:
        wait = parse_retry_after(response.headers.get("retry-after", ""))
        raise TemporaryError(detail, is_unpaid=response.status not in _GATEWAY, wait=wait)
    if response.status not in _CALL_REFUSED:
        raise AllCallsRefused(detail)
    if error.code == _FILTERED:
        return _build_refusal(call, error.code, error.message, Tokens(0, 0), "")
    if (name := error.find_refused_field()) is not None:
        raise FieldRefused(name)
    raise CallRefused(detail)


@dataclass(frozen=True, slots=True)
class _Error:
    code: str
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
        return _Error("", "", text)
    message = error.get("message") or error.get("detail") or text
    return _Error(str(error.get("code") or ""), str(error.get("param") or ""), _to_text(message))


def _to_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _parse_answer(body: bytes, call: Call, bound: Tokens) -> Reply | Refusal:
    try:
        content = json.loads(body)
        choice = content["choices"][0]
        message = choice["message"]
        text, declined = _join_parts(message.get("content")), message.get("refusal")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        detail = f"no chat completion: {shorten(body.decode('utf-8', 'replace'))}"
        raise TemporaryError(detail, is_unpaid=False, reason="unusable_response") from error
    tokens = _read_usage(content.get("usage"), bound)
    model = content.get("model") if isinstance(content.get("model"), str) else ""
    finish_reason = choice.get("finish_reason") or ""
    if isinstance(declined, str) and declined:
        return _build_refusal(call, "refusal", declined, tokens, model)
    if finish_reason == _FILTERED:
        return _build_refusal(call, _FILTERED, text, tokens, model)
    return Reply(
        key=call.key,
        text=text,
        finish_reason=str(finish_reason),
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


def _join_parts(content: Any) -> str:
    """Return the text of a message: a string, or a list of parts; "" where there is none."""
    if isinstance(content, list):
        parts = (part.get("text") if isinstance(part, dict) else part for part in content)
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def _read_usage(usage: Any, bound: Tokens) -> Tokens:
    """Return the tokens of a call; the upper bound where the endpoint does not say."""
    values = [usage.get(name) if isinstance(usage, dict) else None for name in ("prompt_tokens", "completion_tokens")]
    prompt, reply = (value if type(value) is int and value >= 0 else None for value in values)
    return Tokens(bound.prompt if prompt is None else prompt, bound.reply if reply is None else reply)


def shorten(text: str) -> str:
    """Return the beginning of a text on one line, without codes that a terminal obeys."""
    line = " ".join(text.split())
    line = "".join(character if character.isprintable() else "?" for character in line)
    return line if len(line) <= _EXCERPT else f"{line[:_EXCERPT]} …"
