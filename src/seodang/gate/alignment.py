"""The aligned model as a candidate beside the tuned one: bounds on what changed, and the choice. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from seodang.config import AlignBoundParams
from seodang.gate.decision import Decision
from seodang.gate.messages import Reason, build_reason, format_interval
from seodang.gate.verdict import OUTCOME_LABELS, VERDICT_LABELS
from seodang.i18n import N_, Message

TUNED: Final = "tuned"
ALIGNED: Final = "aligned"
USES_THUMBS: Final = frozenset({"kto"})
"""Methods that learn from thumbs, and are judged by them where too few pairs are held out."""
WITHOUT_REFERENCE: Final = frozenset({"orpo"})
"""Methods that are not trained against a reference."""
_LABELS: Final = {
    "reward_accuracy": N_("share of held-out pairs whose preferred answer gained more"),
    "thumb_accuracy": N_("probability that a held-out answer marked good gained more than one marked bad"),
    "aligned_accuracy": N_("share of held-out pairs whose preferred answer is likelier"),
    "chosen_change": N_("change of the log-probability of preferred answers"),
    "reward_change": N_("change of the mean reward on held-out prompts"),
    "kl_per_token": N_("KL divergence from the tuned model per token"),
    "length_ratio": N_("length of the answers, relative to the tuned model"),
}


@dataclass(frozen=True, slots=True)
class BoundCheck:
    """A figure of stage `align` beside its bounds."""

    name: str
    figure: Mapping[str, float | None]
    """Value with the ends of its interval: value, low, high."""
    minimum: float | None
    maximum: float | None
    is_strict: bool = False
    """Whether the interval must lie above the minimum, not only reach down to it."""

    @property
    def label(self) -> str:
        """Return the words for the figure, a key of the message catalogue."""
        return _LABELS[self.name]

    @property
    def passed(self) -> bool | None:
        """Return whether the complete interval lies within the bounds; None if it reaches over one, or is unknown."""
        low, high = self.figure["low"], self.figure["high"]
        if low is None or high is None:
            return None
        floor = -float("inf") if self.minimum is None else self.minimum
        ceiling = float("inf") if self.maximum is None else self.maximum
        if self.is_strict and (high <= floor or low <= floor):
            return False if high <= floor else None
        if high < floor or low > ceiling:
            return False
        return True if floor <= low and high <= ceiling else None

    def describe_bounds(self) -> Message:
        """Return the bounds in words, in all languages."""
        if self.is_strict:
            return Message("more than {bound:g} required", {"bound": self.minimum})
        if self.maximum is None:
            return Message("at least {bound:g} required", {"bound": self.minimum})
        if self.minimum is None:
            return Message("at most {bound:g} allowed", {"bound": self.maximum})
        return Message("from {minimum:g} to {maximum:g} allowed", {"minimum": self.minimum, "maximum": self.maximum})


def check_bounds(report: Mapping[str, Any], bounds: AlignBoundParams) -> list[BoundCheck]:
    """Return the bounded figures of a report of stage `align`; none with too few held-out preferences or prompts.

    Drift and length are measured on instructions of the validation split: on the prompts of the pairs, other answers
    are the aim. Prompts with rules are such instructions themselves. ORPO starts from the base and has no reference.
    Its distance from the tuned model is no drift, and a gain over that model is not its reward: it must prefer the
    better answers by itself. KTO is judged by held-out thumbs where there are too few pairs.

    Args:
        report: Of the stage.
        bounds: Of section `align`.
    """
    if _describe_shortage(report, bounds):
        return []
    rewards = report.get("rewards")
    answers = rewards if rewards and "reward_model" not in report else report["drift"]
    length = BoundCheck(
        "length_ratio", answers["length_ratio"], bounds.minimum_length_ratio, bounds.maximum_length_ratio
    )
    drift = BoundCheck("kl_per_token", answers["kl_per_token"], None, bounds.maximum_kl_per_token)
    if rewards:
        change = rewards["reward"]["change"]
        return [BoundCheck("reward_change", change, bounds.minimum_reward_change, None, is_strict=True), drift, length]
    name, preferences = _choose_accuracy(report, bounds)
    accuracy = preferences["reward_accuracy" if name == "thumb_accuracy" else name]
    return [
        # The bound itself is not enough, because by default it is that of chance.
        BoundCheck(name, accuracy, bounds.minimum_reward_accuracy, None, is_strict=True),
        BoundCheck("chosen_change", preferences["chosen_change"], -bounds.maximum_chosen_drop, None),
        *([] if report["method"] in WITHOUT_REFERENCE else [drift]),
        length,
    ]


def _choose_accuracy(report: Mapping[str, Any], bounds: AlignBoundParams) -> tuple[str, Mapping[str, Any]]:
    """Return the name of the accuracy that judges, and the figures of the pairs or thumbs that it is among."""
    if _count_pairs(report) < bounds.minimum_pairs:
        return "thumb_accuracy", report["thumbs"]
    return "aligned_accuracy" if report["method"] in WITHOUT_REFERENCE else "reward_accuracy", report["pairs"]


def build_alignment_reasons(report: Mapping[str, Any], bounds: AlignBoundParams) -> list[Reason]:
    """Return whether the figures of stage `align` lie within their bounds; the complete interval must.

    A method that learns from rewards is judged on held-out prompts, the others on held-out preference pairs.

    Args:
        report: Of the stage.
        bounds: Of section `align`.
    """
    shortage = _describe_shortage(report, bounds)
    if shortage is not None:
        return [build_reason(None, shortage)]
    return [_build_reason(check) for check in check_bounds(report, bounds)]


def _count_pairs(report: Mapping[str, Any]) -> int:
    return int((report.get("pairs") or {}).get("pairs", 0))


def _describe_shortage(report: Mapping[str, Any], bounds: AlignBoundParams) -> Message | None:
    """Return that there are too few held-out prompts, pairs or thumbs; None if there are enough."""
    if (rewards := report.get("rewards")) is not None:
        count, minimum = int(rewards["prompts"]), bounds.minimum_prompts
        prompts = Message("{count} held-out prompt", plural="{count} held-out prompts", count=count)
        message = Message(
            "rewards undecided: {prompts}, and align.bounds.minimum_prompts is {minimum}",
            {"prompts": prompts, "minimum": minimum},
        )
        return message if count < minimum else None
    minimum, pairs, questions = bounds.minimum_pairs, _count_pairs(report), _count_questions(report)
    if max(pairs, questions or 0) >= minimum:
        return None
    values = describe_held_out(pairs, questions)
    if too_long := int(report.get("records", {}).get("held_out", {}).get("too_long", 0)):
        return Message(
            "preferences undecided: {held_out}, and align.bounds.minimum_pairs is {minimum}; left out as longer than"
            " align.max_length: {too_long}",
            {"held_out": values, "minimum": minimum, "too_long": too_long},
        )
    return Message(
        "preferences undecided: {held_out}, and align.bounds.minimum_pairs is {minimum}",
        {"held_out": values, "minimum": minimum},
    )


def _count_questions(report: Mapping[str, Any]) -> int | None:
    """Return the number of held-out questions whose thumbs judge; None with a method that they do not judge."""
    if report.get("method") not in USES_THUMBS:
        return None
    return int((report.get("thumbs") or {}).get("questions", 0))


def describe_held_out(pairs: int, questions: int | None) -> Message:
    """Return what is held out of preferences, in words.

    Args:
        pairs: Held-out pairs.
        questions: Held-out questions with a thumb up, or with a thumb down if these are fewer; None: thumbs do not
            judge the method.
    """
    text = Message("{count} held-out pair", plural="{count} held-out pairs", count=pairs)
    if questions is None:
        return text
    thumbs = Message(
        "thumbs for {count} held-out question (up or down, whichever has fewer)",
        plural="thumbs for {count} held-out questions (up or down, whichever has fewer)",
        count=questions,
    )
    return Message("{pairs} and {thumbs}", {"pairs": text, "thumbs": thumbs})


def _build_reason(check: BoundCheck) -> Reason:
    figure = check.figure
    message = Message(
        "{subject} {outcome}: {value}, interval {interval} ({bounds})",
        {
            "subject": Message(check.label),
            "outcome": Message(OUTCOME_LABELS[check.passed]),
            "value": "-" if figure["value"] is None else f"{figure['value']:.4f}",
            "interval": format_interval(figure["low"], figure["high"], ".4f"),
            "bounds": check.describe_bounds(),
        },
    )
    return build_reason(check.passed, message)


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
