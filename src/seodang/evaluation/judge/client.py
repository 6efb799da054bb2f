"""Ask a judge behind any OpenAI-compatible endpoint which of two models' answers is better, item by item."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import requests

from seodang.errors import EvaluationError, JudgeUnreachable
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
from seodang.io.jsonl import write_rows

logger = logging.getLogger(__name__)

_ATTEMPTS = 5
_BACKOFF_SECONDS = 1.0  # seconds before the second attempt; doubled each time
_RETRYABLE_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504})  # answers that may be others in a moment
_MESSAGE_LIMIT = 5

Ask = Callable[[list[dict[str, str]]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the judge is, and how it is asked."""

    base_url: str  # up to and with /v1
    model: str
    api_key: str  # "" for none; from the environment, never from a file or an argument
    max_tokens: int
    timeout: float  # seconds, of one reply


@dataclass(frozen=True, slots=True)
class JudgeSummary:
    """What the judge said of all items."""

    items: int
    wins: int
    ties: int
    losses: int
    items_without_verdict: list[str]  # items of which a reply ended with no verdict; they are in neither score file


def judge(candidate: Path, champion: Path, folder: Path, endpoint: Endpoint) -> JudgeSummary:
    """Judge every item in both orders and write score files for `seodang gate`; who is killed goes on where it was.

    Args:
        candidate: JSONL, one line an item: task, item, language, prompt, answer, and reference where there is one.
        champion: The same items.
        folder: Gets judged.jsonl with every reply as it came, candidate.jsonl and champion.jsonl.
        endpoint: The judge.

    Raises:
        EvaluationError: If a file is faulty, the items differ, or the endpoint refuses.
        JudgeUnreachable: If it does not answer; exit code 75, try again.
    """
    pairs = _pair_answers(read_answers(candidate), read_answers(champion))
    key = hashlib.sha256(
        json.dumps(
            [
                endpoint.base_url,
                endpoint.model,
                endpoint.max_tokens,
                JUDGE_SYSTEM_PROMPT,
                [_list_key_fields(pair) for pair in pairs],
            ]
        ).encode("utf-8", "surrogatepass")
    )
    with ResultLog(folder / "judged.jsonl", key.hexdigest()) as result_log:
        replies = {(row["task"], row["item"], row["order"]): str(row["reply"]) for row in result_log.rows}
        for one, other in pairs:
            for order in ORDERS:
                if (one.task, one.item, order) not in replies:
                    reply = request_completion(endpoint, build_messages(one, other, order))
                    replies[one.task, one.item, order] = reply
                    result_log.append(
                        [
                            {
                                "task": one.task,
                                "item": one.item,
                                "order": order,
                                "asked": build_messages(one, other, order),
                                "reply": reply,
                            }
                        ]
                    )
    return _write_scores(pairs, replies, folder)


def _list_key_fields(pair: tuple[ModelAnswer, ModelAnswer]) -> list[str]:
    return [pair[0].task, pair[0].item, pair[0].prompt, pair[0].reference, pair[0].answer, pair[1].answer]


def _write_scores(
    pairs: Sequence[tuple[ModelAnswer, ModelAnswer]], replies: Mapping[tuple[str, str, Order], str], folder: Path
) -> JudgeSummary:
    scores: dict[tuple[str, str], float | None] = {}
    for one, _ in pairs:
        scores[one.task, one.item] = combine_verdicts(
            [parse_verdict(replies[one.task, one.item, order], order) for order in ORDERS]
        )
    known = [(one, value) for one, _ in pairs if (value := scores[one.task, one.item]) is not None]
    if not known:
        raise EvaluationError(
            f"no reply of the judge ends with a verdict ([[A]], [[B]] or [[C]]); see {folder / 'judged.jsonl'}, and take another model or more --max-tokens"
        )
    for name, is_inverted in (("candidate", False), ("champion", True)):
        write_rows(
            folder / f"{name}.jsonl",
            (
                {
                    "task": one.task,
                    "item": one.item,
                    "metric": "judge",
                    "language": one.language,
                    "score": 1 - value if is_inverted else value,
                }
                for one, value in known
            ),
        )
    values = [value for _, value in known]
    without_verdict = [f"{task}/{item}" for (task, item), value in scores.items() if value is None]
    return JudgeSummary(
        len(values),
        sum(value > 0.5 for value in values),
        sum(value == 0.5 for value in values),
        sum(value < 0.5 for value in values),
        without_verdict,
    )


def read_answers(path: Path) -> dict[tuple[str, str], ModelAnswer]:
    """Return the answers of a file by task and item.

    Raises:
        EvaluationError: Listing the faulty lines, up to five.
    """
    answers: dict[tuple[str, str], ModelAnswer] = {}
    errors: list[str] = []
    try:
        lines = path.read_bytes().decode("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{path} cannot be read: {error} / 파일을 읽을 수 없습니다") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        answer = _parse_answer(line)
        if isinstance(answer, str):
            errors.append(f"line {number}: {answer}")
        elif (answer.task, answer.item) in answers:
            errors.append(f"line {number}: {answer.task}/{answer.item} stands in the file already")
        else:
            answers[answer.task, answer.item] = answer
    if errors or not answers:
        details = "\n".join(f"  {fault}" for fault in errors[:_MESSAGE_LIMIT]) or "  it holds no answer"
        raise EvaluationError(f"{path} cannot be judged ({len(errors)} faults) / 평가할 수 없습니다:\n{details}")
    return answers


def _parse_answer(line: str) -> ModelAnswer | str:
    """Return what a line holds, or what is wrong with it."""
    try:
        row: Any = json.loads(line)
    except ValueError:
        return "is not JSON"
    if not isinstance(row, dict):
        return "is no JSON object"
    values = {
        field.name: str(row[field.name]) if isinstance(row[field.name], str | int) else None
        for field in fields(ModelAnswer)
        if field.name in row
    }
    missing = [name for name in ("task", "item", "language", "prompt", "answer") if values.get(name) is None]
    return (
        f"{', '.join(missing)} must be there, as text"
        if missing
        else ModelAnswer(**{name: value or "" for name, value in values.items()})
    )


def _pair_answers(
    candidate: Mapping[tuple[str, str], ModelAnswer], champion: Mapping[tuple[str, str], ModelAnswer]
) -> list[tuple[ModelAnswer, ModelAnswer]]:
    differing = sorted({"/".join(key) for key in candidate.keys() ^ champion.keys()})
    differing += [
        "/".join(key)
        for key in sorted(candidate.keys() & champion.keys())
        if candidate[key].prompt != champion[key].prompt
    ]
    if differing:
        raise EvaluationError(
            f"the two files must answer the same prompts; {len(differing)} differ ({', '.join(differing[:_MESSAGE_LIMIT])}) / 두 파일의 문항이 다릅니다"
        )
    return [(candidate[key], champion[key]) for key in sorted(candidate)]


def request_completion(endpoint: Endpoint, conversation: list[dict[str, str]]) -> str:
    """Return the judge's reply.

    Raises:
        EvaluationError: If the endpoint refuses, or answers with something else than a chat completion.
        JudgeUnreachable: If it does not answer after five attempts.
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
            reason = type(error).__name__  # its own words may hold an address with a secret
            continue
        if response.status_code == requests.codes.ok:
            return _parse_reply(response)
        reason = f"HTTP {response.status_code}"
        if response.status_code not in _RETRYABLE_STATUSES:
            raise EvaluationError(
                f"the judge refuses ({reason}): {response.text[:300]}; check --endpoint, --model and the key / 평가 모델이 거절했습니다"
            )
    raise JudgeUnreachable(
        f"the judge does not answer ({reason}, {_ATTEMPTS} attempts); what it said so far is kept: run the same command again / 평가 모델이 응답하지 않습니다"
    )


def _iter_backoff() -> Iterator[float]:
    yield 0.0
    yield from (_BACKOFF_SECONDS * 2**attempt for attempt in range(_ATTEMPTS - 1))


def _parse_reply(response: requests.Response) -> str:
    try:
        reply = response.json()["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise EvaluationError(
            f"the judge's answer is no chat completion: {response.text[:300]}; is --endpoint an OpenAI-compatible address up to /v1?"
        ) from error
    return str(reply or "")
