"""Task files from the stage `evaluate` to the gate's verdict and its page, on a tiny model."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import yaml
from tests.fixtures.gate import build_align, build_gate

from seodang.config import EvaluateParams, PromptParams
from seodang.errors import EvaluationError
from seodang.evaluation.samples import compute_fingerprint
from seodang.evaluation.task_files import load_task_samples
from seodang.io.jsonl import read_json, read_records, read_rows, write_json, write_records
from seodang.paths import Paths
from seodang.registry.champion import write_champion
from seodang.reports.evaluation import write_evaluation_report
from seodang.stages import evaluate, gate

GATE = {"resamples": 1000, "minimum_items": 2}
EVALUATE = EvaluateParams(
    seed=1,
    items_per_task=4,
    skipped_items={},
    frequency_penalty=0.0,
    shots=[0, 1],
    base_formats=["koalpaca", "plain"],
    tokens_per_batch=256,
    max_new_tokens=4,
    calibrate_base=False,
    generations_per_task=1,
    generations_per_free_text_task=1,
    tasks=["films", "books", "rules", "reading", "similar", "held", "answers"],
    data_folder="data",
)


def make_rows(name: str) -> list[dict[str, Any]]:
    if name == "rules":
        return [
            {"id": number, "text": f"Say {number}.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
            for number in range(4)
        ]
    return [
        {"id": number, "text": f"{name} {number} 좋다", "label": number % 2, "score": float(number)}
        for number in range(4)
    ]


@pytest.fixture(scope="module")
def build_split_spec(build_raw_spec):
    def build_split_spec(**others: Any) -> dict[str, Any]:
        spec = build_raw_spec(
            prompts={"plain": "{{instruction}}\n{{input}}"}, answer="{{output}}", language=None, **others
        )
        return {**spec, "data": {"split": "test", "task": None}}

    return build_split_spec


@pytest.fixture(scope="module")
def build_specs(build_raw_spec, build_split_spec):
    def build_specs() -> dict[str, dict[str, Any]]:
        ids = {"id": "{{id}}"}
        return {
            "films": build_raw_spec(
                data={"file": "films.jsonl", **ids},
                metrics=["accuracy", "macro_f1"],
                prompts={"bare": "{{text}}:", "question": "{{text}}?"},
            ),
            "books": build_raw_spec(
                data={"file": "books.jsonl", **ids}, metrics=["accuracy_norm", "accuracy"], normalise="characters"
            ),
            "similar": build_raw_spec(
                data={"file": "similar.jsonl", **ids}, metrics=["accuracy", "spearman"], extra=["score"]
            ),
            "rules": build_raw_spec(
                kind="generate",
                data={"file": "rules.jsonl", **ids},
                options={},
                answer="",
                metrics=["ifeval_prompt_strict", "eos_rate"],
                extra=["instruction_id_list", "kwargs"],
            ),
            "held": build_split_spec(kind="generate", options={}, metrics=["chrf", "exact_match"]),
            "answers": build_split_spec(kind="perplexity", options={}, metrics=["loss"]),
            "reading": build_raw_spec(
                kind="perplexity",
                data={"file": "reading.jsonl", **ids},
                options={},
                prompts={"none": ""},
                answer="{{text}}",
                metrics=["bits_per_byte", "loss"],
            ),
        }

    return build_specs


@pytest.fixture(scope="module")
def paths(tmp_path_factory, build_specs, build_train_params, make_tiny_adapter, make_tiny_model, make_training_records):
    paths = Paths(tmp_path_factory.mktemp("project"))
    make_tiny_model(paths.base)
    make_tiny_adapter(paths.base, paths.adapter)
    write_champion(paths.champion, None)
    write_json(paths.preflight_report, {"tasks": []})
    for split, count in (("train", 6), ("test", 3), ("unseen", 2)):
        choice_records = [replace(record, choices=("긍정", "Good morning")) for record in make_training_records(count)]
        write_records(paths.get_split_path(split), choice_records)
    for folder in ("tasks", "data"):
        (paths.root / folder).mkdir()
    for name, spec in build_specs().items():
        (paths.root / "tasks" / f"{name}.yaml").write_text(yaml.safe_dump(spec, allow_unicode=True), "utf-8")
        if name not in ("held", "answers"):
            (paths.root / "data" / f"{name}.jsonl").write_text(
                "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in make_rows(name)), "utf-8"
            )
    evaluate.run(prompt=PromptParams(format="koalpaca"), train=build_train_params(), evaluate=EVALUATE, paths=paths)
    return paths


def decide(paths, *rules, **changes):
    return gate.run(gate=build_gate(*rules, **GATE, **changes), align=build_align(), paths=paths)


def test_verdict_and_page_include_every_item_with_its_metrics(paths):
    retention = {
        "test": "non_inferiority",
        "metric": "bits_per_byte",
        "higher_is_better": False,
        "margin": 0.5,
        "tasks": ["reading"],
    }
    by_length = {"metric": "accuracy_norm", "tasks": ["books"]}
    found = decide(
        paths,
        {"tasks": ["films"]},
        by_length,
        retention,
        thresholds=[{"metric": "ifeval_prompt_strict", "minimum": 0.0, "maximum": None, "tasks": ["rules"]}],
    )
    assert {(test["metric"], test["items"]) for test in found["results"] if test["rule"] == 1} == {("accuracy_norm", 4)}
    assert {test["metric"] for test in found["results"]} == {"accuracy", "accuracy_norm", "bits_per_byte"}
    write_evaluation_report(paths, read_json(paths.verdict), build_gate(**GATE))
    page = (paths.evaluation_page / "index.html").read_text("utf-8")
    for text in (
        "macro F1",
        "매크로 F1",
        "Spearman",
        "스피어만",
        "바이트당 비트",
        "퍼플렉서티",
        "IFEval",
        "books 3 좋다",
        "films 3 좋다",
        "Say 1.",
    ):
        assert text in page
    assert found["verdict"] != "promote"  # the adapter is untrained


def test_records_with_options_get_free_answers_in_a_task_of_kind_generate(paths):
    rows = [row for row in read_rows(paths.scores) if row["task"] == "held"]
    assert {(row["kind"], row["accuracy"], row["prediction"]) for row in rows} == {("open", None, None)}
    assert any(row["extra_metrics"].get("chrf") is not None for row in rows)


def test_answers_are_scored_after_their_questions_and_texts_alone(paths):
    tokens = {
        (row["task"], row["variant"]): row["prompt_tokens"] for row in read_rows(paths.scores) if row["kind"] == "text"
    }
    assert {count for (task, _), count in tokens.items() if task == "reading"} == {1}
    assert min(count for (task, _), count in tokens.items() if task == "answers") > 5


def test_the_fingerprint_depends_on_prompts_and_limits_of_answers(paths, build_specs):
    def fingerprint(name, **changes):
        spec = {**build_specs()[name], **changes}
        (paths.root / "tasks" / f"{name}.yaml").write_text(yaml.safe_dump(spec, allow_unicode=True), "utf-8")
        splits = {split: list(read_records(paths.get_split_path(split))) for split in ("train", "test", "unseen")}
        return compute_fingerprint(
            load_task_samples(EVALUATE.model_copy(update={"tasks": [name]}), paths.tasks, paths.root, splits)
        )

    assert fingerprint("rules") == fingerprint("rules")
    assert len({fingerprint("rules"), fingerprint("rules", max_new_tokens=9), fingerprint("rules", until=["."])}) == 3
    assert len({fingerprint("held"), fingerprint("held", prompts={"plain": "Other {{input}}"})}) == 2
    assert (
        len({fingerprint("films"), fingerprint("films", prompts={"bare": "{{text}}: ", "question": "{{text}}?"})}) == 2
    )


def test_a_file_with_the_name_of_a_task_of_the_records_is_refused(paths, build_specs, build_train_params):
    (paths.root / "tasks" / "sentiment.yaml").write_text(
        yaml.safe_dump(build_specs()["held"], allow_unicode=True), "utf-8"
    )
    with pytest.raises(EvaluationError, match="sentiment: records of the splits and a task file have the same name"):
        evaluate.run(
            prompt=PromptParams(format="koalpaca"),
            train=build_train_params(),
            evaluate=EVALUATE.model_copy(update={"tasks": ["sentiment"]}),
            paths=paths,
        )


def test_the_items_are_saved_beside_the_scores(paths):
    items = {(record.task, record.id) for record in read_records(paths.items)}
    assert items == {(row["task"], row["item"]) for row in read_rows(paths.scores)}
    assert (
        {name for task, name in items if task == "films"}
        == {name for task, name in items if task == "books"}
        == {"0", "1", "2", "3"}
    )


def test_the_report_has_each_metric_of_each_file_for_every_variant(paths, build_specs):
    report = read_json(paths.evaluate_report)
    found = {(row["task"], row["metric"]): row["variants"] for row in report["task_metrics"]}
    assert set(found) >= {
        ("films", "macro_f1"),
        ("books", "accuracy_norm"),
        ("similar", "spearman"),
        ("reading", "perplexity"),
        ("rules", "ifeval_prompt_strict"),
    }
    for values in found.values():
        assert set(values) == set(report["formats"])
    assert {(row["task"], row["metric"]) for row in report["tasks"] if row["split"] == "task"} == {
        (name, spec["metrics"][0]) for name, spec in build_specs().items()
    }


def test_a_corpus_metric_cannot_be_a_rule(paths):
    with pytest.raises(EvaluationError, match="macro_f1"):
        decide(paths, {"metric": "macro_f1", "tasks": ["films"]})
