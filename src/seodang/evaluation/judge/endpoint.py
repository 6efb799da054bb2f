"""Requests to the judge behind an OpenAI-compatible endpoint, with retries."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

import requests

from seodang.errors import EvaluationError, JudgeUnreachable
from seodang.i18n import _
from seodang.io.retry_after import parse_retry_after

_ATTEMPTS: Final = 5
_BACKOFF_SECONDS = 1.0  # before the second attempt; doubles with each further one
_MAX_WAIT_SECONDS: Final = 300.0  # that a response may ask for with Retry-After
_RETRYABLE_STATUSES: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})  # temporary errors
_REJECTED_STATUSES: Final = frozenset({400, 413, 422})  # of one request, such as one beyond the context of the judge
_EXCERPT: Final = 300  # characters of a response in a message


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Address and settings of the judge."""

    base_url: str
    """Address up to and including /v1."""
    model: str
    api_key: str
    """Empty for none; from the environment, never from a file or an argument."""
    max_tokens: int
    timeout: float
    """Seconds to wait for one reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the judge answered to one request."""

    text: str
    model: str = ""
    """Name that the endpoint gives its model, which may be more exact than the requested one; "" without one."""
    is_truncated: bool = False
    """The reply ended at the maximum number of tokens."""


class RequestRejected(EvaluationError):
    """The endpoint refuses one request, such as one that is too long; others may succeed."""


class _TemporaryError(Exception):
    """The next attempt may succeed; the argument is the reason, then the seconds to wait or None."""


def request_completion(endpoint: Endpoint, conversation: list[dict[str, str]]) -> Reply:
    """Return the judge's reply.

    Raises:
        RequestRejected: If the endpoint refuses this request.
        EvaluationError: If it refuses all requests, or its response is not a chat completion.
        JudgeUnreachable: If it does not answer five attempts, or asks to wait longer than five minutes.
    """
    reason = ""
    for attempt in range(_ATTEMPTS):
        try:
            return _post(endpoint, conversation)
        except _TemporaryError as error:
            reason, wait = error.args
        if wait is not None and wait > _MAX_WAIT_SECONDS:
            break
        if attempt + 1 < _ATTEMPTS:
            time.sleep(_BACKOFF_SECONDS * 2**attempt if wait is None else wait)
    raise JudgeUnreachable(
        _(
            "the judge does not answer ({reason}, attempts: {count}); its replies so far are saved: run the same command again",
            reason=reason,
            count=attempt + 1,
        )
    )


def _post(endpoint: Endpoint, conversation: list[dict[str, str]]) -> Reply:
    try:
        response = requests.post(
            f"{endpoint.base_url.rstrip('/')}/chat/completions",
            json={
                "model": endpoint.model,
                "messages": conversation,
                "temperature": 0,
                "max_tokens": endpoint.max_tokens,
            },
            headers={"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {},
            timeout=endpoint.timeout,
        )
    except requests.RequestException as error:
        # The message of the exception may hold an address with a secret.
        raise _TemporaryError(type(error).__name__, None) from error
    if response.status_code == requests.codes.ok:
        return _parse_reply(response)
    reason = f"HTTP {response.status_code}"
    if response.status_code in _RETRYABLE_STATUSES:
        raise _TemporaryError(reason, parse_retry_after(response.headers.get("Retry-After", "")))
    error_class = RequestRejected if response.status_code in _REJECTED_STATUSES else EvaluationError
    raise error_class(
        _(
            "the judge refuses the request ({reason}): {response}; check --endpoint, --model and the API key",
            reason=reason,
            response=response.text[:_EXCERPT],
        )
    )


def _parse_reply(response: requests.Response) -> Reply:
    try:
        body = response.json()
    except ValueError as error:
        # A proxy may cut a response; a page in HTML shows a wrong address.
        if response.content.lstrip()[:1] in (b"{", b""):
            raise _TemporaryError(_("truncated response"), None) from error
        raise EvaluationError(_describe_other_response(response)) from error
    try:
        choice = body["choices"][0]
        content = choice["message"].get("content")
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise EvaluationError(_describe_other_response(response)) from error
    model = body.get("model")
    return Reply(
        text=_join_content(content),
        model=model if isinstance(model, str) else "",
        is_truncated=choice.get("finish_reason") == "length",
    )


def _join_content(content: Any) -> str:
    """Return the text of a message: a string, or a list of parts; "" where there is none."""
    if isinstance(content, list):
        parts = (part.get("text") if isinstance(part, dict) else part for part in content)
        return "".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def _describe_other_response(response: requests.Response) -> str:
    return _(
        "the response of the judge is not a chat completion: {response}; set --endpoint to an OpenAI-compatible "
        "address that ends with /v1",
        response=response.text[:_EXCERPT],
    )
