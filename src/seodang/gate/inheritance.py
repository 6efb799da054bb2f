"""The part of a difference that earlier candidates do not explain. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import optimize, stats

from seodang.gate.statistics import Floats, group_differences


def compute_inherited_p(
    differences: Floats, earlier: Sequence[Floats], *, bound: float, groups: Sequence[str] | None = None
) -> float:
    """Return the one-sided p-value that a candidate is better beyond what it inherits from earlier candidates.

    A candidate that is derived from earlier ones shares a part of their scores. If they were selected because they were
    lucky on these items, the candidate looks better without being better. A linear regression on the earlier differences, with
    coefficients of at least zero, explains the inherited part; its intercept is the rest, and is tested with Student's
    t. Its standard error includes that of the coefficients (Draper and Smith 1998, Applied Regression Analysis, 3rd ed.,
    section 5.1). Given the earlier scores, the test holds its level however the earlier candidates were selected, if their
    true means are at least the assumed one.

    The assumed true mean is `bound`, or the mean of all earlier candidates where that is lower: the luck of a candidate
    that is truly worse shows in what it is better than its like. That mean is an estimate, whose error counts too.

    Args:
        differences: Candidate minus reference, of shape (items,); more is better.
        earlier: The same of each earlier candidate. Those with a mean of at most `bound` are left out, unless the mean of
            all is lower too.
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
    means = regressors.mean(axis=0)
    centred = regressors - means
    coefficients, _norm = optimize.nnls(centred, outcome - outcome.mean())
    active = coefficients > 0
    if not active.any():
        return 0.0
    own = outcome - regressors @ coefficients
    if assumed < bound:
        own += coefficients.sum() * (average - assumed)
    rest = group_differences(own, groups)
    count, parameters = len(rest), int(active.sum())
    degrees = count - 1 - parameters
    if degrees < 1:
        return 1.0
    inverse = np.linalg.pinv(centred[:, active].T @ centred[:, active])
    leverage = len(outcome) * float(means[active] @ inverse @ means[active])
    error = rest.standard_error * np.sqrt((1 + leverage) * (count - 1) / degrees)
    if error <= 0:
        return 1.0
    return float(stats.t.sf(rest.mean / error, degrees))
