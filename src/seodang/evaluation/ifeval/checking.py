"""Strict and loose checks of an answer (Zhou et al. 2023, section 2.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seodang.errors import EvaluationError
from seodang.evaluation.ifeval.arguments import Arguments
from seodang.evaluation.ifeval.rules import RULES
from seodang.i18n import _


@dataclass(frozen=True, slots=True)
class InstructionResult:
    """Whether an answer follows each instruction of a prompt, in order."""

    strict: tuple[bool, ...]
    loose: tuple[bool, ...]  # of any variant of iter_loose_answers()


def check_instructions(ids: Sequence[str], arguments: Sequence[Mapping[str, Any]], answer: str) -> InstructionResult:
    """Return which instructions an answer follows; a blank answer follows none.

    Args:
        ids: Instructions of the prompt, such as "punctuation:no_comma".
        arguments: Of each instruction.
        answer: Generated text.

    Raises:
        EvaluationError: With the errors of find_instruction_errors().
    """
    if errors := find_instruction_errors(ids, arguments):
        raise EvaluationError("; ".join(errors))
    instructions = [(id, Arguments(id, values)) for id, values in zip(ids, arguments, strict=True)]
    loose_answers = list(iter_loose_answers(answer))
    return InstructionResult(
        tuple(_is_followed(id, values, answer) for id, values in instructions),
        tuple(any(_is_followed(id, values, variant) for variant in loose_answers) for id, values in instructions),
    )


def _is_followed(id: str, arguments: Arguments, answer: str) -> bool:
    return bool(answer.strip()) and RULES[id](answer, arguments)


def iter_loose_answers(answer: str) -> Iterator[str]:
    """Yield the answer, without its first line, without its last, without both; each also without asterisks.

    The variants ignore an opening such as "Sure, here it is:" and marks of bold type.
    """
    lines = answer.split("\n")
    for part in (answer, "\n".join(lines[1:]).strip(), "\n".join(lines[:-1]).strip(), "\n".join(lines[1:-1]).strip()):
        yield part
        yield part.replace("*", "")


def find_instruction_errors(ids: object, arguments: object) -> list[str]:
    """Return the errors of a prompt's instructions: no list, an unknown id, a missing argument."""
    if not (
        isinstance(ids, Sequence)
        and not isinstance(ids, str)
        and ids
        and isinstance(arguments, Sequence)
        and len(ids) == len(arguments)
    ):
        return [_("instruction_id_list must be a list of at least one id, and kwargs a list of equal length")]
    errors = []
    for id, values in zip(ids, arguments, strict=True):
        if id not in RULES:
            errors.append(_("instruction {id}: there is no rule for it; remove the row", id=id))
        elif not isinstance(values, Mapping):
            errors.append(_("instruction {id}: its arguments must be an object (got {value!r})", id=id, value=values))
        else:
            try:
                RULES[id]("probe", Arguments(id, values))
            except EvaluationError as error:
                errors.append(str(error))
    return errors
