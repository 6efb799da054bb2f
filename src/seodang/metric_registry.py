"""The metrics of an evaluation: names, order, labels, directions and display. Pure.

Tables, charts, the gate and task files take them from here. A new metric is one entry of REGISTRY and the function that
computes it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from seodang.i18n import N_

TaskKind = Literal["choice", "generate", "perplexity"]
Aggregation = Literal["mean", "weighted_mean", "corpus"]
Unit = Literal["ratio", "points", "reference lengths", "nats/token", "bits/byte", "correlation", "perplexity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric."""

    name: str
    label: str
    """English; the catalogue holds the Korean label."""
    unit: Unit = "ratio"
    """ratio: 0 to 1; points: 0 to 100; reference lengths: 0 or more, 1 is as long as the reference."""
    higher_is_better: bool = True
    is_binary: bool = False
    """A single item scores 0 or 1."""
    aggregation: Aggregation = "mean"
    """mean over the items; weighted_mean by their size; corpus: only a complete set of items has a value."""
    decimals: int = 3
    """Of a displayed value."""
    kinds: tuple[TaskKind, ...] = ()
    """Kinds of task files that may name the metric; empty for a metric that follows from another one."""
    needs_reference: bool = False
    measures_form: bool = False
    """The metric is about the form of an answer, such as its length, so a wrong answer may have the best value."""
    has_baseline: bool = False
    """Answers that do not depend on the question have a score, which rules can compare with."""
    is_summary: bool = False
    """The summary tables, metrics.json and the model card show the metric."""
    is_item_field: bool = False
    """Every item has the metric as a field of its own, whether or not a task file names it."""

    def format(self, value: float) -> str:
        """Return a value as the pages show it."""
        return f"{value:.{self.decimals}f}"


_CHOICE: Final[tuple[TaskKind, ...]] = ("choice",)
_GENERATE: Final[tuple[TaskKind, ...]] = ("generate",)
_PERPLEXITY: Final[tuple[TaskKind, ...]] = ("perplexity",)

_METRICS: Final = (
    Metric(
        name="accuracy",
        label=N_("accuracy"),
        kinds=_CHOICE,
        is_binary=True,
        has_baseline=True,
        is_summary=True,
        is_item_field=True,
    ),
    Metric(name="accuracy_norm", label=N_("accuracy, normalized by length"), kinds=_CHOICE, is_binary=True),
    Metric(name="macro_f1", label=N_("macro F1"), kinds=_CHOICE, aggregation="corpus"),
    Metric(name="spearman", label=N_("Spearman correlation"), kinds=_CHOICE, unit="correlation", aggregation="corpus"),
    Metric(
        name="exact_match",
        label=N_("exact match"),
        kinds=_GENERATE,
        is_binary=True,
        needs_reference=True,
        has_baseline=True,
        is_summary=True,
        is_item_field=True,
    ),
    Metric(
        name="chrf",
        label="chrF",
        kinds=_GENERATE,
        unit="points",
        decimals=1,
        needs_reference=True,
        has_baseline=True,
        is_summary=True,
        is_item_field=True,
    ),
    Metric(name="rouge_l", label="ROUGE-L", kinds=_GENERATE, needs_reference=True),
    Metric(
        name="length_ratio",
        label=N_("length ratio"),
        kinds=_GENERATE,
        unit="reference lengths",
        needs_reference=True,
        measures_form=True,
    ),
    Metric(
        name="eos_rate", label=N_("EOS rate"), kinds=_GENERATE, is_binary=True, measures_form=True, is_item_field=True
    ),
    Metric(
        name="same_language",
        label=N_("answers in the language of the question"),
        kinds=_GENERATE,
        is_binary=True,
        measures_form=True,
    ),
    Metric(name="repetition", label=N_("repetition"), kinds=_GENERATE, higher_is_better=False, measures_form=True),
    *(
        Metric(name=name, label=label, kinds=_GENERATE, measures_form=True)
        for name, label in (
            ("hangul_share", N_("share of Hangul")),
            ("speech_level_consistency", N_("sentences in the answer's main speech style, polite or plain")),
            ("politeness", N_("sentences that are not in plain speech")),
            ("particle_accuracy", N_("sentences without a wrong particle form")),
            ("distinct_clauses", N_("text without repeated clauses")),
        )
    ),
    Metric(name="ifeval_prompt_strict", label=N_("IFEval prompts, strict"), kinds=_GENERATE, is_binary=True),
    Metric(
        name="ifeval_prompt_finished",
        label=N_("IFEval prompts, strict, in an answer that ends"),
        kinds=_GENERATE,
        is_binary=True,
    ),
    Metric(name="ifeval_prompt_loose", label=N_("IFEval prompts, loose"), kinds=_GENERATE, is_binary=True),
    Metric(
        name="ifeval_instruction_strict",
        label=N_("IFEval instructions, strict"),
        kinds=_GENERATE,
        aggregation="weighted_mean",
    ),
    Metric(
        name="ifeval_instruction_loose",
        label=N_("IFEval instructions, loose"),
        kinds=_GENERATE,
        aggregation="weighted_mean",
    ),
    Metric(
        name="loss",
        label=N_("loss"),
        kinds=_PERPLEXITY,
        unit="nats/token",
        higher_is_better=False,
        aggregation="weighted_mean",
        is_summary=True,
        is_item_field=True,
    ),
    Metric(
        name="bits_per_byte",
        label=N_("bits per byte"),
        kinds=_PERPLEXITY,
        unit="bits/byte",
        higher_is_better=False,
        aggregation="weighted_mean",
    ),
    Metric(name="perplexity", label=N_("perplexity"), unit="perplexity", higher_is_better=False, aggregation="corpus"),
)

REGISTRY: Final = {metric.name: metric for metric in _METRICS}
"""By name, in the order of tables."""


# Metrics of other evaluations, in lower case without the part after a comma or "@".
_OTHER_LOWER: Final = frozenset(
    "nll cross_entropy ppl word_perplexity byte_perplexity wer cer ter mer mse mae rmse brier brier_score ece "
    "error error_rate toxicity latency".split()
)
_OTHER_LOWER_WORDS: Final = _OTHER_LOWER | frozenset(
    "loss errors perplexity mistakes failure failures fail fails failed wrong bad harm harmful harmfulness toxic bias biased "
    "hallucination hallucinations repetition refusal refusals rejections penalty cost time seconds ms length distance "
    "variance stderr std violations unsafe rank edits inconsistency incoherence".split()
)
"""Words that turn the direction of a name that begins as a known metric does, such as "judge_loss"."""
_OTHER_SHARES: Final = frozenset(
    "accuracy acc acc_norm acc_mutual_info em exact exact_match f1 micro_f1 precision recall auc auroc mrr ndcg pass win_rate".split()
)
"""From 0 to 1, or in percent."""
_OTHER_TWO_SCALES: Final = frozenset("wer cer ter mer error_rate meteor bertscore comet bleurt toxicity".split())
"""Published as shares and in percent, beside the shares above."""
_OTHER_HIGHER: Final = _OTHER_SHARES | frozenset(
    "mcc meteor bertscore bleurt comet chrf++ reward likelihood log_likelihood".split()
)
_RANGES: Final[Mapping[Unit, tuple[float, float]]] = {
    "ratio": (0.0, 1.0),
    "points": (0.0, 100.0),
    "reference lengths": (0.0, math.inf),
    "nats/token": (0.0, math.inf),
    "bits/byte": (0.0, math.inf),
    "correlation": (-1.0, 1.0),
    "perplexity": (1.0, math.inf),
}


def _select_names(condition: Callable[[Metric], bool]) -> tuple[str, ...]:
    return tuple(metric.name for metric in _METRICS if condition(metric))


SUMMARY_METRICS: Final = _select_names(lambda metric: metric.is_summary)
ITEM_METRICS: Final = (*SUMMARY_METRICS, *_select_names(lambda metric: metric.is_item_field and not metric.is_summary))
"""Fields of every item score; the summary metrics come first."""
BINARY_METRICS: Final = frozenset(_select_names(lambda metric: metric.is_binary))
CORPUS_METRICS: Final = frozenset(_select_names(lambda metric: metric.aggregation == "corpus"))
REFERENCE_METRICS: Final = frozenset(_select_names(lambda metric: metric.needs_reference))
BASELINE_METRICS: Final = _select_names(lambda metric: metric.has_baseline)
"""Metrics of rules against the baseline, whose answers do not depend on the question."""
FORM_METRICS: Final = frozenset(_select_names(lambda metric: metric.measures_form))
"""Metrics of the form of an answer: they do not show whether it is right."""
LOWER_IS_BETTER: Final = frozenset(_select_names(lambda metric: not metric.higher_is_better))
RATIO_METRICS: Final = frozenset(
    _select_names(lambda metric: metric.unit == "ratio" and metric.higher_is_better and metric.aggregation != "corpus")
)
"""Metrics of items whose means lie between 0 and 1, more being better: they share one axis."""


TWO_SIDED_METRICS: Final = _select_names(lambda metric: metric.unit == "reference lengths")
"""Metrics that are best at 1, so that a minimum and a maximum make sense."""


def list_kind_metrics(kind: TaskKind) -> tuple[str, ...]:
    """Return the metrics that a task file of a kind may name."""
    return _select_names(lambda metric: kind in metric.kinds)


def get_direction(name: str) -> bool | None:
    """Return whether more is better; None for a metric whose direction is not known.

    Score files may hold metrics of other evaluations, such as "acc,none" of lm-evaluation-harness or "pass@1".
    """
    if name in REGISTRY:
        return REGISTRY[name].higher_is_better
    plain = _simplify(name)
    if plain in _OTHER_LOWER:
        return False
    if plain in _OTHER_HIGHER:
        return True
    is_known_family = plain.startswith(("rouge", "bleu", "judge"))
    return True if is_known_family and _OTHER_LOWER_WORDS.isdisjoint(_split_words(plain)) else None


def get_range(name: str) -> tuple[float, float]:
    """Return the lowest and the highest score of an item; infinite where the metric has no bound, or is not known."""
    if name in REGISTRY:
        return _RANGES[REGISTRY[name].unit]
    if is_share(name):
        return (0.0, 100.0)
    plain = _simplify(name)
    if plain in _OTHER_LOWER:
        return (0.0, math.inf)
    return (-math.inf, 0.0) if plain == "log_likelihood" else (-math.inf, math.inf)


def is_share(name: str) -> bool:
    """Return whether a metric of another evaluation is a share, which some evaluations give in percent."""
    return name not in REGISTRY and _simplify(name) in _OTHER_SHARES


def has_two_scales(name: str) -> bool:
    """Return whether a metric is published from 0 to 1 and from 0 to 100, such as accuracy or chrF."""
    if name in REGISTRY:
        return REGISTRY[name].unit in ("ratio", "points")
    plain = _simplify(name)
    is_family = plain.startswith(("rouge", "bleu", "chrf")) and get_direction(name) is not False
    return plain in _OTHER_SHARES | _OTHER_TWO_SCALES or is_family


def _simplify(name: str) -> str:
    return re.sub(r"[-\s]+", "_", re.split(r"[,@]", name.lower())[0].strip())


def _split_words(plain: str) -> list[str]:
    """Return the words of a name; also those after the name of a family, as in "judgeloss"."""
    return [word for part in re.split(r"[_/.:]", plain) for word in (part, re.sub(r"^(rouge|bleu|judge)", "", part))]


def get_label(name: str) -> str:
    """Return the English label of a metric; the name itself where the registry does not have it."""
    return REGISTRY[name].label if name in REGISTRY else name


def format_metric(name: str, value: float) -> str:
    """Return a value as the pages show it; three decimals for a metric that the registry does not have."""
    return REGISTRY[name].format(value) if name in REGISTRY else f"{value:.3f}"
