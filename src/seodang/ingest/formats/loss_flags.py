"""Read the keys of a message that say whether a model may learn it: weight, loss_mask, train and similar keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from seodang.ingest.formats.record_marks import find_message_marks
from seodang.ingest.formats.sample import describe_value
from seodang.ingest.formats.verdicts import parse_verdict
from seodang.ingest.rows import RECORD_REJECTED

# True or 1 means learned: OpenAI's weight, verl's loss_mask, axolotl's train and training, ms-swift's loss.
_LEARNED_KEYS: Final = (
    *("weight", "loss_weight", "loss_mask", "loss", "compute_loss"),
    *("train", "training", "trainable", "is_trainable", "train_on", "train_on_turn", "learn", "learnable"),
)
# True or 1 means excluded: torchtune's masked.
_EXCLUDED_KEYS: Final = ("masked", "ignore", "ignored", "ignore_loss", "exclude", "excluded", "no_loss", "skip_loss")
# Parts of a message that are learned or not, such as axolotl's: a record cannot hold them.
_PART_KEYS: Final = ("train_detail", "training_detail", "loss_spans")
FLAG_KEYS: Final = (*_LEARNED_KEYS, *_EXCLUDED_KEYS, *_PART_KEYS)


class LossFlagError(ValueError):
    """A message says in an unknown way whether it may be learned."""


def read_loss_flag(message: Mapping[str, Any]) -> bool:
    """Return whether a message may be learned; true if it does not say so.

    Raises:
        LossFlagError: If a key has an unknown value, or selects parts of the message.

    """
    for key in _PART_KEYS:
        if message.get(key):
            raise LossFlagError(f"{key} selects parts of a message")
    if RECORD_REJECTED in find_message_marks(message).findings:
        return False
    learned = all(_read(message, key) for key in _LEARNED_KEYS if message.get(key) is not None)
    return learned and not any(_read(message, key) for key in _EXCLUDED_KEYS if message.get(key) is not None)


def _read(message: Mapping[str, Any], key: str) -> bool:
    """Return the truth of a flag; a positive weight counts as true, because a loss has no weights for answers."""
    value = message[key]
    if isinstance(value, list) and value and len({str(item) for item in value}) == 1:
        value = value[0]  # a flag for each token that is the same for all
    if isinstance(value, float | int) and not isinstance(value, bool) and value > 0:
        return True
    truth = False if value == 0 else parse_verdict(value)
    if truth is None:
        raise LossFlagError(f"{key} is {describe_value(value)}")
    return truth
