"""Arguments of an instruction, from the prompt file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seodang.errors import EvaluationError
from seodang.i18n import _


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one instruction.

    Each method raises EvaluationError if an argument is missing or of another type.
    """

    instruction: str
    values: Mapping[str, Any]
    """A null counts as missing, because some copies of the prompts name all arguments in each row."""

    def get_int(self, name: str) -> int:
        """Return an integer; 3.0 is accepted."""
        value = self.values.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            raise self._build_error(name, _("an integer"))
        return int(value)

    def get_text(self, name: str) -> str:
        """Return a text that is not blank."""
        value = self.values.get(name)
        if not isinstance(value, str) or not value.strip():
            raise self._build_error(name, _("a text"))
        return value

    def get_texts(self, name: str) -> list[str]:
        """Return a list of at least one text."""
        value = self.values.get(name)
        if (
            not isinstance(value, list)
            or not value
            or not all(isinstance(text, str) and text.strip() for text in value)
        ):
            raise self._build_error(name, _("a list of texts"))
        return value

    def check_relation(self, count: int, relation: str, number: str) -> bool:
        """Return whether a count satisfies a relation to a number.

        Args:
            count: The count of the answer.
            relation: Name of an argument whose value is "at least" or "less than".
            number: Name of the argument with the number.
        """
        comparison, threshold = self.get_text(relation), self.get_int(number)
        if comparison not in {"at least", "less than"}:
            raise self._build_error(relation, _('"at least" or "less than"'))
        return count >= threshold if comparison == "at least" else count < threshold

    def _build_error(self, name: str, kind: str) -> EvaluationError:
        return EvaluationError(
            _(
                "instruction {instruction}: the argument {name} must be {kind} (got {value!r})",
                instruction=self.instruction,
                name=name,
                kind=kind,
                value=self.values.get(name),
            )
        )
