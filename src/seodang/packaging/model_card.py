"""The model card: README.md of a packaged model, in Korean and English, under the metadata of a Hugging Face model card.

It is made from the reports alone: the same reports give the same bytes. Its numbers are those that the verdict rests on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from seodang.html import environment, escape_markdown
from seodang.licences import hub_licence, licence_summary

if TYPE_CHECKING:
    from jinja2 import Template

MODEL_CARD: Final = "README.md"
_TEMPLATES: Final = Path(__file__).parent / "templates"
_TUNED: Final = "tuned"
_MEASURES: Final = ("accuracy", "exact", "chrf", "loss")
# Who has only these asks for no more than the base's own licence does.
_PERMISSIVE: Final = frozenset(
    "apache-2.0 mit cc0-1.0 cc-by-2.0 cc-by-3.0 cc-by-4.0 odc-by pddl bsd-2-clause bsd-3-clause isc unlicense wtfpl".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """What the card tells, as the stages reported it."""

    tag: str  # of the model in BentoML's store, NAME:VERSION
    weights_sha256: str
    prompt_format: str
    fingerprint: str  # of the prompt renderer
    max_new_tokens: int
    train: dict[str, Any]  # the section of params.yaml
    trained: dict[str, Any]  # the report of stage train
    evaluated: dict[str, Any]  # the report of stage evaluate
    sources: list[dict[str, Any]]  # of the manifest, those that gave a row
    lineage: dict[str, Any]  # as in seodang.json


def model_card(facts: CardFacts) -> str:
    """Return the card as Markdown under its metadata."""
    front = yaml.safe_dump(metadata(facts), allow_unicode=True, sort_keys=False, width=1000)
    return f"---\n{front}---\n\n{_template().render(_context(facts))}"


def metadata(facts: CardFacts) -> dict[str, Any]:
    """Return the metadata as the Hugging Face Hub names it."""
    base, sources = facts.lineage["base"], facts.sources
    return {
        **_licence([base.get("licence", "")], [source["licence"] for source in sources]),
        "language": sorted(_tuned(facts).get("languages", {}), reverse=True),
        "base_model": base.get("hub") or base["name"],
        "base_model_relation": "finetune",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "datasets": [source["name"] for source in sources],
        "tags": ["seodang", "instruction-tuning", facts.train["method"], f"prompt-{facts.prompt_format}"],
        "model-index": [{"name": facts.tag.partition(":")[0], "results": _results(facts)}],
    }


def _licence(base: list[str], data: list[str]) -> dict[str, str]:
    """Return the licence of the weights: the base's, or where data or base ask for more, what they ask for."""
    asked = licence_summary([*base, *data])
    asking = {hub_licence(name) for name in [*asked.non_commercial, *asked.share_alike, *asked.unknown]}
    names = sorted(asking | ({hub_licence(name) for name in base} - _PERMISSIVE)) or [
        hub_licence(name) for name in base
    ]
    return {"license": names[0]} if len(names) == 1 else {"license": "other", "license_name": "-and-".join(names)}


def _tuned(facts: CardFacts) -> dict[str, Any]:
    return next((arm for arm in facts.evaluated["arms"] if arm["name"] == _TUNED), {})


def _results(facts: CardFacts) -> list[dict[str, Any]]:
    """Return the model-index: the tuned model's means, and each test's difference with its interval."""
    verdict = facts.lineage["verdict"]
    means = [
        {"type": name, "value": round(float(_tuned(facts)[name]), 4), "name": f"{name}, mean over the test items"}
        for name in _MEASURES
        if _measured(facts, name)
    ]
    differences = [_difference(test, verdict.get("confidence", 0.95)) for test in verdict.get("tests", [])]
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


def _measured(facts: CardFacts, name: str) -> bool:
    return _tuned(facts).get(name) is not None


def _difference(test: dict[str, Any], confidence: float) -> dict[str, Any]:
    of = f" [{test['of']}]" if test["of"] else ""
    interval = (
        "no interval" if test["low"] is None else f"{confidence:.0%} interval {test['low']:+.4f} to {test['high']:+.4f}"
    )
    return {
        "type": test["metric"],
        "value": round(test["difference"], 4),
        "name": f"{test['metric']}{of}, difference to {test['against']} ({interval}, {test['items']} items)",
    }


def _context(facts: CardFacts) -> dict[str, Any]:
    asked = licence_summary(
        [*(source["licence"] for source in facts.sources), facts.lineage["base"].get("licence", "")]
    )
    return {
        "facts": facts,
        "lineage": facts.lineage,
        "base": facts.lineage["base"],
        "verdict": facts.lineage["verdict"],
        "terms": facts.lineage["terms"],
        "tuned": _tuned(facts),
        "sources": [
            {
                **source,
                "non_commercial": bool(licence_summary([source["licence"]]).non_commercial),
                "unknown": bool(licence_summary([source["licence"]]).unknown),
            }
            for source in facts.sources
        ],
        "asked": asked,
        "measures": _MEASURES,
        "recipe": _recipe(facts.train),
        "untaught": [task for task in facts.evaluated.get("tasks", []) if task["split"] == "unseen"],
        "tasks": sorted({task["task"] for task in facts.evaluated.get("tasks", []) if task["split"] == "test"}),
        "checksums": _checksums(facts),
    }


def _recipe(train: dict[str, Any]) -> list[tuple[str, Any]]:
    names = [
        "method",
        "precision",
        "epochs",
        "batch_size",
        "max_length",
        "learning_rate",
        "schedule",
        "warmup_share",
        "weight_decay",
        "max_grad_norm",
        "neftune_alpha",
        "seed",
    ]
    adapter = [] if train["method"] == "full" else ["rank", "alpha", "dropout", "targets"]
    values = {name: train[name] for name in [names[0], *adapter, *names[1:]] if name in train}
    return [(name, ", ".join(value) if isinstance(value, list) else value) for name, value in values.items()]


def _checksums(facts: CardFacts) -> list[tuple[str, str]]:
    """Return the way back, a checksum at each step, from the served weights to the rows."""
    lineage = facts.lineage
    steps = {
        "served weights": facts.weights_sha256,
        "adapter": lineage["adapter_sha256"],
        "base weights": lineage["base"].get("weights_sha256"),
        "scores": lineage["scores_sha256"],
        **{f"split {name}": value for name, value in lineage["splits"].items()},
        "accepted records": lineage["accepted_sha256"],
        "ingested records": lineage["records_sha256"],
        "prompt renderer": facts.fingerprint,
        "dvc.lock": lineage["dvc_lock_sha256"],
        "git commit": lineage["git_commit"],
    }
    return [(name, str(value)) for name, value in steps.items() if value]


@cache
def _template() -> Template:
    made = environment(_TEMPLATES, autoescape=False)
    made.finalize = lambda value: escape_markdown(value) if type(value) is str else value
    return made.get_template("model_card.md.j2")
