"""What the reasons of rejections mean, in words. Pure."""

from __future__ import annotations

from typing import Final

from seodang.i18n import N_, Message
from seodang.validation.checks.registry import REGISTRY

REASONS: Final = {
    "refused": N_("the teacher refused the call"),
    "empty": N_("the reply is empty"),
    "cut": N_("the reply was cut before the task was complete (max_tokens)"),
    "unparsable": N_("the reply has no task in a known form"),
    "incomplete": N_("a field of the task is missing or blank"),
    "missing": N_("the reply left the task out"),
    "repeated_number": N_("the reply has the task twice"),
    "unknown_number": N_("the reply has a task that was not given"),
    "no_result": N_("nothing came of the reply"),
    "too_short": N_("the instruction is too short"),
    "too_long": N_("the instruction is too long"),
    "starts_with_punctuation": N_("the instruction begins with punctuation"),
    "starts_with_other_script": N_("the instruction begins with a letter of another script"),
    "other_language": N_("the instruction is in another language"),
    "forbidden_word": N_("the instruction needs images, sound, files or the web"),
    "program": N_("the instruction asks for a program"),
    "choices_unusable": N_("the choices of a classification task are not distinct"),
    "answer_not_a_choice": N_("the answer of a classification task is none of its choices"),
    "not_novel": N_("the instruction is too similar to a known one (ROUGE-L)"),
    "lost_in_translation": N_("the translation lost a number, code, an address or a placeholder"),
    "not_translated": N_("the translation is not in the target language"),
    "unanswered": N_("the translated task got no answer"),
    "violates_again": N_("the rewritten row violates the same rule again"),
    "violates_another_rule": N_("the rewritten row violates another rule"),
    "equal_answers": N_("both answers are equal"),
    "unpaired": N_("the other answer is missing"),
    "unjudged": N_("the pair has no two verdicts"),
    "no_verdict": N_("a verdict of the judge cannot be read"),
    "orders_disagree": N_("the two orders prefer different answers"),
    "tie": N_("the judge prefers neither answer"),
}
"""Rules of stage `validate` are reasons, too, under their ids."""
_RULES: Final = {rule.id: rule.reason for rule in REGISTRY}


def describe_reason(reason: str) -> Message:
    """Return the meaning of a reason; an unknown one as it is."""
    return _RULES.get(reason) or Message(REASONS.get(reason, "{reason}"), {"reason": reason})
