"""Verdicts of the judge on pairs of answers, each in both orders; an interrupted run resumes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from seodang.errors import EvaluationError
from seodang.evaluation.judge.endpoint import Endpoint, RequestRejected, request_completion
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

LOG_NAME: Final = "judged.jsonl"
_FORMAT: Final = 2  # of the messages; raise it with every change of what the judge reads or how replies are parsed
_MAX_REJECTIONS: Final = 3  # of the first requests, after which the error lies in the endpoint and not in an item
Pair = tuple[ModelAnswer, ModelAnswer]
Failure = Literal["unreadable", "truncated", "rejected"]
"""unreadable: a reply without a verdict; truncated: it ended at --max-tokens; rejected: the endpoint refused it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairVerdict:
    """The judge's verdicts on one pair, as scores of its first answer: 1 better, 0.5 equal, 0 worse."""

    by_order: tuple[float | None, float | None]
    """In the order of ORDERS; None without a verdict."""
    failures: tuple[Failure, ...] = ()
    """Of the replies without a verdict."""
    models: tuple[str, ...] = ()
    """Names that the endpoint gave its model."""

    @property
    def score(self) -> float | None:
        """Return the mean of both orders; None if either has no verdict."""
        return combine_verdicts(self.by_order)

    @property
    def position(self) -> Literal["first", "second"] | None:
        """Return the position that the judge preferred in both orders, whichever answer stood there."""
        return {(1.0, 0.0): "first", (0.0, 1.0): "second"}.get(self.by_order)  # type: ignore[arg-type, return-value]


def compute_judge_fingerprint(endpoint: Endpoint) -> str:
    """Return 16 hex digits of the model name, the prompt and the options; the address does not count."""
    inputs = [_FORMAT, endpoint.model, endpoint.max_tokens, JUDGE_SYSTEM_PROMPT]
    return hashlib.sha256(json.dumps(inputs).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def collect_verdicts(pairs: Sequence[Pair], endpoint: Endpoint, folder: Path) -> list[PairVerdict]:
    """Return the judge's verdict on each pair; every request and reply is in judged.jsonl.

    Args:
        pairs: Answers to the same request; the score is that of the first one. Task and item name the pair.
        endpoint: The judge.
        folder: Of the log.

    Raises:
        EvaluationError: If the endpoint refuses the first requests or its responses are no chat completions.
        JudgeUnreachable: If it does not answer; the next run resumes.
    """
    with ResultLog(folder / LOG_NAME, _compute_log_fingerprint(endpoint, pairs)) as result_log:
        # Rejected requests are sent again, because the server may have got a larger context.
        rows = {_get_key(row): row for row in result_log.rows if "rejected" not in row}
        for one, other in pairs:
            for order in ORDERS:
                if (one.task, one.item, order) in rows:
                    continue
                row = {"task": one.task, "item": one.item, "order": order}
                row |= _request(endpoint, build_messages(one, other, order))
                rows[_get_key(row)] = row
                result_log.append([row])
                if "rejected" in row:
                    _check_rejections(rows.values(), 2 * len(pairs))
    return [_build_verdict([rows[one.task, one.item, order] for order in ORDERS]) for one, _other in pairs]


def _get_key(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["task"], row["item"], row["order"]


def _request(endpoint: Endpoint, messages: list[dict[str, str]]) -> dict[str, Any]:
    """Return the fields of a log row: the messages with the reply, or the reason why the endpoint refused them."""
    try:
        reply = request_completion(endpoint, messages)
    except RequestRejected as error:
        return {"asked": messages, "reply": "", "rejected": str(error)}
    fields = {"asked": messages, "reply": reply.text, "model": reply.model}
    return {**fields, "truncated": True} if reply.is_truncated else fields


def _check_rejections(rows: Collection[dict[str, Any]], total: int) -> None:
    """Raise the error of the endpoint if it refused the first three requests, or all of them."""
    reasons = [str(row["rejected"]) for row in rows if "rejected" in row]
    if len(reasons) == len(rows) >= min(_MAX_REJECTIONS, total):
        raise EvaluationError(reasons[-1])


def _build_verdict(rows: Sequence[dict[str, Any]]) -> PairVerdict:
    scores: list[float | None] = []
    failures: list[Failure] = []
    for row, order in zip(rows, ORDERS, strict=True):
        score, failure = _read_row(row, order)
        scores.append(score)
        if failure:
            failures.append(failure)
    models = dict.fromkeys(row["model"] for row in rows if row.get("model"))
    return PairVerdict(by_order=(scores[0], scores[1]), failures=tuple(failures), models=tuple(models))


def _read_row(row: dict[str, Any], order: Order) -> tuple[float | None, Failure | None]:
    """Return the score of a logged reply, or why it has none.

    A truncated reply has no verdict: its last mark may be a mention, and the judge had not finished.
    """
    if "rejected" in row:
        return None, "rejected"
    if row.get("truncated"):
        return None, "truncated"
    score = parse_verdict(str(row["reply"]), order)
    return score, "unreadable" if score is None else None


def _compute_log_fingerprint(endpoint: Endpoint, pairs: Sequence[Pair]) -> str:
    """Return the sha256 of everything that the replies depend on."""
    inputs = [compute_judge_fingerprint(endpoint), endpoint.base_url, [_list_key_fields(pair) for pair in pairs]]
    return hashlib.sha256(json.dumps(inputs).encode("utf-8", "surrogatepass")).hexdigest()


def _list_key_fields(pair: Pair) -> list[str]:
    return [pair[0].task, pair[0].item, pair[0].prompt, pair[0].reference, pair[0].answer, pair[1].answer]


def list_models(verdicts: Iterable[PairVerdict]) -> list[str]:
    """Return every name that the endpoint gave its model."""
    return sorted({model for verdict in verdicts for model in verdict.models})
