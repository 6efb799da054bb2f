"""Changes of parameters that make a run fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seodang.config import TrainParams
from seodang.i18n import _
from seodang.models.methods import get_method

_MIN_TOKENS = 64  # of train.max_length


@dataclass(frozen=True, slots=True)
class Change:
    """New values of parameters of section train with which the run fits, and its peak memory."""

    values: Mapping[str, Any]
    peak: int  # bytes

    def describe(self, train: TrainParams) -> str:
        """Return the change as text: "train.tokens_per_micro_batch 512 instead of 1024"."""
        return ", ".join(
            _(
                "train.{name} {value} instead of {old_value}",
                name=name,
                value=_format_value(value),
                old_value=_format_value(getattr(train, name)),
            )
            for name, value in self.values.items()
        )


def _format_value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def suggest_changes(train: TrainParams, limit: int, estimate_peak: Callable[[TrainParams], int]) -> list[Change]:
    """Return changes of single parameters that suffice, else one change of several parameters, else [].

    Args:
        train: Parameters with which the run does not fit.
        limit: Available bytes.
        estimate_peak: Returns the peak memory of a run, in bytes.
    """
    changes = [
        change
        for ladder in _iter_ladders(train)
        if (change := _find_first_fitting(train, ladder, limit, estimate_peak))
    ]
    return changes or _combine_changes(train, limit, estimate_peak)


def _find_first_fitting(
    train: TrainParams, ladder: list[dict[str, Any]], limit: int, estimate_peak: Callable[[TrainParams], int]
) -> Change | None:
    for values in ladder:
        peak = estimate_peak(train.model_copy(update=values))
        if peak <= limit:
            return Change(values, peak)
    return None


def _combine_changes(train: TrainParams, limit: int, estimate_peak: Callable[[TrainParams], int]) -> list[Change]:
    """Return the first changes that suffice together, each as small as the others allow."""
    ladders: list[list[dict[str, Any]]] = []
    for ladder in _iter_ladders(train):
        ladders.append(ladder)
        strongest = [rungs[-1] for rungs in ladders]
        if estimate_peak(train.model_copy(update=_merge(strongest))) > limit:
            continue
        for position, rungs in enumerate(ladders):
            others = strongest[position + 1 :]
            strongest[position] = next(
                rung
                for rung in rungs
                if estimate_peak(train.model_copy(update=_merge([*strongest[:position], rung, *others]))) <= limit
            )
        values = _merge(strongest)
        return [Change(values, estimate_peak(train.model_copy(update=values)))]
    return []


def _merge(changes: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: value for values in changes for name, value in values.items()}


def _iter_ladders(train: TrainParams) -> Iterator[list[dict[str, Any]]]:
    """Yield for each parameter the values with decreasing memory, the smallest change first."""
    if budgets := list(_iter_halvings(train.tokens_per_micro_batch, train.max_length)):
        yield [{"tokens_per_micro_batch": tokens} for tokens in budgets]
    if not train.activation_checkpointing:
        yield [{"activation_checkpointing": True}]
    if train.precision == "fp32":
        yield [{"precision": "bf16"}]
    method = get_method(train)
    if not method.has_adapter:
        yield [{"method": "lora"}]
    if not method.loads_in_4bit and train.sharding == "none":
        yield [{"method": "qlora"}]
    if lengths := list(_iter_halvings(train.max_length, _MIN_TOKENS)):
        yield [{"max_length": length, "tokens_per_micro_batch": length} for length in lengths]


def _iter_halvings(value: int, minimum: int) -> Iterator[int]:
    while value > minimum:
        value = max(minimum, value // 2)
        yield value
