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

    def number(self, name: str) -> int:
        """Return a whole number; 3.0 is one."""
        value = self.values.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            raise self._fault(name, "a whole number")
        return int(value)

    def text(self, name: str) -> str:
        """Return a text that isn't blank."""
        value = self.values.get(name)
        if not isinstance(value, str) or not value.strip():
            raise self._fault(name, "a text")
        return value

    def texts(self, name: str) -> list[str]:
        """Return texts, one at least."""
        value = self.values.get(name)
        if not isinstance(value, list) or not value or not all(isinstance(one, str) and one.strip() for one in value):
            raise self._fault(name, "a list of texts")
        return value

    def holds(self, count: int, relation: str, number: str) -> bool:
        """Return whether a count stands in the relation, "at least" or "less than", to a number; both are names of arguments."""
        wanted, asked = self.text(relation), self.number(number)
        if wanted not in {"at least", "less than"}:
            raise self._fault(relation, '"at least" or "less than"')
        return count >= asked if wanted == "at least" else count < asked

    def _fault(self, name: str, kind: str) -> EvaluationError:
        return EvaluationError(
            f"instruction {self.instruction}: the argument {name} must be {kind} (got {self.values.get(name)!r}) / 인자가 맞지 않습니다"
        )
