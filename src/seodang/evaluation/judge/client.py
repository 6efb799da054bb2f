"""LLM judge behind an OpenAI-compatible endpoint: compares two models' answers item by item."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests

from seodang.errors import EvaluationError, JudgeUnreachable
from seodang.evaluation.judge.answers import pair_answers, read_answers
from seodang.evaluation.judge.prompt import (
    JUDGE_SYSTEM_PROMPT,
    ORDERS,
    ModelAnswer,
    Order,
    build_messages,
    combine_verdicts,
    parse_verdict,
)
from seodang.evaluation.result_log import ResultLog
from seodang.i18n import _
from seodang.io.jsonl import write_rows

_ATTEMPTS = 5
_BACKOFF_SECONDS = 1.0  # before the second attempt; doubles with each further one
_RETRYABLE_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504})  # temporary errors


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


@dataclass(frozen=True, slots=True)
class JudgeSummary:
    """Results of the judge over all items."""

    items: int
    wins: int
    ties: int
    losses: int
    items_without_verdict: list[str]
    """Items with a reply that has no verdict; the score files leave them out."""


def judge(candidate: Path, champion: Path, folder: Path, endpoint: Endpoint) -> JudgeSummary:
    """Judge every item in both orders and write score files for `seodang gate`; an interrupted run resumes.

    Args:
        candidate: JSONL, one item per line: task, item, language, prompt, answer, and reference where there is one.
        champion: The same items.
        folder: Receives judged.jsonl with every reply, candidate.jsonl and champion.jsonl.
        endpoint: The judge.

    Raises:
        EvaluationError: If a file has errors, the items differ, or the endpoint refuses a request.
        JudgeUnreachable: If the endpoint does not answer; exit code 75, try again.
    """
    pairs = pair_answers(read_answers(candidate), read_answers(champion))
    with ResultLog(folder / "judged.jsonl", _compute_fingerprint(endpoint, pairs)) as result_log:
        replies = {(row["task"], row["item"], row["order"]): str(row["reply"]) for row in result_log.rows}
        for one, other in pairs:
            for order in ORDERS:
                if (one.task, one.item, order) in replies:
                    continue
                messages = build_messages(one, other, order)
                reply = request_completion(endpoint, messages)
                replies[one.task, one.item, order] = reply
                key = {"task": one.task, "item": one.item, "order": order}
                result_log.append([{**key, "asked": messages, "reply": reply}])
    return _write_scores(pairs, replies, folder)


def _compute_fingerprint(endpoint: Endpoint, pairs: Sequence[tuple[ModelAnswer, ModelAnswer]]) -> str:
    """Return the sha256 of everything that the replies depend on."""
    inputs = [
        endpoint.base_url,
        endpoint.model,
        endpoint.max_tokens,
        JUDGE_SYSTEM_PROMPT,
        [_list_key_fields(pair) for pair in pairs],
    ]
    return hashlib.sha256(json.dumps(inputs).encode("utf-8", "surrogatepass")).hexdigest()


def _list_key_fields(pair: tuple[ModelAnswer, ModelAnswer]) -> list[str]:
    return [pair[0].task, pair[0].item, pair[0].prompt, pair[0].reference, pair[0].answer, pair[1].answer]


def _write_scores(
    pairs: Sequence[tuple[ModelAnswer, ModelAnswer]], replies: Mapping[tuple[str, str, Order], str], folder: Path
) -> JudgeSummary:
    answers = [candidate for candidate, _champion in pairs]
    scores = {
        (answer.task, answer.item): combine_verdicts(
            [parse_verdict(replies[answer.task, answer.item, order], order) for order in ORDERS]
        )
        for answer in answers
    }
    known = [(answer, value) for answer in answers if (value := scores[answer.task, answer.item]) is not None]
    if not known:
        raise EvaluationError(
            _(
                "no reply of the judge ends with a verdict ([[A]], [[B]] or [[C]]); see {path}, and use another --model "
                "or a larger --max-tokens",
                path=folder / "judged.jsonl",
            )
        )
    for name, is_inverted in (("candidate", False), ("champion", True)):
        write_rows(
            folder / f"{name}.jsonl",
            (
                {
                    "task": answer.task,
                    "item": answer.item,
                    "metric": "judge",
                    "language": answer.language,
                    "score": 1 - value if is_inverted else value,
                    **(
                        {"content": hashlib.sha256(answer.prompt.encode("utf-8", "surrogatepass")).hexdigest()[:16]}
                        if answer.prompt
                        else {}
                    ),
                }
                for answer, value in known
            ),
        )
    values = [value for _answer, value in known]
    without_verdict = [f"{task}/{item}" for (task, item), value in scores.items() if value is None]
    return JudgeSummary(
        len(values),
        sum(value > 0.5 for value in values),
        sum(value == 0.5 for value in values),
        sum(value < 0.5 for value in values),
        without_verdict,
    )


def request_completion(endpoint: Endpoint, conversation: list[dict[str, str]]) -> str:
    """Return the judge's reply.

    Raises:
        EvaluationError: If the endpoint refuses the request, or its response is not a chat completion.
        JudgeUnreachable: If it does not answer five attempts.
    """
    reason = ""
    for pause in _iter_backoff():
        time.sleep(pause)
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
            reason = type(error).__name__  # the message of the exception may hold an address with a secret
            continue
        if response.status_code == requests.codes.ok:
            return _parse_reply(response)
        reason = f"HTTP {response.status_code}"
        if response.status_code not in _RETRYABLE_STATUSES:
            raise EvaluationError(
                _(
                    "the judge refuses the request ({reason}): {response}; check --endpoint, --model and the API key",
                    reason=reason,
                    response=response.text[:300],
                )
            )
    raise JudgeUnreachable(
        _(
            "the judge does not answer ({reason}, {count} attempts); its replies so far are saved: run the same command again",
            reason=reason,
            count=_ATTEMPTS,
        )
    )


def _iter_backoff() -> Iterator[float]:
    yield 0.0
    yield from (_BACKOFF_SECONDS * 2**attempt for attempt in range(_ATTEMPTS - 1))


def _parse_reply(response: requests.Response) -> str:
    try:
        reply = response.json()["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise EvaluationError(
            _(
                "the response of the judge is not a chat completion: {response}; set --endpoint to an OpenAI-compatible "
                "address that ends with /v1",
                response=response.text[:300],
            )
        ) from error
    return str(reply or "")
