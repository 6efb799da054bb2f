"""Copies of fast tokenizers that read control tokens as text."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection
from typing import Any

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast


def create_plain_backend(tokenizer: PreTrainedTokenizerBase, unmarked_controls: Collection[str]) -> Tokenizer | None:
    """Return a copy of a fast tokenizer that reads control tokens as text; None where the option of encoding does it.

    Args:
        tokenizer: Any tokenizer.
        unmarked_controls: Added tokens that control the model, though they are not marked as special.
    """
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        return None
    state: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    hidden = [
        token["content"] for token in state["added_tokens"] if token["special"] or token["content"] in unmarked_controls
    ]
    is_renamed = _finds_whole_words(state["model"]) and _rename_tokens(state, hidden)
    if not (is_renamed or unmarked_controls):
        return None
    for token in state["added_tokens"]:
        token["special"] = token["special"] or token["content"] in unmarked_controls
    backend = Tokenizer.from_str(json.dumps(state | {"truncation": None, "padding": None}))
    backend.encode_special_tokens = True
    return backend


def _finds_whole_words(model: dict[str, Any]) -> bool:
    """Return whether a text becomes a token because the vocabulary has it; BPE only joins what its merges name."""
    return model["type"] != "BPE" or bool(model.get("ignore_merges"))


def _rename_tokens(state: dict[str, Any], hidden: Collection[str]) -> bool:
    """Rename control tokens in the vocabulary of a model, so that no text finds them; their ids stay.

    The token for unknown text keeps its name where the model looks it up by name; it controls nothing.
    """
    vocabulary, unknown = state["model"]["vocab"], state["model"].get("unk_token")
    known = {piece for piece, _score in vocabulary} if isinstance(vocabulary, list) else set(vocabulary)
    secret = secrets.token_hex(16)  # nobody can write what nobody can guess
    names = {name: f"\ue000{secret}{number}" for number, name in enumerate(hidden) if name in known and name != unknown}
    if isinstance(vocabulary, list):
        state["model"]["vocab"] = [[names.get(piece, piece), score] for piece, score in vocabulary]
    else:
        state["model"]["vocab"] = {names.get(piece, piece): id for piece, id in vocabulary.items()}
    for token in state["added_tokens"]:
        token["content"] = names.get(token["content"], token["content"])
    return bool(names)
