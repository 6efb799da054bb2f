"""Strict and loose verdicts on an answer (Zhou et al. 2023, section 2.2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seodang.errors import EvaluationError
from seodang.evaluation.ifeval.arguments import Arguments
from seodang.evaluation.ifeval.rules import RULES


@dataclass(frozen=True, slots=True)
class InstructionResult:
    """Which instructions of a prompt an answer follows, in their order."""

    strict: tuple[bool, ...]
    loose: tuple[bool, ...]  # of the answer or one of loosened()


def check_instructions(ids: Sequence[str], arguments: Sequence[Mapping[str, Any]], answer: str) -> InstructionResult:
    """Return the verdicts on an answer; a blank one follows nothing.

    Args:
        ids: Of the prompt's instructions, such as "punctuation:no_comma".
        arguments: Of each instruction.
        answer: As it was generated.

    Raises:
        EvaluationError: Listing what is wrong with the instructions, see faults_of.
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
    """Yield the answer; it without its first line, its last, and both; and each of the four without asterisks.

    An opening like "Sure, here it is:" and marks of bold type are forgiven.
    """
    lines = answer.split("\n")
    for part in (answer, "\n".join(lines[1:]).strip(), "\n".join(lines[:-1]).strip(), "\n".join(lines[1:-1]).strip()):
        yield part
        yield part.replace("*", "")


def find_instruction_errors(ids: object, arguments: object) -> list[str]:
    """Return what is wrong with the instructions of a prompt: no list, no rule for an id, an argument that is missing."""
    if not (
        isinstance(ids, Sequence)
        and not isinstance(ids, str)
        and ids
        and isinstance(arguments, Sequence)
        and len(ids) == len(arguments)
    ):
        return [
            "instructions must be a list of ids, one at least, and as many sets of arguments / 지시 목록이 맞지 않습니다"
        ]
    errors = []
    for id, values in zip(ids, arguments, strict=True):
        if id not in RULES:
            errors.append(f"instruction {id}: there is no rule for it; take the prompt out / 검사 규칙이 없습니다")
        elif not isinstance(values, Mapping):
            errors.append(
                f"instruction {id}: its arguments must be an object (got {values!r}) / 인자는 객체여야 합니다"
            )
        else:
            try:
                RULES[id]("probe", Arguments(id, values))
            except EvaluationError as error:
                errors.append(str(error))
    return errors
