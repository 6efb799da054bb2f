"""Log-probabilities in the two shapes of OpenAI's routes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

from seodang.inference.engine.contract import TokenLogprob
from seodang.service.answers.reader import AnswerToken
from seodang.service.answers.token_texts import TokenTexts

_LOWEST: Final = -9999.0  # JSON has no infinity; OpenAI writes this value


def format_chat_logprobs(tokens: Sequence[AnswerToken], texts: TokenTexts) -> dict[str, Any]:
    """Return the log-probabilities of a chat's answer."""
    content = []
    for token in tokens:
        logprob = token.logprob
        if logprob is not None:
            top = [_format_token(other, value, texts) for other, value in logprob.alternatives]
            content.append({**_format_token(token.id, logprob.logprob, texts), "top_logprobs": top})
    return {"content": content, "refusal": None}


def format_completion_logprobs(
    tokens: Sequence[tuple[int, TokenLogprob | None]], offsets: Sequence[int], texts: TokenTexts
) -> dict[str, Any]:
    """Return the log-probabilities of a completion: four lists of the same length.

    Args:
        tokens: Id and log-probability of each token; the first token of a prompt has none.
        offsets: Number of characters before each token.
        texts: Of the tokenizer.
    """
    return {
        "tokens": [texts.get_text(token) for token, _ in tokens],
        "token_logprobs": [None if logprob is None else _limit(logprob.logprob) for _, logprob in tokens],
        "top_logprobs": [None if logprob is None else _format_top(token, logprob, texts) for token, logprob in tokens],
        "text_offset": list(offsets),
    }


def _format_top(token: int, logprob: TokenLogprob, texts: TokenTexts) -> dict[str, float]:
    """Return the best tokens and the token itself; of several tokens with one text, the most likely one."""
    top: dict[str, float] = {}
    for other, value in (*logprob.alternatives, (token, logprob.logprob)):
        text = texts.get_text(other)
        top[text] = max(top.get(text, _LOWEST), _limit(value))
    return top


def _format_token(token: int, logprob: float, texts: TokenTexts) -> dict[str, Any]:
    return {"token": texts.get_text(token), "logprob": _limit(logprob), "bytes": list(texts.get_bytes(token))}


def _limit(logprob: float) -> float:
    return max(logprob, _LOWEST) if not math.isnan(logprob) else _LOWEST
