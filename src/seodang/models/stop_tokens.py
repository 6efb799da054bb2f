"""Tokens that end an answer: the end token of the prompt format, and those that the base's settings name beside it.

Many chat models end an answer in several ways: Llama 3 with <|eot_id|>, <|eom_id|> or <|end_of_text|>, Gemma with
<end_of_turn> or <eos>. Each reader of a model must stop at each of them, or one shows more text than another.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from seodang.i18n import _

logger = logging.getLogger(__name__)

# The settings of generation come first; a checkpoint without them is stopped by its configuration, as in transformers.
_SETTINGS_FILES: Final = ("generation_config.json", "config.json")


def read_declared_stop_ids(folder: Path, tokenizer: PreTrainedTokenizerBase | None, vocab_size: int) -> list[int]:
    """Return the end tokens that a checkpoint's settings name, in their order.

    A token that is ordinary text is left out. Some checkpoints name id 0 by default, and an answer that contains such a
    word would be cut there.

    Args:
        folder: Folder of the checkpoint.
        tokenizer: Tokenizer of the checkpoint; None leaves out nothing.
        vocab_size: Number of tokens of the model; higher ids are left out.
    """
    declared = [token for token in _read_end_ids(folder) if 0 <= token < vocab_size]
    if tokenizer is None:
        return declared
    controls = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    if words := [str(tokenizer.convert_ids_to_tokens(token)) for token in declared if token not in controls]:
        logger.warning(
            _(
                "{folder} names the end tokens {tokens}, which are ordinary text; answers do not end at them",
                folder=folder.name,
                tokens=", ".join(map(repr, words)),
            )
        )
    return [token for token in declared if token in controls]


def _read_end_ids(folder: Path) -> list[int]:
    path = next((folder / name for name in _SETTINGS_FILES if (folder / name).exists()), None)
    if path is None:
        return []
    settings: Any = json.loads(path.read_text("utf-8"))
    for section in (settings, settings.get("text_config") or {}):
        if (value := section.get("eos_token_id")) is not None:
            values = value if isinstance(value, list) else [value]
            return list(dict.fromkeys(token for token in values if type(token) is int))
    return []


def join_stop_ids(end_id: int, declared: Iterable[int]) -> list[int]:
    """Return all tokens that end an answer; the one that the model was tuned with is the first."""
    return list(dict.fromkeys([end_id, *declared]))


def get_stop_ids(model: PreTrainedModel, end_id: int) -> list[int]:
    """Return all tokens that end an answer of a model that `load_model` returned.

    Args:
        model: Model, with or without an adapter.
        end_id: End token of the prompt format.
    """
    declared: int | Sequence[int] | None = model.generation_config.eos_token_id
    return join_stop_ids(end_id, [declared] if isinstance(declared, int) else declared or [])
