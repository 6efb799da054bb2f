"""The page of preference tuning: what changed on data that it has not seen, beside the bounds of the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from seodang.config import AlignBoundParams
from seodang.errors import ArtifactError
from seodang.gate.alignment import BoundCheck, build_alignment_reasons, check_bounds
from seodang.gate.messages import Reason
from seodang.i18n import N_, _
from seodang.training.curves import Points

Estimated = Mapping[str, float | None]
"""A value with the ends of its interval: value, low, high."""
_REWARDS: Final = {
    "reward": (N_("reward"), "score"),
    "constraints_met": (N_("constraints met"), "share"),
    "prompts_met": (N_("prompts with all constraints met"), "share"),
    "exact_answers": (N_("exact answers to closed questions"), "share"),
    "ended": (N_("answers that end"), "share"),
}
"""Title and unit by the name of a figure on held-out prompts."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A row of a table. A figure without values before and after compares both models itself."""

    title: str
    """English; a key of the message catalogue."""
    unit: str
    """share, nats, ratio, tokens or score."""
    tuned: Estimated | None
    aligned: Estimated | None
    change: Estimated | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentPageData:
    """Everything that the page shows."""

    report: Mapping[str, Any]
    """report.json of stage `align`."""
    outcome: bool | None
    """Whether all bounds of the gate are met; None if it is undecided."""
    reasons: Sequence[Reason]
    """Of the gate, about the bounds."""
    checks: Sequence[BoundCheck]
    figures: Sequence[Figure]
    """On held-out pairs."""
    thumb_figures: Sequence[Figure]
    """On held-out answers with a thumb."""
    reward_figures: Sequence[Figure]
    """On held-out prompts with rewards."""
    curves: Mapping[str, Points]


def build_page_data(
    report: Mapping[str, Any], bounds: AlignBoundParams, curves: Mapping[str, Points]
) -> AlignmentPageData:
    """Return the content of the page.

    Args:
        report: report.json of stage `align`, whose method is not "none".
        bounds: Of section `align`.
        curves: By name, as `seodang.training.curves.read_curves` returns them.

    Raises:
        ArtifactError: If a key is missing; the message names it.
    """
    try:
        reasons = build_alignment_reasons(report, bounds)
        outcomes = {reason.passed for reason in reasons}
        return AlignmentPageData(
            report=report,
            outcome=False if False in outcomes else None if None in outcomes else True,
            reasons=reasons,
            checks=check_bounds(report, bounds),
            figures=_list_figures(report["pairs"], report["answers"], report["drift"]) if report["pairs"] else [],
            thumb_figures=_list_thumb_figures(report["thumbs"], report) if report.get("thumbs") else [],
            reward_figures=[
                *_list_reward_model_figures(report.get("reward_model")),
                *_list_reward_figures(report.get("rewards") or {}),
            ],
            curves=curves,
        )
    except (KeyError, TypeError) as error:
        raise ArtifactError(
            _("report.json of stage align has no usable {key}; run: dvc repro align", key=error)
        ) from error


def _list_figures(pairs: Mapping[str, Any], answers: Mapping[str, Any], drift: Mapping[str, Any]) -> list[Figure]:
    likelier, closer, chrf = (
        [figures[name] for name in names]
        for figures, names in (
            (pairs, ("tuned_accuracy", "aligned_accuracy", "accuracy_change")),
            (answers, ("tuned_closer", "aligned_closer", "closer_change")),
            (answers, ("tuned_chrf", "aligned_chrf", "chrf_change")),
        )
    )
    return [
        Figure(N_("better answer likelier"), "share", *likelier),
        Figure(N_("better answer gained more (implicit reward)"), "share", None, None, pairs["reward_accuracy"]),
        Figure(N_("margin of the implicit rewards"), "nats", None, None, pairs["reward_margin"]),
        Figure(N_("log-probability of the better answer"), "nats", *_get_log_probabilities(pairs, "chosen")),
        Figure(N_("log-probability of the worse answer"), "nats", *_get_log_probabilities(pairs, "rejected")),
        Figure(N_("own answer closer to the better one"), "share", *closer),
        Figure(N_("chrF of the own answer to the better one"), "ratio", *chrf),
        *_list_answer_figures(answers, drift),
    ]


def _list_thumb_figures(thumbs: Mapping[str, Any], report: Mapping[str, Any]) -> list[Figure]:
    """Return the figures on thumbs; those on the own answers follow only where no pairs have them."""
    return [
        Figure(
            N_("good answer gained more than a bad one (implicit reward)"),
            "share",
            None,
            None,
            thumbs["reward_accuracy"],
        ),
        Figure(N_("difference of the mean implicit rewards"), "nats", None, None, thumbs["reward_margin"]),
        Figure(N_("log-probability of a good answer"), "nats", *_get_log_probabilities(thumbs, "chosen")),
        Figure(N_("log-probability of a bad answer"), "nats", *_get_log_probabilities(thumbs, "rejected")),
        *([] if report["pairs"] else _list_answer_figures(report["answers"], report["drift"])),
    ]


def _list_answer_figures(answers: Mapping[str, Any], drift: Mapping[str, Any]) -> list[Figure]:
    lengths = (answers["tuned_length"], answers["aligned_length"])
    return [
        Figure(N_("KL divergence per token, on other instructions"), "score", None, None, drift["kl_per_token"]),
        Figure(N_("KL divergence per token"), "score", None, None, answers["kl_per_token"]),
        Figure(N_("length of the answers in tokens"), "tokens", *lengths, None),
        Figure(N_("length, relative to the tuned model"), "ratio", None, None, answers["length_ratio"]),
    ]


def _get_log_probabilities(figures: Mapping[str, Any], side: str) -> tuple[Estimated, Estimated, Estimated]:
    """Return the values of the tuned and the aligned model, and the change."""
    before, after = (figures[f"{model}_{side}_log_probability"] for model in ("tuned", "aligned"))
    return before, after, figures[f"{side}_change"]


def _list_reward_model_figures(model: Mapping[str, Any] | None) -> list[Figure]:
    """Return what held-out pairs say about the reward model; nothing without one."""
    if model is None:
        return []
    figures = {
        N_("reward model: better answer preferred"): ("share", model["accuracy"]),
        N_("reward model: the same, where the better answer is longer"): (
            "share",
            model["better_is_longer"]["accuracy"],
        ),
        N_("reward model: the same, where it is shorter"): ("share", model["better_is_shorter"]["accuracy"]),
        N_("reward model: margin"): ("score", model["margin"]),
        N_("reward model: correlation with length"): ("score", model["length_correlation"]),
    }
    return [Figure(title, unit, None, None, figure) for title, (unit, figure) in figures.items()]


def _list_reward_figures(rewards: Mapping[str, Any]) -> list[Figure]:
    """Return the figures that the report has; a figure without prompts is null there."""
    known = [(title, unit, rewards[name]) for name, (title, unit) in _REWARDS.items() if rewards.get(name)]
    return [Figure(title, unit, values["tuned"], values["aligned"], values["change"]) for title, unit, values in known]
