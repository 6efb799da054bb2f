"""The number of tokens of a request, in the shape of OpenAI's routes."""

from __future__ import annotations

from typing import Any

from seodang.service.routes.request_fields import StreamOptions


def build_usage(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    """Return the number of tokens of prompts and answers."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


def build_chunk_usage(options: StreamOptions, prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    """Return the field `usage` of a chunk before the last one; empty if the request wants none.

    Args:
        options: Of the stream.
        prompt_tokens: Of the chunk's answer.
        completion_tokens: Of the chunk's answer, so far.
    """
    if not options.include_usage:
        return {}
    return {"usage": build_usage(prompt_tokens, completion_tokens) if options.continuous_usage_stats else None}
