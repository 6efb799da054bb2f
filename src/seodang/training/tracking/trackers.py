"""MLflow, TensorBoard and Weights & Biases through accelerate's trackers, with the same names in each.

The callbacks of transformers rename the values, each differently (train/loss, loss, train/train_loss; a `train_loss`
never becomes a curve in W&B). They log a hundred arguments of the Trainer instead of params.yaml. Addresses and secrets
come from the environment only (MLFLOW_TRACKING_URI, WANDB_API_KEY, ...); without one, no data leaves this machine.
"""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from accelerate.tracking import GeneralTracker, MLflowTracker, TensorBoardTracker, WandBTracker

from seodang.config.section import Section
from seodang.errors import TrainingError
from seodang.i18n import _
from seodang.training.tracking.curve_callback import CurveCallback

logger = logging.getLogger(__name__)
_PROJECT: Final = "seodang"
# The clients read these when they are imported; values that the user has set stay. With MLflow's default number of
# retries, training waits for minutes for a server that is gone.
_ENV_DEFAULTS: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "WANDB_ERROR_REPORTING": "false",
}


def check_trackers(names: Sequence[str]) -> None:
    """Raise an error if a tracker of train.report_to cannot be used; call it before anything is loaded.

    Raises:
        TrainingError: If one is not installed, or W&B has no key and is not offline; the message says what to do.

    """
    for variable, value in _ENV_DEFAULTS.items():
        os.environ.setdefault(variable, value)
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise TrainingError(
                _(
                    "train.report_to names {tracker}, which is not installed; run: uv pip install -c requirements.lock"
                    " -e '.[{tracker}]', or remove {tracker} from train.report_to",
                    tracker=name,
                )
            )
    if "wandb" in names and os.environ.get("WANDB_MODE", "online") == "online" and not _has_wandb_key():
        raise TrainingError(
            _(
                "train.report_to names wandb, but there is no key; set WANDB_API_KEY, or set WANDB_MODE=offline to keep"
                " the run on this machine"
            )
        )


def _has_wandb_key() -> bool:
    import wandb

    return bool(wandb.api.api_key)  # WANDB_API_KEY, or the key that `wandb login` saved


def flatten_params(sections: Mapping[str, Section]) -> dict[str, bool | int | float | str]:
    """Return the parameters as `section.parameter`; lists and null become text, which every tracker accepts."""
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


class Trackers(CurveCallback):
    """Logs curves and parameters to the configured trackers.

    A resumed run becomes a new run in the tracker, with complete curves. A tracker that fails during training gets
    no further values, with a warning: training is worth more than its log.
    """

    def __init__(self, names: Sequence[str], sections: Mapping[str, Section], folder: Path) -> None:
        self._names = names
        self._sections = sections
        self._folder = folder
        self._open_trackers: list[GeneralTracker] = []

    def _open(self) -> None:
        """Open the trackers.

        Raises:
            TrainingError: If one does not open; training has not started yet.
        """
        for name in self._names:
            try:
                tracker = _create_tracker(name, self._folder)
                tracker.start()
                tracker.store_init_configuration(flatten_params(self._sections))
            except Exception as error:  # the clients raise any type
                raise TrainingError(
                    _(
                        "the tracker {tracker} does not open: {error}; check its address and key in the environment,"
                        " or remove it from train.report_to",
                        tracker=name,
                        error=error,
                    )
                ) from error
            self._open_trackers.append(tracker)

    def _log(self, step: int, values: Mapping[str, float]) -> None:
        for tracker in list(self._open_trackers) if values else []:
            try:
                tracker.log(values, step=step)
            except Exception as error:
                logger.warning(
                    _(
                        "the tracker {tracker} failed at optimizer step {step} and gets no further values of this run:"
                        " {error}",
                        tracker=tracker.name,
                        step=step,
                        error=error,
                    )
                )
                self._open_trackers.remove(tracker)

    def close(self, *, failed: bool) -> None:
        """Close the runs; after a failure as failed, if the tracker has that state."""
        for tracker in self._open_trackers:
            try:
                _finish(tracker, failed=failed)
            except Exception as error:
                logger.warning(_("the tracker {tracker} did not close: {error}", tracker=tracker.name, error=error))
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
    raise ValueError(f"unknown tracker: {name}")


def _finish(tracker: GeneralTracker, *, failed: bool) -> None:
    if failed and tracker.name == "mlflow":
        import mlflow

        mlflow.end_run("FAILED")
    elif failed and tracker.name == "wandb":
        tracker.tracker.finish(exit_code=1)
    else:
        tracker.finish()
