"""The part of a difference that earlier candidates do not explain. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import optimize, stats

from seodang.gate.statistics import Floats, GroupedDifferences, group_differences


def compute_inherited_p(
    differences: Floats, earlier: Sequence[Floats], *, bound: float, groups: Sequence[str] | None = None
) -> float:
    """Return the one-sided p-value that a candidate is better beyond what it inherits from earlier candidates.

    A candidate that is derived from earlier ones shares a part of their scores. If they were selected because they
    were lucky on these items, the candidate looks better without being better. A linear regression on the earlier
    differences, with coefficients of at least zero, explains the inherited part. Its intercept is the rest, and
    Student's t tests it. Given the earlier scores, the test holds its level however the earlier candidates were
    selected, if their true means are at least the assumed one.

    The assumed true mean is `bound`, or the mean of all earlier candidates where that is lower. The luck of a candidate
    that is truly worse shows against that mean, not against `bound`. The mean is an estimate, so its error counts too.

    Args:
        differences: Candidate minus reference, of shape (items,); more is better.
        earlier: The same of each earlier candidate. Those with a mean of at most `bound` are left out, unless the mean
            of all is lower too.
        bound: That the mean difference must exceed.
        groups: Name of each item's group; None if items are independent.

    Returns:
        The p-value; 0.0 if no earlier candidate has a part in the differences.
    """
    if not earlier:
        return 0.0
    average = np.mean(earlier, axis=0)
    assumed = min(bound, float(average.mean()))
    parts = [values - assumed for values in earlier if assumed < bound or values.mean() > bound]
    if not parts:
        return 0.0
    outcome, regressors = differences - bound, np.stack(parts, axis=1)
    coefficients = _fit_coefficients(outcome, regressors)
    active = coefficients > 0
    if not active.any():
        return 0.0
    rest = outcome - regressors @ coefficients
    if assumed < bound:
        rest += coefficients.sum() * (average - assumed)
    return _compute_intercept_p(group_differences(rest, groups), regressors[:, active])


def _fit_coefficients(outcome: Floats, regressors: Floats) -> Floats:
    """Return the coefficients of a least-squares fit with intercept; none is negative."""
    coefficients, _norm = optimize.nnls(regressors - regressors.mean(axis=0), outcome - outcome.mean())
    return np.asarray(coefficients, dtype=np.float64)


def _compute_intercept_p(rest: GroupedDifferences, regressors: Floats) -> float:
    """Return the one-sided p-value of an intercept.

    Its standard error includes that of the coefficients (Draper and Smith 1998, Applied Regression Analysis, 3rd ed.,
    section 5.1).

    Args:
        rest: What the regressors leave, by group.
        regressors: Those with a coefficient above zero, of shape (items, regressors).
    """
    degrees = len(rest) - 1 - regressors.shape[1]
    if degrees < 1:
        return 1.0
    means = regressors.mean(axis=0)
    centred = regressors - means
    leverage = len(regressors) * float(means @ np.linalg.pinv(centred.T @ centred) @ means)
    error = rest.standard_error * np.sqrt((1 + leverage) * (len(rest) - 1) / degrees)
    if error <= 0:
        return 1.0
    return float(stats.t.sf(rest.mean / error, degrees))
