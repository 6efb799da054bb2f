"""What an instruction asks for in numbers and words, from the prompt file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seodang.errors import EvaluationError


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one instruction; each way of asking raises EvaluationError where one is missing or of another kind."""

    instruction: str
    values: Mapping[str, Any]  # null counts as missing: some copies of the prompts name all arguments in each row

    def get_int(self, name: str) -> int:
        """Return a whole number; 3.0 is one."""
        value = self.values.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            raise self._build_error(name, "a whole number")
        return int(value)

    def get_text(self, name: str) -> str:
        """Return a text that isn't blank."""
        value = self.values.get(name)
        if not isinstance(value, str) or not value.strip():
            raise self._build_error(name, "a text")
        return value

    def get_texts(self, name: str) -> list[str]:
        """Return texts, one at least."""
        value = self.values.get(name)
        if not isinstance(value, list) or not value or not all(isinstance(one, str) and one.strip() for one in value):
            raise self._build_error(name, "a list of texts")
        return value

    def check_relation(self, count: int, relation: str, number: str) -> bool:
        """Return whether a count stands in the relation, "at least" or "less than", to a number; both are names of arguments."""
        comparison, threshold = self.get_text(relation), self.get_int(number)
        if comparison not in {"at least", "less than"}:
            raise self._build_error(relation, '"at least" or "less than"')
        return count >= threshold if comparison == "at least" else count < threshold

    def _build_error(self, name: str, kind: str) -> EvaluationError:
        return EvaluationError(
            f"instruction {self.instruction}: the argument {name} must be {kind} (got {self.values.get(name)!r}) / 인자가 맞지 않습니다"
        )
