"""Which parameter makes a run fit that would not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seodang.config import TrainParams

_MIN_TOKENS = 64  # tokens


@dataclass(frozen=True, slots=True)
class Change:
    """New values of train's parameters under which a run fits, and its peak then."""

    values: Mapping[str, Any]
    peak: int  # bytes

    def describe(self, train: TrainParams) -> str:
        """Return the change in words: "train.tokens_per_micro_batch 512 instead of 1024"."""
        return ", ".join(
            f"train.{name} {_format_value(value)} instead of {_format_value(getattr(train, name))}"
            for name, value in self.values.items()
        )


def _format_value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def suggest_changes(train: TrainParams, limit: int, estimate_peak: Callable[[TrainParams], int]) -> list[Change]:
    """Return changes of one parameter that suffice; if there are none, the first changes together that do; if none do, [].

    Args:
        train: Under which the run does not fit.
        limit: Bytes that there are.
        peak_of: Returns the bytes that a run takes.
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
    """Return the first changes that suffice together, each as mild as the others allow."""
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
    """Yield, for each parameter, the values that take less and less memory, the mildest first."""
    if budgets := list(_iter_halvings(train.tokens_per_micro_batch, train.max_length)):
        yield [{"tokens_per_micro_batch": tokens} for tokens in budgets]
    if not train.activation_checkpointing:
        yield [{"activation_checkpointing": True}]
    if train.precision == "fp32":
        yield [{"precision": "bf16"}]
    if train.method == "full":
        yield [{"method": "lora"}]
    if train.method != "qlora" and train.sharding == "none":
        yield [{"method": "qlora"}]
    if lengths := list(_iter_halvings(train.max_length, _MIN_TOKENS)):
        yield [{"max_length": length, "tokens_per_micro_batch": length} for length in lengths]


def _iter_halvings(value: int, minimum: int) -> Iterator[int]:
    while value > minimum:
        value = max(minimum, value // 2)
        yield value
