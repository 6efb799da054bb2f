"""The input of one forward pass of training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """The input of one forward pass: U tokens with L label positions."""

    input_ids: Tensor  # (1, U) packed, (records, longest) padded
    position_ids: Tensor | None  # (1, U), counted from 0 in each record; None when padded
    # For each group of records of similar length (records, longest): positions of their tokens in U; () when padded.
    attention_rows: tuple[Tensor, ...]
    # (U,): index of each token in the flattened and concatenated groups; None when padded.
    result_rows: Tensor | None
    label_positions: Tensor  # (L,): indices, in the flattened input_ids, of the tokens that predict a label
    targets: Tensor  # (L,): the labels
    active_rows: Tensor  # (R,), ascending: the label positions without repeats; packed: and others up to a multiple
    record_lengths: Tensor  # length of the record of each token: (1, U) packed, (records, 1) padded
    record_tokens: int  # tokens of the records, as if no prefix were shared

    def to(self, device: torch.device | str) -> MicroBatch:
        """Return the micro-batch on another device."""
        tensors = {name: _move(getattr(self, name), device) for name in self.__slots__ if name != "record_tokens"}
        return MicroBatch(**tensors, record_tokens=self.record_tokens)

    def build_inputs(self, *, include_targets: bool = True) -> dict[str, Any]:
        """Return the arguments of the forward pass (see seodang.training.kernels.chunked_loss).

        Args:
            include_targets: True for the loss, False for the logits at the label positions.
        """
        inputs: dict[str, Any] = {
            "input_ids": self.input_ids,
            "label_positions": self.label_positions,
            "active_rows": self.active_rows,
        }
        if include_targets:
            inputs["targets"] = self.targets
        if self.result_rows is not None:
            inputs |= {
                "position_ids": self.position_ids,
                "attention_rows": self.attention_rows,
                "result_rows": self.result_rows,
            }
        return inputs

    def drop_targets(self) -> MicroBatch:
        """Return the micro-batch without labels: a process without records still takes part in the forward pass."""
        return replace(self, label_positions=self.label_positions[:0], targets=self.targets[:0])


def _move(value: Any, device: torch.device | str) -> Any:
    if isinstance(value, tuple):
        return tuple(_move(part, device) for part in value)
    return None if value is None else value.to(device, non_blocking=True)
