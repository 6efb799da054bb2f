"""One test of a rule against all variants of its reference, such as the prompts of the base. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from seodang.config import GateParams, RuleParams
from seodang.gate.ledger import Reuse
from seodang.gate.rule_test import RuleTest, run_test
from seodang.gate.scores import Pairs


@dataclass(frozen=True, slots=True)
class VariantTests:
    """A rule on one group of items against all variants of a reference."""

    variants: tuple[RuleTest, ...]
    selected: RuleTest
    """Against the variants that are selected on earlier items, which a rejection needs; a single variant itself."""

    @property
    def name(self) -> str:
        """Return the name of the test, whatever the variant."""
        return self.selected.name


def run_variants(
    rule_index: int,
    rule: RuleParams,
    variants: Sequence[tuple[str, Pairs]],
    selected: Pairs,
    group: str,
    gate: GateParams,
    *,
    name: str,
    reuse: Reuse,
) -> VariantTests:
    """Return the statistics of one test against each variant of its reference; its outcome is open.

    Args:
        rule_index: Among the rules.
        rule: Rule.
        variants: Name and pairs of each.
        selected: As `select_forward` returns them for all variants.
        group: Language or task of a rule with `group_by`, else empty.
        gate: Seed, confidence and number of resamples.
        name: Of the test.
        reuse: Earlier judgements on these items, and the level that they leave.
    """
    run = partial(run_test, rule_index, rule, group=group, gate=gate, name=name, reuse=reuse)
    tests = tuple(run(against=against, pairs=pairs) for against, pairs in variants)
    if len(variants) == 1 and selected is variants[0][1]:
        return VariantTests(tests, tests[0])
    return VariantTests(tests, run(against=name, pairs=selected))
