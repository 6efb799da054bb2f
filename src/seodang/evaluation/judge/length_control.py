"""Win rate of the candidate at equal lengths of the answers (Dubois et al. 2024, arXiv 2404.04475). Pure.

Judges prefer longer answers, so a model wins by writing more. A logistic regression explains the score of each pair by
the model and by the difference of the lengths. The win rate that it predicts for no difference is that of the model
alone. Their regression has a third term, the difficulty of an instruction, which needs the answers of many models; with
two models it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from scipy.special import expit

from seodang.evaluation.judge.resampling import Estimate, Floats, estimate, estimate_share
from seodang.i18n import Message

_RIDGE: Final = 0.1  # keeps the fit finite where one model wins every pair, or length decides all of them
_ITERATIONS: Final = 10  # of Newton's method from zero
_RESAMPLE_ITERATIONS: Final = 3  # from the fit of all pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class WinRate:
    """Mean score of the candidate, a tie as one half, as it is and at equal lengths. Lengths are in characters."""

    pairs: int
    observed: Estimate
    controlled: Estimate
    candidate_length: float
    """Mean."""
    champion_length: float

    def to_json(self) -> dict[str, Any]:
        """Return the values for judge.json."""
        return asdict(self)


def compute_win_rate(lengths: Sequence[tuple[int, int]], scores: Sequence[float], groups: Sequence[str]) -> WinRate:
    """Return the win rate with and without length control.

    Args:
        lengths: Of the answers of candidate and champion, in characters.
        scores: Of the candidate, from 0 to 1, for each pair.
        groups: Name of the group of each pair.
    """
    values = np.array(scores, dtype=np.float64)
    sides = np.array(lengths, dtype=np.float64).reshape(-1, 2)
    covariate = _scale_differences(sides[:, 0] - sides[:, 1])
    start = _fit(np.ones(len(values)), values, covariate, np.zeros(2), _ITERATIONS)

    def predict(weights: Floats) -> Floats:
        result: Floats = expit(_fit(weights, values, covariate, start, _RESAMPLE_ITERATIONS)[..., 0])
        return result

    # Of the unit vectors, a resample sums the weight of each pair.
    controlled = estimate(np.eye(len(values)), groups, predict)
    return WinRate(
        pairs=len(values),
        observed=estimate_share(values, groups),
        controlled=controlled,
        candidate_length=float(sides[:, 0].mean()),
        champion_length=float(sides[:, 1].mean()),
    )


def _scale_differences(differences: Floats) -> Floats:
    """Return the differences in standard deviations, bounded by tanh, so that one long answer does not decide."""
    deviation = float(np.sqrt(np.square(differences).mean()))
    result: Floats = np.tanh(differences / deviation) if deviation else np.zeros_like(differences)
    return result


def _fit(weights: Floats, scores: Floats, covariate: Floats, start: Floats, iterations: int) -> Floats:
    """Return intercept and slope of the weighted logistic regressions, of shape (..., 2), by Newton's method.

    Args:
        weights: Of shape (..., pairs).
        scores: From 0 to 1.
        covariate: Of each pair.
        start: Intercept and slope to begin with.
        iterations: Newton steps.
    """
    parameters = np.broadcast_to(start, (*weights.shape[:-1], 2)).copy()
    design = np.column_stack([np.ones_like(covariate), covariate])
    products = np.einsum("ni,nj->nij", design, design).reshape(len(covariate), 4)
    for _step in range(iterations):
        predicted = expit(parameters @ design.T)
        gradient = (weights * (scores - predicted)) @ design - _RIDGE * parameters
        curvature = (weights * predicted * (1 - predicted)) @ products
        hessian = curvature.reshape(*curvature.shape[:-1], 2, 2) + _RIDGE * np.eye(2)
        parameters += np.linalg.solve(hessian, gradient[..., None])[..., 0]
    return parameters


def describe_win_rate(win_rate: Mapping[str, Any]) -> Message:
    """Return the win rates of judge.json in words, in all languages."""
    return Message(
        "win rate {observed}, at equal lengths of the answers {controlled} (n={pairs}); mean characters {candidate:.0f} "
        "against {champion:.0f}",
        {
            "observed": _format_estimate(win_rate["observed"]),
            "controlled": _format_estimate(win_rate["controlled"]),
            "pairs": win_rate["pairs"],
            "candidate": win_rate["candidate_length"],
            "champion": win_rate["champion_length"],
        },
    )


def _format_estimate(values: Mapping[str, float | None]) -> str:
    value, low, high = (values[name] for name in ("value", "low", "high"))
    if value is None:
        return "–"
    interval = "" if low is None or high is None else f" [{low:.2f}, {high:.2f}]"
    return f"{value:.2f}{interval}"
