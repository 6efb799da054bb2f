"""Refuse requests that the model cannot compute, before they stand beside others in a forward pass."""

from __future__ import annotations

from seodang.errors import ModelError
from seodang.i18n import _, ngettext
from seodang.inference.engine.contract import TokenRequest


def check_request(request: TokenRequest, *, vocab_size: int, context_length: int | None) -> None:
    """Raise an error if a prompt is empty or too long, or if a token does not exist.

    Args:
        request: The request.
        vocab_size: Tokens of the model.
        context_length: Maximum number of tokens of prompt and answer; None for no limit.

    Raises:
        ModelError: With what is wrong.
    """
    if not request.prompt:
        raise ModelError(_("the prompt has no tokens"))
    if context_length is not None and len(request.prompt) > context_length:
        raise ModelError(
            ngettext(
                "the prompt has {count:,} token, but the model's context has only {limit:,}",
                "the prompt has {count:,} tokens, but the model's context has only {limit:,}",
                len(request.prompt),
                limit=context_length,
            )
        )
    unknown = [token for token in (*request.prompt, *request.options.logit_bias) if not 0 <= token < vocab_size]
    if unknown:
        raise ModelError(_("there is no token {token}; the model has {count:,}", token=unknown[0], count=vocab_size))


def get_token_limit(request: TokenRequest, context_length: int | None) -> int:
    """Return the maximum number of new tokens: what was asked for, within the context."""
    limit = max(request.options.max_new_tokens, 0)
    return limit if context_length is None else min(limit, context_length - len(request.prompt))
