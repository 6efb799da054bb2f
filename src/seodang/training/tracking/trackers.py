"""MLflow, TensorBoard and Weights & Biases, through accelerate's trackers: the same names in each.

transformers' own callbacks for them rename what they log, each in its way (train/loss, loss, train/train_loss; a
`train_loss` never becomes a curve in W&B), and log a hundred arguments of the Trainer instead of params.yaml.
Addresses and secrets come from the environment alone (MLFLOW_TRACKING_URI, WANDB_API_KEY, ...); without one, nothing
leaves this machine.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from accelerate.tracking import GeneralTracker, MLflowTracker, TensorBoardTracker, WandBTracker
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from seodang.config.section import Section
from seodang.errors import TrainingError
from seodang.training.tracking.dvclive import select_curves

logger = logging.getLogger(__name__)
_PROJECT: Final = "seodang"
# Read by the clients when they are imported; who sets them keeps them. MLflow's own number of tries makes training wait
# for minutes for a server that has gone.
_ENV_DEFAULTS: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "WANDB_ERROR_REPORTING": "false",
}


def check_trackers(names: Sequence[str]) -> None:
    """Hold the trackers of `train.report_to` to what is installed and set; to be called before anything is loaded.

    Raises:
        TrainingError: If one is not installed, or W&B has no key and is not offline; the message says what to do.

    """
    for variable, value in _ENV_DEFAULTS.items():
        os.environ.setdefault(variable, value)
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise TrainingError(
                f"train.report_to names {name}, which is not installed; run: uv pip install -c requirements.lock -e '.[{name}]', or take {name} out of train.report_to"
            )
    if "wandb" in names and os.environ.get("WANDB_MODE", "online") == "online" and not _has_wandb_key():
        raise TrainingError(
            "train.report_to names wandb, and there is no key; set WANDB_API_KEY, or WANDB_MODE=offline to keep the run on this machine"
        )


def _has_wandb_key() -> bool:
    import wandb

    return bool(wandb.api.api_key)  # WANDB_API_KEY, or what `wandb login` keeps


def flatten_params(sections: Mapping[str, Section]) -> dict[str, bool | int | float | str]:
    """Return the parameters of the sections as `section.parameter`; lists and null as text, which every tracker takes."""
    flat: dict[str, bool | int | float | str] = {}
    for name, section in sections.items():
        for key, value in section.model_dump().items():
            flat[f"{name}.{key}"] = (
                value
                if isinstance(value, bool | int | float | str)
                else ", ".join(map(str, value))
                if isinstance(value, list)
                else str(value)
            )
    return flat


class Trackers(TrainerCallback):
    """Logs curves and parameters to the trackers that are named.

    A run that goes on from a checkpoint becomes a run of its own there, with the whole curve. A tracker that fails
    while training runs is left alone from then on, with a warning: an update costs more than its log.
    """

    def __init__(self, names: Sequence[str], sections: Mapping[str, Section], folder: Path) -> None:
        self._names = names
        self._sections = sections
        self._folder = folder
        self._open_trackers: list[GeneralTracker] = []

    def on_train_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Open the trackers, with what the checkpoint tells of the run so far.

        Raises:
            TrainingError: If one does not open; nothing has been trained yet.

        """
        if not state.is_world_process_zero:
            return
        for name in self._names:
            try:
                tracker = _create_tracker(name, self._folder)
                tracker.start()
                tracker.store_init_configuration(flatten_params(self._sections))
            except Exception as error:  # whatever their clients raise
                raise TrainingError(
                    f"the tracker {name} does not open: {error}; check its address and key in the environment, or take it out of train.report_to"
                ) from error
            self._open_trackers.append(tracker)
        for entry in state.log_history:
            self._log(int(entry["step"]), entry)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: Any,
    ) -> None:
        """Log what of `logs` is a curve."""
        self._log(state.global_step, logs or {})

    def _log(self, step: int, logs: Mapping[str, float]) -> None:
        values = select_curves(logs)
        for tracker in list(self._open_trackers) if values else []:
            try:
                tracker.log(values, step=step)
            except Exception as error:
                logger.warning(
                    "the tracker %s failed at update %d and gets nothing more of this run: %s",
                    tracker.name,
                    step,
                    error,
                )
                self._open_trackers.remove(tracker)

    def close(self, *, failed: bool) -> None:
        """End the runs, as failed ones where the tracker knows that state."""
        for tracker in self._open_trackers:
            try:
                _finish(tracker, failed=failed)
            except Exception as error:
                logger.warning("the tracker %s did not close: %s", tracker.name, error)
        self._open_trackers.clear()


def _create_tracker(name: str, folder: Path) -> GeneralTracker:
    run_name = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S")
    folder.mkdir(parents=True, exist_ok=True)
    match name:
        case "mlflow":
            if "MLFLOW_TRACKING_URI" not in os.environ:
                import mlflow

                mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
            return MLflowTracker(os.environ.get("MLFLOW_EXPERIMENT_NAME", _PROJECT), run_name=run_name)
        case "tensorboard":
            return TensorBoardTracker(run_name, os.environ.get("TENSORBOARD_LOGGING_DIR", str(folder / "tensorboard")))
        case "wandb":
            return WandBTracker(
                os.environ.get("WANDB_PROJECT", _PROJECT),
                dir=os.environ.get("WANDB_DIR", str(folder)),
                name=os.environ.get("WANDB_NAME", run_name),
            )
    raise TrainingError(f"train.report_to names {name}, which is not a tracker that is known here")


def _finish(tracker: GeneralTracker, *, failed: bool) -> None:
    if failed and tracker.name == "mlflow":
        import mlflow

        mlflow.end_run("FAILED")
    elif failed and tracker.name == "wandb":
        tracker.tracker.finish(exit_code=1)
    else:
        tracker.finish()
