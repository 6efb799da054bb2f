"""The aligned model as a candidate beside the tuned one: bounds on what changed, and the choice. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from seodang.config import AlignBoundParams
from seodang.gate.decision import Decision
from seodang.gate.messages import Reason, build_reason, format_interval
from seodang.gate.verdict import OUTCOME_LABELS, VERDICT_LABELS
from seodang.i18n import N_, Message

TUNED: Final = "tuned"
ALIGNED: Final = "aligned"
_LABELS: Final = {
    "reward_accuracy": N_("share of held-out pairs whose preferred answer gained more"),
    "chosen_change": N_("change of the log-probability of preferred answers"),
    "kl_per_token": N_("KL divergence from the tuned model per token"),
    "length_ratio": N_("length of the answers, relative to the tuned model"),
}


def build_alignment_reasons(report: Mapping[str, Any], bounds: AlignBoundParams) -> list[Reason]:
    """Return whether the figures of stage `align` lie within their bounds; the complete interval must.

    Args:
        report: Of the stage.
        bounds: Of section `align`.
    """
    pairs, answers = report.get("pairs") or {}, report.get("answers") or {}
    count = int(pairs.get("pairs", 0))
    if count < bounds.minimum_pairs:
        message = Message(
            "preferences undecided: {pairs}, and align.bounds.minimum_pairs is {minimum}",
            {
                "pairs": Message("{count} held-out pair", plural="{count} held-out pairs", count=count),
                "minimum": bounds.minimum_pairs,
            },
        )
        return [build_reason(None, message)]
    limits = {
        "reward_accuracy": (pairs, bounds.minimum_reward_accuracy, None),
        "chosen_change": (pairs, -bounds.maximum_chosen_drop, None),
        "kl_per_token": (answers, None, bounds.maximum_kl_per_token),
        "length_ratio": (answers, bounds.minimum_length_ratio, bounds.maximum_length_ratio),
    }
    return [_build_reason(name, figures[name], low, high) for name, (figures, low, high) in limits.items()]


def _build_reason(
    name: str, figure: Mapping[str, float | None], minimum: float | None, maximum: float | None
) -> Reason:
    passed = _is_within(figure, minimum, maximum)
    bounds = {
        (False, True): Message("at least {bound:g} required", {"bound": minimum}),
        (True, False): Message("at most {bound:g} allowed", {"bound": maximum}),
    }.get((minimum is None, maximum is None)) or Message(
        "from {minimum:g} to {maximum:g} allowed", {"minimum": minimum, "maximum": maximum}
    )
    message = Message(
        "{subject} {outcome}: {value}, interval {interval} ({bounds})",
        {
            "subject": Message(_LABELS[name]),
            "outcome": Message(OUTCOME_LABELS[passed]),
            "value": "-" if figure["value"] is None else f"{figure['value']:.4f}",
            "interval": format_interval(figure["low"], figure["high"], ".4f"),
            "bounds": bounds,
        },
    )
    return build_reason(passed, message)


def _is_within(figure: Mapping[str, float | None], minimum: float | None, maximum: float | None) -> bool | None:
    """Return whether the complete interval lies within the bounds; None if it reaches over one, or is unknown."""
    low, high = figure["low"], figure["high"]
    if low is None or high is None:
        return None
    floor, ceiling = -float("inf") if minimum is None else minimum, float("inf") if maximum is None else maximum
    if high < floor or low > ceiling:
        return False
    return True if floor <= low and high <= ceiling else None


def choose_candidate(decisions: Mapping[str, Decision]) -> str:
    """Return the candidate that the verdict is about: the aligned model if it is promoted, else the tuned one."""
    return ALIGNED if decisions[ALIGNED].verdict == "promote" else TUNED


def build_choice_note(decisions: Mapping[str, Decision], method: str) -> Reason:
    """Return which of both candidates the verdict is about, and what was decided about the other."""
    chosen = choose_candidate(decisions)
    texts = {
        ALIGNED: Message(
            "the candidate is the model aligned with {method}; verdict on the tuned model alone: {verdict}",
            {"method": method, "verdict": Message(VERDICT_LABELS[decisions[TUNED].verdict])},
        ),
        TUNED: Message(
            "the candidate is the tuned model; verdict on the model aligned with {method}: {verdict}",
            {"method": method, "verdict": Message(VERDICT_LABELS[decisions[ALIGNED].verdict])},
        ),
    }
    return build_reason(True, texts[chosen], is_information=True)
