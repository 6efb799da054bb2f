"""The rules of stage `validate` on a generated record, before it is written. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from seodang.ingest.formats.rows import Origin, build_row
from seodang.ingest.formats.sample import Sample
from seodang.validation.check_files import CheckParams
from seodang.validation.checks.registry import CHECKS, METRICS
from seodang.validation.checks.run import Finding, examine
from seodang.validation.workers import get_row_action

ANSWER_RULES: Final = ("refusal", "output-language", "foreign-script", "instruction-echo")
"""Of an answer that a teacher wrote. Stage `validate` only warns of some of them, because people may mean it so."""


@dataclass(frozen=True, slots=True)
class RowCheck:
    """The rules with their limits."""

    params: CheckParams

    def find(self, texts: Mapping[str, str], rules: Collection[str]) -> dict[str, Finding]:
        """Return the findings of some rules in a record, by id of the rule.

        Args:
            texts: Instruction, input and output.
            rules: Ids of the rules.
        """
        sample = Sample(texts["instruction"], texts["output"], texts["input"])
        row = build_row(sample, Origin("generated", "any", self.params.max_field_characters), 0)
        return examine(row, self.params.expectations.limits, frozenset(rules)).findings

    def list_rejecting_rules(self) -> list[str]:
        """Return the ids of the rules on a single record that reject it."""
        ids = [*CHECKS, *METRICS]
        return [id for id in ids if get_row_action(self.params.expectations, id) == "reject"]
