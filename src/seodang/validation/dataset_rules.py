"""Rules on the entire data set, with their texts; `dataset_checks` computes what they bound."""

from __future__ import annotations

from typing import Final

from seodang.i18n import Message
from seodang.validation.checks.rule import Rule

DATASET_RULES: Final[tuple[Rule, ...]] = (
    Rule(
        id="quarantined-ratio",
        field="data",
        reason=Message("more than {limit:.1%} of the rows are quarantined"),
        fix=Message(
            "repair the quarantined rows, or raise expectations.dataset.quarantined_ratio.maximum in params.yaml"
        ),
        maximum="quarantined_ratio",
    ),
    Rule(
        id="source-quarantined-ratio",
        field="data",
        reason=Message("more than {limit:.1%} of the rows of one source are quarantined"),
        fix=Message("check its files with seodang check and repair them, or remove the source from ingest.sources"),
        maximum="source_quarantined_ratio",
    ),
    Rule(
        id="accepted-count",
        field="data",
        reason=Message("fewer than {limit:,} row is accepted", plural="fewer than {limit:,} rows are accepted"),
        fix=Message("add data, or lower expectations.dataset.accepted_count.minimum in params.yaml"),
        minimum="accepted_count",
    ),
    Rule(
        id="unique-ratio",
        field="data",
        reason=Message("less than {limit:.1%} of the rows are unique"),
        fix=Message("check whether ingest.sources lists the same file twice"),
        minimum="unique_ratio",
    ),
    Rule(
        id="language-ratio",
        field="data",
        reason=Message("less than {limit:.1%} of the accepted rows are in a required language"),
        fix=Message("add data in that language, or lower expectations.dataset.language_ratio.minimum in params.yaml"),
        minimum="language_ratio",
    ),
    Rule(
        id="label-ratio",
        field="data",
        reason=Message("one answer makes up more than {limit:.1%} of a task; the model may give only that answer"),
        fix=Message("add records with the rare answers, or set limit at the source with the frequent answer"),
        maximum="label_ratio",
    ),
    Rule(
        id="drift",
        field="data",
        reason=Message(
            "the data differs by more than {limit} from the last accepted data (0: equal, 1: nothing in common)"
        ),
        fix=Message(
            "if the change is intended, raise expectations.dataset.drift.maximum or set its action to warn in params.yaml"
        ),
        maximum="drift",
    ),
    Rule(
        id="pair-length-bias",
        field="data",
        reason=Message(
            "the answers of one side are the longer ones in more than {limit:.1%} of the preference pairs (lower end of "
            "the 95 % interval); the model may learn the length and nothing else"
        ),
        fix=Message(
            "add pairs in which the other side is longer, or raise expectations.dataset.pair_length_bias.maximum in "
            "params.yaml"
        ),
        maximum="pair_length_bias",
    ),
)
