"""Render the model card: README.md of a packaged model, with the metadata of a Hugging Face model card.

The card has an English part and a Korean part. It depends only on the reports, so the same reports give the same bytes.
Its numbers are those of the verdict.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from seodang.gate.differences import read_score_difference
from seodang.gate.verdict import VERDICT_LABELS
from seodang.html import create_environment, create_markdown_functions, escape_markdown
from seodang.i18n import N_, Language, Message
from seodang.licences import find_hub_licence, summarize_licences
from seodang.licences.model_names import format_title
from seodang.licences.texts import STATUS_LABELS, USE_LABELS
from seodang.licences.verdict import Part, list_parts
from seodang.metric_registry import SUMMARY_METRICS

if TYPE_CHECKING:
    from jinja2 import Template

_TEMPLATES: Final = Path(__file__).parent / "templates"
_TUNED: Final = "tuned"
# Licences that add no obligation to those of the base.
_PERMISSIVE: Final = frozenset(
    "apache-2.0 mit cc0-1.0 cc-by-2.0 cc-by-3.0 cc-by-4.0 odc-by pddl bsd-2-clause bsd-3-clause isc unlicense"
    " wtfpl".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCardData:
    """Input of the card, from the stages' reports."""

    tag: str
    """Tag of the model in BentoML's store, NAME:VERSION."""
    weights_sha256: str
    prompt_format: str
    fingerprint: str
    """Fingerprint of the prompt renderer."""
    max_new_tokens: int
    train: dict[str, Any]
    """Section train of params.yaml."""
    train_report: dict[str, Any]
    """Report of stage train."""
    evaluate_report: dict[str, Any]
    """Report of stage evaluate."""
    sources: list[dict[str, Any]]
    """Sources of the report of stage ingest that have at least one row."""
    lineage: dict[str, Any]
    """Lineage of seodang.json."""


def render_model_card(card_data: ModelCardData) -> str:
    """Return the card as Markdown with its metadata: an English part, then a Korean part."""
    metadata = yaml.safe_dump(build_metadata(card_data), allow_unicode=True, sort_keys=False, width=1000)
    english, korean = _render_part(card_data, "en"), _render_part(card_data, "ko")
    return f"---\n{metadata}---\n\n{english}\n---\n\n{korean}"


def _render_part(card_data: ModelCardData, language: Language) -> str:
    functions = create_markdown_functions(language)
    return _load_template().render(**_build_context(card_data), language=language, **functions)


def build_metadata(card_data: ModelCardData) -> dict[str, Any]:
    """Return the metadata with the names of the Hugging Face Hub."""
    base, sources = card_data.lineage["base"], card_data.sources
    return {
        **_select_licence([base.get("licence", "")], [source["licence"] for source in sources]),
        "language": sorted(_get_tuned_scores(card_data).get("languages", {}), reverse=True),
        "base_model": base.get("hub") or base["name"],
        "base_model_relation": "finetune",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "datasets": [source["name"] for source in sources],
        "tags": [
            *("seodang", "instruction-tuning", card_data.train["method"]),
            *([card_data.lineage["alignment"]["method"]] if "alignment" in card_data.lineage else []),
            f"prompt-{card_data.prompt_format}",
        ],
        "model-index": [{"name": card_data.tag.partition(":")[0], "results": _build_results(card_data)}],
    }


def _select_licence(base: list[str], data: list[str]) -> dict[str, str]:
    """Return the licence of the weights: the base's, or the more restrictive ones of base and data."""
    restrictions = summarize_licences([*base, *data])
    restrictive_names = {
        find_hub_licence(name)
        for name in [*restrictions.non_commercial, *restrictions.share_alike, *restrictions.unknown]
    }
    names = sorted(restrictive_names | ({find_hub_licence(name) for name in base} - _PERMISSIVE)) or [
        find_hub_licence(name) for name in base
    ]
    return {"license": names[0]} if len(names) == 1 else {"license": "other", "license_name": "-and-".join(names)}


def _get_tuned_scores(card_data: ModelCardData) -> dict[str, Any]:
    variants = card_data.evaluate_report["variants"]
    return next((variant for variant in variants if variant["name"] == _get_candidate(card_data)), {})


def _get_candidate(card_data: ModelCardData) -> str:
    """Return the variant that was packaged: tuned, or aligned by preference tuning."""
    return str(card_data.lineage["verdict"].get("candidate", _TUNED))


def _build_results(card_data: ModelCardData) -> list[dict[str, Any]]:
    """Return the model-index: the tuned model's means, and the difference and interval of each gate rule."""
    verdict = card_data.lineage["verdict"]
    means = [
        {
            "type": name,
            "value": round(float(_get_tuned_scores(card_data)[name]), 4),
            "name": f"{name}, mean over the test items",
        }
        for name in SUMMARY_METRICS
        if _has_score(card_data, name)
    ]
    differences = [_build_difference(result, verdict.get("confidence", 0.95)) for result in verdict.get("results", [])]
    dataset = {
        "type": "seodang-test-split",
        "name": "held-out test split and task files",
        "args": {"items_fingerprint": verdict.get("items_fingerprint", "")},
    }
    return (
        [
            {
                "task": {"type": "text-generation", "name": "Instruction following"},
                "dataset": dataset,
                "metrics": [*means, *differences],
            }
        ]
        if means or differences
        else []
    )


def _has_score(card_data: ModelCardData, name: str) -> bool:
    return _get_tuned_scores(card_data).get(name) is not None


def _build_difference(result: dict[str, Any], confidence: float) -> dict[str, Any]:
    subset = f" [{result['group']}]" if result["group"] else ""
    difference = read_score_difference(result)
    interval = (
        "no interval"
        if difference.low is None
        else f"{confidence:.0%} interval {difference.low:+.4f} to {difference.high:+.4f}"
    )
    return {
        "type": result["metric"],
        "value": round(difference.value, 4),
        "name": f"{result['metric']}{subset}, difference to {result['against']} ({interval}, {result['items']} items)",
    }


def _build_context(card_data: ModelCardData) -> dict[str, Any]:
    restrictions = summarize_licences(
        [*(source["licence"] for source in card_data.sources), card_data.lineage["base"].get("licence", "")]
    )
    return {
        "card_data": card_data,
        "title": format_title(card_data.tag, _list_parts(card_data)),
        "licences": card_data.lineage.get("licences") or {},
        "use_labels": USE_LABELS,
        "status_labels": STATUS_LABELS,
        "lineage": card_data.lineage,
        "base": card_data.lineage["base"],
        "verdict": card_data.lineage["verdict"],
        "verdict_label": VERDICT_LABELS.get(card_data.lineage["verdict"]["verdict"], N_("unknown")),
        "tuned": _get_tuned_scores(card_data),
        "candidate": _get_candidate(card_data),
        "alignment": card_data.lineage.get("alignment"),
        "sources": [
            {
                **source,
                "non_commercial": bool(summarize_licences([source["licence"]]).non_commercial),
                "unknown": bool(summarize_licences([source["licence"]]).unknown),
            }
            for source in card_data.sources
        ],
        "restrictions": restrictions,
        "metrics": SUMMARY_METRICS,
        "hyperparameters": _list_hyperparameters(card_data.train),
        "unseen_tasks": [task for task in card_data.evaluate_report.get("tasks", []) if task["split"] == "unseen"],
        "tasks": sorted(
            {task["task"] for task in card_data.evaluate_report.get("tasks", []) if task["split"] == "test"}
        ),
        "forgetting": card_data.evaluate_report.get("forgetting", []),
        "baselines": card_data.evaluate_report.get("baselines", []),
        "checksums": _list_checksums(card_data),
    }


def _list_parts(card_data: ModelCardData) -> list[Part]:
    return list_parts(card_data.lineage["base"].get("licence", ""), card_data.sources)


def _list_hyperparameters(train: dict[str, Any]) -> list[tuple[str, Any]]:
    names = [
        "method",
        "precision",
        "epochs",
        "batch_size",
        "max_length",
        "learning_rate",
        "lr_scheduler",
        "warmup_ratio",
        "weight_decay",
        "max_grad_norm",
        "neftune_noise_alpha",
        "seed",
    ]
    adapter = [] if train["method"] == "full" else ["rank", "alpha", "dropout", "target_modules"]
    values = {name: train[name] for name in [names[0], *adapter, *names[1:]] if name in train}
    return [(name, ", ".join(value) if isinstance(value, list) else value) for name, value in values.items()]


def _list_checksums(card_data: ModelCardData) -> list[tuple[Message, str]]:
    """Return the checksums of the lineage, from the served weights to the source rows."""
    lineage = card_data.lineage
    checksums = [
        (Message("served weights"), card_data.weights_sha256),
        (Message("adapter"), lineage["adapter_sha256"]),
        (Message("adapter before preference tuning"), lineage.get("alignment", {}).get("tuned_sha256")),
        (Message("base weights"), lineage["base"].get("weights_sha256")),
        (Message("scores"), lineage["scores_sha256"]),
        *((Message("split {name}", {"name": name}), value) for name, value in lineage["splits"].items()),
        (Message("accepted records"), lineage["accepted_sha256"]),
        (Message("ingested records"), lineage["records_sha256"]),
        (Message("prompt renderer"), card_data.fingerprint),
        (Message("dvc.lock"), lineage["dvc_lock_sha256"]),
        (Message("git commit"), lineage["git_commit"]),
    ]
    return [(name, str(value)) for name, value in checksums if value]


@cache
def _load_template() -> Template:
    jinja_environment = create_environment(_TEMPLATES, autoescape=False)
    jinja_environment.finalize = lambda value: escape_markdown(value) if type(value) is str else value
    jinja_environment.globals["score_difference"] = read_score_difference
    return jinja_environment.get_template("model_card.md.j2")
