"""Verifiable rewards: what an answer earns by rules alone, without a model. Pure.

The rules are those of IFEval for constraints (Zhou et al. 2023), exact match for closed questions, and two checks of
the form: the answer ends by itself, and it has the expected language.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from seodang.evaluation.ifeval.checking import check_instructions
from seodang.evaluation.metrics import is_exact_match
from seodang.records import Language, detect_language

FORM_SHARE: Final = 0.2
"""Share of the reward that the form earns; the task earns the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What verifies the answers to a prompt: constraints, or else the exact answer of a closed question."""

    ids: tuple[str, ...] = ()
    """Instructions of IFEval, such as "punctuation:no_comma"; () for a closed question."""
    arguments: tuple[Mapping[str, Any], ...] = ()
    """Of each instruction."""
    answer: str = ""
    """The answer of a closed question; "" with constraints."""
    language: Language
    """Of the reference answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """What an answer earned, and for what."""

    met: tuple[bool, ...]
    """Of each constraint, whether the answer meets it, strictly; () for a closed question."""
    is_exact: bool | None
    """Whether it is the answer of a closed question; None with constraints."""
    ends: bool
    """Whether the model ended the answer before the limit."""
    has_language: bool
    """Whether the answer has the language of the reference."""

    @property
    def task(self) -> float:
        """The share of constraints that are met, or 1.0 for the exact answer, 0 to 1."""
        return float(self.is_exact) if self.is_exact is not None else sum(self.met) / len(self.met)

    @property
    def value(self) -> float:
        """The reward, 0 to 1."""
        return (1 - FORM_SHARE) * self.task + FORM_SHARE * (self.ends + self.has_language) / 2


def compute_reward(goal: Goal, answer: str, *, ends: bool) -> Reward:
    """Return what an answer earns; a blank answer only what its end earns.

    Args:
        goal: Of the prompt.
        answer: Generated text.
        ends: Whether the model ended it before the limit.

    Raises:
        EvaluationError: If the constraints of the goal are damaged.
    """
    return Reward(
        met=check_instructions(goal.ids, goal.arguments, answer).strict if goal.ids else (),
        is_exact=None if goal.ids else is_exact_match(answer, goal.answer),
        ends=ends,
        has_language=_has_language(answer, goal),
    )


def _has_language(answer: str, goal: Goal) -> bool:
    """Return whether an answer has the expected language; one without letters, such as a number, has any."""
    if not any(map(str.isalpha, answer)):
        return bool(answer.strip())
    return detect_language(answer) == goal.language
