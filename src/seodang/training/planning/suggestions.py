"""Which parameter makes a run fit that would not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from seodang.config import TrainParams

_SMALLEST_PASS = 64  # tokens


@dataclass(frozen=True, slots=True)
class Change:
    """New values of train's parameters under which a run fits, and its peak then."""

    values: Mapping[str, Any]
    peak: int  # bytes

    def named(self, train: TrainParams) -> str:
        """Return the change in words: "train.batch_tokens 512 instead of 1024"."""
        return ", ".join(
            f"train.{name} {_written(value)} instead of {_written(getattr(train, name))}"
            for name, value in self.values.items()
        )


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def changes_that_fit(train: TrainParams, limit: int, peak_of: Callable[[TrainParams], int]) -> list[Change]:
    """Return changes of one parameter that suffice; if there are none, the first changes together that do; if none do, [].

    Args:
        train: Under which the run does not fit.
        limit: Bytes that there are.
        peak_of: Returns the bytes that a run takes.
    """
    found = [change for ladder in _ladders(train) if (change := _first_fitting(train, ladder, limit, peak_of))]
    return found or _together(train, limit, peak_of)


def _first_fitting(
    train: TrainParams, ladder: list[dict[str, Any]], limit: int, peak_of: Callable[[TrainParams], int]
) -> Change | None:
    for values in ladder:
        peak = peak_of(train.model_copy(update=values))
        if peak <= limit:
            return Change(values, peak)
    return None


def _together(train: TrainParams, limit: int, peak_of: Callable[[TrainParams], int]) -> list[Change]:
    """Return the first changes that suffice together, each as mild as the others allow."""
    used: list[list[dict[str, Any]]] = []
    for ladder in _ladders(train):
        used.append(ladder)
        strongest = [rungs[-1] for rungs in used]
        if peak_of(train.model_copy(update=_merged(strongest))) > limit:
            continue
        for place, rungs in enumerate(used):
            others = strongest[place + 1 :]
            strongest[place] = next(
                rung
                for rung in rungs
                if peak_of(train.model_copy(update=_merged([*strongest[:place], rung, *others]))) <= limit
            )
        values = _merged(strongest)
        return [Change(values, peak_of(train.model_copy(update=values)))]
    return []


def _merged(changes: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: value for values in changes for name, value in values.items()}


def _ladders(train: TrainParams) -> Iterator[list[dict[str, Any]]]:
    """Yield, for each parameter, the values that take less and less memory, the mildest first."""
    if passes := list(_halved(train.batch_tokens, train.max_length)):
        yield [{"batch_tokens": tokens} for tokens in passes]
    if not train.activation_checkpointing:
        yield [{"activation_checkpointing": True}]
    if train.precision == "fp32":
        yield [{"precision": "bf16"}]
    if train.method == "full":
        yield [{"method": "lora"}]
    if train.method != "qlora" and train.sharding == "none":
        yield [{"method": "qlora"}]
    if lengths := list(_halved(train.max_length, _SMALLEST_PASS)):
        yield [{"max_length": length, "batch_tokens": length} for length in lengths]


def _halved(value: int, least: int) -> Iterator[int]:
    while value > least:
        value = max(least, value // 2)
        yield value
