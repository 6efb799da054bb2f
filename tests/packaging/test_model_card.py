"""The model card. Run: pytest tests/packaging/test_model_card.py"""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard

from seodang.config.load import parse_params
from seodang.config.profiles import read_starter
from seodang.packaging.model_card import ModelCardData, build_metadata, render_model_card

RESULT = {
    "rule": 0,
    "against": "zero_shot",
    "test": "superiority",
    "metric": "accuracy",
    "group": "ko",
    "margin": 0.0,
    "items": 225,
    "candidate": 0.929,
    "reference": 0.262,
    "difference": 0.667,
    "low": 0.6,
    "high": 0.733,
    "p": 0.0002,
    "p_exact": None,
    "p_holm": 0.0004,
    "required_items": None,
    "passed": True,
}
VERDICT = {
    "verdict": "promote",
    "confidence": 0.95,
    "items_fingerprint": "abc",
    "results": [RESULT],
    "reasons": [{"passed": True, "ko": "충분히 낫습니다", "en": "clearly better"}],
}
SCORES = {"items": 458, "exact_match": 0.563, "chrf": 36.4, "loss": 1.2, "languages": {"ko": {}, "en": {}}}
CARD_DATA = ModelCardData(
    tag="seodang-primer:a7a641121844",
    weights_sha256="1" * 64,
    prompt_format="koalpaca",
    fingerprint="2" * 64,
    max_new_tokens=256,
    train=parse_params(read_starter(), "starter.yaml").train.model_dump(),
    train_report={
        "records": {"train": 2400, "validation": 90},
        "steps": 700,
        "train_loss": 0.5,
        "validation_loss": 0.6,
    },
    evaluate_report={
        "variants": [
            {"name": "zero_shot", "shots": 0, "accuracy": 0.262, **SCORES},
            {"name": "tuned", "shots": 0, "accuracy": 0.929, **SCORES},
        ],
        "tasks": [
            {"task": "sentiment", "language": "ko", "split": "test", "items": 30, "tuned": 0.9},
            {"task": "ordering", "language": "en", "split": "unseen", "items": 30, "tuned": None},
        ],
    },
    sources=[{"name": "primer", "licence": "Apache-2.0", "rows_written": 3600}],
    lineage={
        "terms": {},
        "verdict": VERDICT,
        "scores_sha256": "3" * 64,
        "adapter_sha256": "4" * 64,
        "splits": {"train": "5" * 64},
        "accepted_sha256": "6" * 64,
        "records_sha256": "7" * 64,
        "base": {
            "name": "primer-base",
            "source": "bundled",
            "hub": None,
            "revision": None,
            "licence": "Apache-2.0",
            "weights_sha256": "8" * 64,
        },
        "git_commit": None,
        "dvc_lock_sha256": None,
    },
)


def set_licences(base: str, *data: str, **base_fields: Any) -> ModelCardData:
    sources = [
        {"name": f"source_{number}", "licence": licence, "rows_written": 1} for number, licence in enumerate(data)
    ]
    return replace(
        CARD_DATA,
        sources=sources,
        lineage={**CARD_DATA.lineage, "base": {**CARD_DATA.lineage["base"], "licence": base, **base_fields}},
    )


def test_the_hub_reads_its_metadata():
    data = ModelCard(render_model_card(CARD_DATA), ignore_metadata_errors=False).data
    assert (data.license, data.language, data.base_model, data.library_name, data.datasets) == (
        "apache-2.0",
        ["ko", "en"],
        "primer-base",
        "transformers",
        ["primer"],
    )
    assert data.model_name == "seodang-primer"
    results = {result.metric_name: result.metric_value for result in data.eval_results}
    assert results["accuracy, mean over the test items"] == 0.929
    assert results["accuracy [ko], difference to zero_shot (95% interval +0.6000 to +0.7330, 225 items)"] == 0.667


def test_the_same_reports_give_the_same_bytes():
    assert render_model_card(CARD_DATA) == render_model_card(replace(CARD_DATA))


@pytest.mark.parametrize(
    ("base", "data", "licence"),
    [
        ("Apache-2.0", ["MIT", "CC-BY-4.0"], {"license": "apache-2.0"}),
        ("Apache-2.0", ["CC-BY-NC-4.0"], {"license": "cc-by-nc-4.0"}),
        ("gemma", ["Apache-2.0"], {"license": "gemma"}),
        ("gemma", ["CC-BY-NC-4.0"], {"license": "other", "license_name": "cc-by-nc-4.0-and-gemma"}),
        ("Apache-2.0", ["CC-BY-SA-4.0"], {"license": "cc-by-sa-4.0"}),
        ("Apache-2.0", [""], {"license": "unknown"}),
    ],
)
def test_the_weights_have_the_most_restrictive_licence(base, data, licence):
    metadata = build_metadata(set_licences(base, *data))
    assert {key: metadata[key] for key in ("license", "license_name") if key in metadata} == licence


def split_languages(card: str) -> tuple[str, str]:
    """Return the English and the Korean part of a card."""
    english, korean = card.split("\n---\n\n")[1:]
    return english, korean


def test_each_part_of_the_card_has_one_language():
    english, korean = split_languages(render_model_card(CARD_DATA))
    assert english.startswith("# seodang-primer")
    assert re.findall(r"[가-힣]+", english) == []
    assert korean.startswith("# seodang-primer")
    sentences = re.findall(r"(?:[A-Za-z]+ ){5,}", korean)
    assert sentences == []


def test_the_parts_have_the_same_sections_and_tables():
    parts = split_languages(render_model_card(CARD_DATA))
    headings, rows = (
        [[line[:4] for line in part.splitlines() if line.startswith(mark)] for part in parts] for mark in ("## ", "|")
    )
    assert headings[0] == headings[1]
    assert len(headings[0]) == 9
    assert len(rows[0]) == len(rows[1])


def test_data_for_research_only_is_marked_in_both_languages():
    text = render_model_card(set_licences("gemma", "CC-BY-NC-4.0"))
    english, korean = (part.split("## 1.")[0] for part in split_languages(text))
    assert "비상업적 이용만" in korean
    assert "research and non-commercial use only" in english
    assert "Not for commercial use" in text
    assert "non-commercial" not in render_model_card(CARD_DATA)


def test_a_licence_that_nobody_named_is_a_limit():
    assert "find out the licence before you use the model" in render_model_card(set_licences("Apache-2.0", "unknown"))


@pytest.mark.parametrize(
    "text",
    [
        "충분히 낫습니다",
        "clearly better",
        "+0.6000 … +0.7330",
        "2,400",
        "3,600",
        "sentiment",
        "ordering",
        "bentoml serve seodang-primer:a7a641121844",
        "4" * 64,
        "stand-in",
    ],
)
def test_the_card_contains_what_a_reader_needs(text):
    assert text in render_model_card(CARD_DATA)


def test_a_model_of_the_hub_is_named_by_its_repository_and_revision():
    card_data = set_licences("gemma", "MIT", name="gemma-2b", source="hub", hub="google/gemma-2b", revision="c" * 40)
    assert build_metadata(card_data)["base_model"] == "google/gemma-2b"
    assert "c" * 40 in render_model_card(card_data)
    assert "stand-in" not in render_model_card(card_data)


def test_names_from_data_are_no_markup_and_no_yaml():
    card_data = set_licences("Apache-2.0", "MIT")
    card_data.sources[0]["name"] = "a: [b]\n---\n<script>|`x`"
    text = render_model_card(card_data)
    assert yaml.safe_load(text.split("\n---\n\n")[0].removeprefix("---\n"))["datasets"] == ["a: [b]\n---\n<script>|`x`"]
    assert "<script>|" not in text.split("\n---\n\n", 1)[1]


def test_each_table_row_has_all_columns():
    lines = render_model_card(CARD_DATA).splitlines()
    for before, line in itertools.pairwise(lines):
        if line.startswith("| ---"):
            assert before.count("|") == line.count("|"), (before, line)


def test_the_card_shows_forgetting_of_replayed_and_other_kinds_and_the_baselines():
    kept = {"language": "ko", "items": 100, "shared_instructions": 0, "base": {"loss": 0.836, "exact_match": None}}
    tuned = {"loss": 0.397, "exact_match": 0.767}
    report = CARD_DATA.evaluate_report | {
        "forgetting": [
            {**kept, "task": "retention", "replayed": False, "tuned": tuned},
            {**kept, "task": "replayed", "replayed": True, "tuned": tuned},
        ],
        "baselines": [{"name": "unseen_words", "items": 360, "majority": 0.308, "letters": 0.753, "tuned": 0.672}],
    }
    card = render_model_card(replace(CARD_DATA, evaluate_report=report))
    assert "| retention | ko | not replayed | 100 | 0.8360 | 0.3970 | – | 0.7670 |" in card
    assert "| replayed | ko | replayed | 100 |" in card
    assert re.search(r"\| unseen.+words \| 360 \| 0\.3080 \| 0\.7530 \| 0\.6720 \|", card)
