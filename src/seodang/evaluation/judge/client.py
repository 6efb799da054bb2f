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
from seodang.evaluation.judge.prompt import JUDGE_SYSTEM, ORDERS, Answered, Order, messages, score, worth
from seodang.evaluation.result_log import Journal
from seodang.io.jsonl import write_rows

logger = logging.getLogger(__name__)

_ATTEMPTS = 5
_PAUSE = 1.0  # seconds before the second attempt; doubled each time
_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504})  # answers that may be others in a moment
_SHOWN = 5

Ask = Callable[[list[dict[str, str]]], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the judge is, and how it is asked."""

    url: str  # up to and with /v1
    model: str
    key: str  # "" for none; from the environment, never from a file or an argument
    max_tokens: int
    timeout: float  # seconds, of one reply


@dataclass(frozen=True, slots=True)
class Judged:
    """What the judge said of all items."""

    items: int
    won: int
    tied: int
    lost: int
    unread: list[str]  # items of which a reply ended with no verdict; they are in neither score file


def judge(candidate: Path, champion: Path, folder: Path, endpoint: Endpoint) -> Judged:
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
    pairs = _paired(read_answers(candidate), read_answers(champion))
    key = hashlib.sha256(
        json.dumps(
            [endpoint.url, endpoint.model, endpoint.max_tokens, JUDGE_SYSTEM, [_told(pair) for pair in pairs]]
        ).encode("utf-8", "surrogatepass")
    )
    with Journal(folder / "judged.jsonl", key.hexdigest()) as journal:
        replies = {(row["task"], row["item"], row["order"]): str(row["reply"]) for row in journal.rows}
        for one, other in pairs:
            for order in ORDERS:
                if (one.task, one.item, order) not in replies:
                    reply = ask(endpoint, messages(one, other, order))
                    replies[one.task, one.item, order] = reply
                    journal.append(
                        [
                            {
                                "task": one.task,
                                "item": one.item,
                                "order": order,
                                "asked": messages(one, other, order),
                                "reply": reply,
                            }
                        ]
                    )
    return _written(pairs, replies, folder)


def _told(pair: tuple[Answered, Answered]) -> list[str]:
    return [pair[0].task, pair[0].item, pair[0].prompt, pair[0].reference, pair[0].answer, pair[1].answer]


def _written(
    pairs: Sequence[tuple[Answered, Answered]], replies: Mapping[tuple[str, str, Order], str], folder: Path
) -> Judged:
    scores: dict[tuple[str, str], float | None] = {}
    for one, _ in pairs:
        scores[one.task, one.item] = score([worth(replies[one.task, one.item, order], order) for order in ORDERS])
    known = [(one, value) for one, _ in pairs if (value := scores[one.task, one.item]) is not None]
    if not known:
        raise EvaluationError(
            f"no reply of the judge ends with a verdict ([[A]], [[B]] or [[C]]); see {folder / 'judged.jsonl'}, and take another model or more --max-tokens"
        )
    for name, turned in (("candidate", False), ("champion", True)):
        write_rows(
            folder / f"{name}.jsonl",
            (
                {
                    "task": one.task,
                    "item": one.item,
                    "metric": "judge",
                    "language": one.language,
                    "score": 1 - value if turned else value,
                }
                for one, value in known
            ),
        )
    values = [value for _, value in known]
    unread = [f"{task}/{item}" for (task, item), value in scores.items() if value is None]
    return Judged(
        len(values),
        sum(value > 0.5 for value in values),
        sum(value == 0.5 for value in values),
        sum(value < 0.5 for value in values),
        unread,
    )


def read_answers(path: Path) -> dict[tuple[str, str], Answered]:
    """Return the answers of a file by task and item.

    Raises:
        EvaluationError: Listing the faulty lines, up to five.
    """
    found: dict[tuple[str, str], Answered] = {}
    faults: list[str] = []
    try:
        lines = path.read_bytes().decode("utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{path} cannot be read: {error} / 파일을 읽을 수 없습니다") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        answered = _answered(line)
        if isinstance(answered, str):
            faults.append(f"line {number}: {answered}")
        elif (answered.task, answered.item) in found:
            faults.append(f"line {number}: {answered.task}/{answered.item} stands in the file already")
        else:
            found[answered.task, answered.item] = answered
    if faults or not found:
        told = "\n".join(f"  {fault}" for fault in faults[:_SHOWN]) or "  it holds no answer"
        raise EvaluationError(f"{path} cannot be judged ({len(faults)} faults) / 평가할 수 없습니다:\n{told}")
    return found


def _answered(line: str) -> Answered | str:
    """Return what a line holds, or what is wrong with it."""
    try:
        row: Any = json.loads(line)
    except ValueError:
        return "is not JSON"
    if not isinstance(row, dict):
        return "is no JSON object"
    values = {
        field.name: str(row[field.name]) if isinstance(row[field.name], str | int) else None
        for field in fields(Answered)
        if field.name in row
    }
    odd = [name for name in ("task", "item", "language", "prompt", "answer") if values.get(name) is None]
    return (
        f"{', '.join(odd)} must be there, as text"
        if odd
        else Answered(**{name: value or "" for name, value in values.items()})
    )


def _paired(
    candidate: Mapping[tuple[str, str], Answered], champion: Mapping[tuple[str, str], Answered]
) -> list[tuple[Answered, Answered]]:
    odd = sorted({"/".join(key) for key in candidate.keys() ^ champion.keys()})
    odd += [
        "/".join(key)
        for key in sorted(candidate.keys() & champion.keys())
        if candidate[key].prompt != champion[key].prompt
    ]
    if odd:
        raise EvaluationError(
            f"the two files must answer the same prompts; {len(odd)} differ ({', '.join(odd[:_SHOWN])}) / 두 파일의 문항이 다릅니다"
        )
    return [(candidate[key], champion[key]) for key in sorted(candidate)]


def ask(endpoint: Endpoint, conversation: list[dict[str, str]]) -> str:
    """Return the judge's reply.

    Raises:
        EvaluationError: If the endpoint refuses, or answers with something else than a chat completion.
        JudgeUnreachable: If it does not answer after five attempts.
    """
    told = ""
    for pause in _pauses():
        time.sleep(pause)
        try:
            found = requests.post(
                f"{endpoint.url.rstrip('/')}/chat/completions",
                json={
                    "model": endpoint.model,
                    "messages": conversation,
                    "temperature": 0,
                    "max_tokens": endpoint.max_tokens,
                },
                headers={"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {},
                timeout=endpoint.timeout,
            )
        except requests.RequestException as error:
            told = type(error).__name__  # its own words may hold an address with a secret
            continue
        if found.status_code == requests.codes.ok:
            return _reply(found)
        told = f"HTTP {found.status_code}"
        if found.status_code not in _PASSING:
            raise EvaluationError(
                f"the judge refuses ({told}): {found.text[:300]}; check --endpoint, --model and the key / 평가 모델이 거절했습니다"
            )
    raise JudgeUnreachable(
        f"the judge does not answer ({told}, {_ATTEMPTS} attempts); what it said so far is kept: run the same command again / 평가 모델이 응답하지 않습니다"
    )


def _pauses() -> Iterator[float]:
    yield 0.0
    yield from (_PAUSE * 2**attempt for attempt in range(_ATTEMPTS - 1))


def _reply(found: requests.Response) -> str:
    try:
        reply = found.json()["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise EvaluationError(
            f"the judge's answer is no chat completion: {found.text[:300]}; is --endpoint an OpenAI-compatible address up to /v1?"
        ) from error
    return str(reply or "")
