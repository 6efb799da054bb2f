"""Metrics of preference tuning: the values that TRL logs, under the names of our curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from transformers import TrainerControl, TrainerState, TrainingArguments

from seodang.training import curves
from seodang.training.tracking import TrainingMetrics

_CURVES: Final = {
    "rewards/accuracies": curves.REWARD_ACCURACY,
    "rewards/margins": curves.REWARD_MARGIN,
    "logps/chosen": curves.CHOSEN_LOG_PROBABILITY,
    "logps/rejected": curves.REJECTED_LOG_PROBABILITY,
    "eval_rewards/accuracies": curves.HELD_OUT_REWARD_ACCURACY,
    "eval_rewards/margins": curves.HELD_OUT_REWARD_MARGIN,
    "reward": curves.REWARD,
    "constraints_met": curves.CONSTRAINTS_MET,
    "completions/mean_length": curves.ANSWER_LENGTH,
}
# KTO's reference point is the mean of a sum over tokens, GRPO's divergence a mean over tokens.
_DIVERGENCES: Final = {True: curves.REFERENCE_DIVERGENCE, False: curves.REFERENCE_POINT}
_SPEEDS: Final = frozenset(curve.name for curve in (curves.TOKENS, curves.LABEL_TOKENS, curves.RECORDS))


class PreferenceMetrics(TrainingMetrics):
    """Renames the values of each log entry, before the other callbacks see it and in the log history.

    It must be the first callback.
    """

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_kwargs: Any,
    ) -> None:
        """Replace the entry by its curves; the summary at the end of training belongs to no curve."""
        if logs is None:
            return
        entry = self.build_log_entry(logs)
        logs.clear()
        logs.update(entry)
        last = state.log_history[-1]
        kept = {name: last[name] for name in ("step", "epoch") if name in last}
        last.clear()
        last.update(entry | kept)

    def build_log_entry(self, logs: Mapping[str, float]) -> dict[str, float]:
        """Return the current values of the curves; TRL does not count the tokens of an optimizer step."""
        entry = {name: value for name, value in super().build_log_entry(logs).items() if name not in _SPEEDS}
        names = {**_CURVES, "kl": _DIVERGENCES["reward" in logs]}
        return entry | {curve.name: float(logs[key]) for key, curve in names.items() if key in logs and entry}
