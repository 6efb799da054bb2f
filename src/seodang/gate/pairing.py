"""Pair the scores of two models on the same items; scores that cannot be compared are refused. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from seodang.errors import EvaluationError
from seodang.gate.score_ranges import iter_range_errors
from seodang.gate.score_scales import find_scale_errors
from seodang.gate.scores import Pairs, ScoreKey, Scores
from seodang.i18n import N_, _, ngettext

_MESSAGE_LIMIT = 5  # items that a message names


def pair_scores(
    candidate: Scores, reference: Scores, against: str, *, has_known_scale: bool = False
) -> dict[str, Pairs]:
    """Return the pairs of each metric, items in a fixed order.

    Args:
        candidate: Scores of the model that may be promoted.
        reference: Scores of the model that it is compared with.
        against: Name of the reference in messages.
        has_known_scale: Both have the scale of the registry, because the pipeline computed them. Scores that are all
            small are then those of a bad model.

    Raises:
        EvaluationError: If items, metrics, languages, fingerprints or scales differ.
    """
    errors = [
        *_find_item_differences(candidate, reference, against),
        *_find_setting_differences(candidate, reference, against),
        *_find_scale_errors(candidate, reference, against, has_known_scale=has_known_scale),
    ]
    if errors:
        raise EvaluationError("\n".join([_("the scores cannot be compared:"), *(f"  {error}" for error in errors)]))
    pairs = {}
    for metric in dict.fromkeys(key.metric for key in candidate):
        keys = sorted(key for key in candidate if key.metric == metric)
        pairs[metric] = Pairs(
            tuple(key.task for key in keys),
            tuple(candidate[key].language for key in keys),
            tuple(key.item for key in keys),
            np.array([candidate[key].score for key in keys]),
            np.array([reference[key].score for key in keys]),
            frozenset(key.task for key in keys if candidate[key].is_task_file),
            tuple(candidate[key].group for key in keys),
            contents
            if any(contents := tuple(candidate[key].content or reference[key].content for key in keys))
            else (),
        )
    return pairs


def _find_scale_errors(candidate: Scores, reference: Scores, against: str, *, has_known_scale: bool) -> list[str]:
    """Return the errors of scales and ranges; a metric on two scales has no second error about its range."""
    errors = {} if has_known_scale else find_scale_errors(candidate, reference, against)
    ranges = [*iter_range_errors(candidate, "candidate", errors), *iter_range_errors(reference, against, errors)]
    return [*errors.values(), *ranges]


def _find_item_differences(candidate: Scores, reference: Scores, against: str) -> list[str]:
    errors = []
    for name, other, missing in (
        ("candidate", against, reference.keys() - candidate.keys()),
        (against, "candidate", candidate.keys() - reference.keys()),
    ):
        if missing:
            errors.append(
                ngettext(
                    "{name} lacks {count} score that {other} has ({scores}); score both on the same items and metrics",
                    "{name} lacks {count} scores that {other} has ({scores}); score both on the same items and metrics",
                    len(missing),
                    name=name,
                    other=other,
                    scores=_format_keys(missing),
                )
            )
    return errors


def _find_setting_differences(candidate: Scores, reference: Scores, against: str) -> list[str]:
    shared = candidate.keys() & reference.keys()
    errors = []
    for field, meaning in (
        ("language", N_("the same item has another language")),
        ("fingerprint", N_("another prompt, shots or seed")),
        ("group", N_("the same item has another group")),
    ):
        differing = {key for key in shared if getattr(candidate[key], field) != getattr(reference[key], field)}
        if differing:
            errors.append(
                ngettext(
                    "candidate and {against} differ in the field {field} of {count} score ({scores}): {meaning}",
                    "candidate and {against} differ in the field {field} of {count} scores ({scores}): {meaning}",
                    len(differing),
                    against=against,
                    field=field,
                    scores=_format_keys(differing),
                    meaning=_(meaning),
                )
            )
    return errors


def _format_keys(keys: Iterable[ScoreKey]) -> str:
    ordered = sorted(keys)
    text = ", ".join("/".join(key) for key in ordered[:_MESSAGE_LIMIT])
    return text if len(ordered) <= _MESSAGE_LIMIT else f"{text}, ..."
