"""Whether vLLM can keep answers to a form with the tokenizer of a model. vLLM itself is not imported here."""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

from seodang.i18n import _
from seodang.inference.engine.contract import GuideFailed

_readable: WeakSet[Any] = WeakSet()


def check_tokenizer(tokenizer: Any) -> None:
    """Check that llguidance itself reads a tokenizer, as vLLM lets it; it needs a second for a large vocabulary.

    Otherwise vLLM's own process would fail, and every request with it.

    Raises:
        GuideFailed: If it does not, as with SentencePiece's Unigram without byte fallback.
    """
    if tokenizer in _readable:
        return
    import llguidance.hf

    try:
        llguidance.hf.from_tokenizer(tokenizer)
    except Exception as error:  # of several classes
        raise GuideFailed(
            _("the engine vllm cannot keep answers to a form with the tokenizer of this model")
        ) from error
    _readable.add(tokenizer)
