"""The rules of stage `validate` on a generated record, before it is written. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from seodang.ingest.formats.rows import Origin, build_row
from seodang.ingest.formats.sample import Sample
from seodang.validation.check_files import CheckParams
from seodang.validation.checks.registry import CHECKS, METRICS
from seodang.validation.checks.run import Finding, examine
from seodang.validation.workers import get_row_action

# Rules of which stage `validate` only warns, because people may mean it so; a teacher does not.
_TEACHER_RULES: Final = (
    "control-character",
    "foreign-script",
    "instruction-echo",
    "loop",
    "output-language",
    "repetition",
)


@dataclass(frozen=True, slots=True)
class RowCheck:
    """The rules on a single record, with their limits."""

    params: CheckParams
    rules: frozenset[str] = field(init=False)
    """Ids of the rules that reject a record, and of those that reject one of a teacher."""

    def __post_init__(self) -> None:
        """Select the rules."""
        rejecting = (id for id in (*CHECKS, *METRICS) if get_row_action(self.params.expectations, id) == "reject")
        object.__setattr__(self, "rules", frozenset({*rejecting, *_TEACHER_RULES}))

    def find(self, texts: Mapping[str, str], more_rules: Collection[str] = ()) -> tuple[str, Finding] | None:
        """Return the first rule that a record violates, with the finding; None if it passes all.

        Args:
            texts: Instruction, input and output.
            more_rules: Ids of further rules.
        """
        sample = Sample(texts["instruction"], texts["output"], texts["input"])
        row = build_row(sample, Origin("generated", "any", self.params.max_field_characters), 0)
        findings = examine(row, self.params.expectations.limits, self.rules | {*more_rules}).findings
        return next(iter(findings.items()), None)
