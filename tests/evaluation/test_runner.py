"""Requests and scores of task files, with a tiny real model."""

import json
import math

import pytest
import torch
from tests.constants import ARCHITECTURES

from seodang.config import EvaluateParams
from seodang.errors import EvaluationError, ParamsError
from seodang.evaluation import runner
from seodang.evaluation.aggregate import get_primary_score
from seodang.evaluation.requests import Variant
from seodang.evaluation.result_log import ResultLog
from seodang.evaluation.results import Results
from seodang.evaluation.runner import count_templates, iter_base_variants, run_requests
from seodang.evaluation.samples import compute_fingerprint
from seodang.evaluation.task_files import load_task_samples
from seodang.inference.prompt_encoder import PromptEncoder
from seodang.models.loading import load_model, load_tokenizer

CHOICE = """
kind: choice
language: ko
cluster: sentiment
data: {file: films.tsv, few_shot_file: train.tsv, id: null, columns: {}, where: null}
prompts: {bare: "문장: {{text}}\\n감정:", question: "긍정일까요 부정일까요?\\n{{text}}"}
answer: "{{label}}"
options: {"0": 부정, "1": 긍정}
delimiter: " "
separator: "\\n"
normalise: none
max_new_tokens:
until: []
metrics: [accuracy]
extra: []
limit:
stratified: true
"""
TEXT = """
kind: perplexity
language: ko
cluster: language_modelling
data: {file: films.tsv, few_shot_file: null, id: null, columns: {}, where: null}
prompts: {none: ""}
answer: "{{text}}"
options: {}
delimiter: ""
separator: ""
normalise: none
max_new_tokens:
until: []
metrics: [bits_per_byte, loss]
extra: []
limit:
stratified: false
"""
FREE = (
    CHOICE.replace("kind: choice", "kind: generate")
    .replace('options: {"0": 부정, "1": 긍정}', "options: {}")
    .replace("[accuracy]", "[chrf, repetition, same_language]")
    .replace("stratified: true", "stratified: false")
)


RECORDS = (
    FREE.replace(
        "{file: films.tsv, few_shot_file: train.tsv, id: null, columns: {}, where: null}", "{split: test, task: null}"
    )
    .replace(
        '{bare: "문장: {{text}}\\n감정:", question: "긍정일까요 부정일까요?\\n{{text}}"}',
        '{plain: "{{instruction}}\\n{{input}}"}',
    )
    .replace('"{{label}}"', '"{{output}}"')
)
INSTRUCTIONS = (
    FREE.replace("films.tsv, few_shot_file: train.tsv", "prompts.jsonl, few_shot_file: null")
    .replace('answer: "{{label}}"', 'answer: ""')
    .replace("{{text}}", "{{prompt}}")
    .replace("[chrf, repetition, same_language]", "[ifeval_prompt_strict, ifeval_instruction_strict, eos_rate]")
    .replace("extra: []", "extra: [instruction_id_list, kwargs]")
)


@pytest.fixture(scope="module")
def splits(make_sentiment_records):
    return {"train": make_sentiment_records(4), "test": make_sentiment_records(3), "unseen": []}


def make_params(**changes):
    values = {
        "seed": 1,
        "items_per_task": 4,
        "skipped_items": {},
        "frequency_penalty": 0.0,
        "shots": [0, 1],
        "base_formats": ["plain"],
        "tokens_per_batch": 256,
        "max_new_tokens": 4,
        "calibrate_base": False,
        "generations_per_task": 2,
        "generations_per_free_text_task": 2,
        "tasks": ["films", "reading", "saying"],
        "data_folder": "data",
    }
    return EvaluateParams.model_validate({**values, **changes})


@pytest.fixture
def project(tmp_path):
    for folder in ("tasks", "data"):
        (tmp_path / folder).mkdir()
    for name, text in (("films", CHOICE), ("reading", TEXT), ("saying", FREE)):
        (tmp_path / "tasks" / f"{name}.yaml").write_text(text, "utf-8")
    for name, begin in (("films", "영화"), ("train", "드라마")):
        rows = "".join(f"{begin} {number}이 좋았다\t{number % 2}\n" for number in range(6))
        (tmp_path / "data" / f"{name}.tsv").write_text(f"text\tlabel\n{rows}", "utf-8")
    return tmp_path


@pytest.fixture(scope="module")
def compute_scores(splits):
    def compute_scores(project, base, variant, settings):
        tasks = load_task_samples(settings, project / "tasks", project, splits)
        model = load_model(base, "fp32", "cpu")
        with ResultLog(project / "log.jsonl", variant.name) as result_log:
            return list(
                run_requests(
                    model,
                    PromptEncoder(load_tokenizer(base), variant.format),
                    variant,
                    tasks,
                    settings,
                    Results(result_log),
                    lambda: None,
                )
            )

    return compute_scores


def test_the_base_gets_every_prompt_template_and_the_tuned_model_the_first_one(
    project, tiny_model, splits, compute_scores
):
    settings = make_params()
    tasks = load_task_samples(settings, project / "tasks", project, splits)
    names = [variant.name for variant in iter_base_variants(settings, count_templates(tasks))]
    assert names == ["zero_shot/w1", "zero_shot/w2", "few_shot/w1", "few_shot/w2"]
    first, second = (tasks[0].get_template(number).records[0].instruction for number in (0, 1))
    assert first.startswith("문장: 영화")
    assert second.startswith("긍정일까요 부정일까요?\n영화")
    found = compute_scores(project, tiny_model, Variant("few_shot/w2", "plain", 1, "base", 1), settings)
    assert {(score.task, score.kind, score.shots) for score in found} == {
        ("films", "choice", 1),
        ("reading", "text", 0),
        ("saying", "open", 1),
    }


def test_a_text_is_read_alone_and_its_bits_are_those_of_its_loss(project, tiny_model, compute_scores):
    [score, *_] = [
        score
        for score in compute_scores(project, tiny_model, Variant("zero_shot", "plain", 0, "base"), make_params())
        if score.task == "reading"
    ]
    tokenizer, model = load_tokenizer(tiny_model), load_model(tiny_model, "fp32", "cpu")
    ids = torch.tensor([[tokenizer.eos_token_id, *tokenizer(score.reference)["input_ids"]]])
    with torch.inference_mode():
        nats = -model(ids).logits[0, :-1].log_softmax(-1).gather(1, ids[0, 1:, None]).sum().item()
    assert score.loss == pytest.approx(nats / (ids.shape[1] - 1), rel=1e-4)
    assert score.extra_metrics == {
        "bits_per_byte": pytest.approx(nats / math.log(2) / len(score.reference.encode()), rel=1e-4)
    }
    assert score.answer is None


def test_a_free_answer_gets_the_metrics_that_its_file_names(project, tiny_model, compute_scores):
    found = [
        score
        for score in compute_scores(project, tiny_model, Variant("zero_shot", "plain", 0, "base"), make_params())
        if score.task == "saying"
    ]
    assert [set(score.extra_metrics) for score in found] == [{"chrf", "repetition", "same_language"}] * 2 + [set()] * 2


def compute_log_likelihood(model, prompt, answer):
    with torch.inference_mode():
        logits = model(torch.tensor([[*prompt, *answer]])).logits[0].log_softmax(-1)
    return sum(logits[len(prompt) - 1 + index, token].item() for index, token in enumerate(answer))


def test_the_plain_format_joins_texts_as_the_task_file_says(project, tiny_model, splits, compute_scores):
    """Expected: lm-evaluation-harness 0.4.13, ConfigurableTask.fewshot_context and TemplateLM._encode_pair."""
    settings = make_params(tasks=["films"], generations_per_task=1, generations_per_free_text_task=1)
    tokenizer, model = load_tokenizer(tiny_model), load_model(tiny_model, "fp32", "cpu")
    [task] = load_task_samples(settings, project / "tasks", project, splits)
    [example] = task.few_shot_samples[:1]
    for score in compute_scores(project, tiny_model, Variant("few_shot", "plain", 1, "base"), settings):
        item = next(item for item in task.samples if item.id == score.item)
        context = f"{example.prompts['bare']} {example.reference}\n{item.prompts['bare']}"
        prompt = tokenizer(context)["input_ids"]
        nats = {
            option: compute_log_likelihood(model, prompt, tokenizer(f"{context} {option}")["input_ids"][len(prompt) :])
            for option in item.choices
        }
        assert score.prompt_tokens == len(prompt)
        assert score.prediction == max(nats, key=nats.get)
        assert score.loss == pytest.approx(
            -nats[item.reference] / len(tokenizer(f" {item.reference}")["input_ids"]), rel=1e-4
        )


def test_few_shot_examples_that_do_not_fit_into_the_context_are_left_out(project, tiny_model, compute_scores):
    rows = "".join(f"{'드라마가 아주 길었다 ' * 2}{number}\t{number % 2}\n" for number in range(6))
    (project / "data" / "train.tsv").write_text(f"text\tlabel\n{rows}", "utf-8")
    settings = make_params(tasks=["films"], shots=[0, 6], generations_per_task=1, generations_per_free_text_task=1)
    for format in ("plain", "koalpaca"):
        (project / "log.jsonl").unlink(missing_ok=True)
        found = compute_scores(project, tiny_model, Variant("few_shot", format, 6, "base"), settings)
        assert {score.shots for score in found} < {1, 2, 3, 4, 5}
        assert (
            max(score.prompt_tokens for score in found)
            < load_model(tiny_model, "fp32", "cpu").config.max_position_embeddings
        )


@pytest.mark.parametrize("format", ["plain", "koalpaca"])
def test_instructions_without_a_reference_are_answered_and_checked(project, tiny_model, format, compute_scores):
    rows = [
        {"prompt": f"Say {number} without a comma.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
        for number in range(3)
    ]
    (project / "tasks" / "rules.yaml").write_text(INSTRUCTIONS, "utf-8")
    (project / "data" / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    found = compute_scores(project, tiny_model, Variant("zero_shot", format, 0, "base"), make_params(tasks=["rules"]))
    assert [(score.loss, score.exact_match, score.chrf) for score in found] == [(None, None, None)] * 3
    assert [set(score.extra_metrics) for score in found] == [
        {"ifeval_prompt_strict", "ifeval_instruction_strict", "eos_rate"}
    ] * 2 + [set()]
    assert get_primary_score(found[0]) == found[0].extra_metrics["ifeval_prompt_strict"]


def test_a_task_of_the_splits_asks_their_records_and_adds_its_metrics(project, tiny_model, splits, compute_scores):
    (project / "tasks" / "held.yaml").write_text(RECORDS, "utf-8")
    found = compute_scores(
        project, tiny_model, Variant("zero_shot", "koalpaca", 0, "base"), make_params(tasks=["held"], data_folder=None)
    )
    assert {score.item for score in found} == {record.id for record in splits["test"]}
    assert set(found[0].extra_metrics) == {"chrf", "repetition", "same_language"}


def test_requests_that_few_shot_examples_do_not_change_run_once(project, tiny_model, monkeypatch, splits):
    """IFEval has no few_shot_file, so its ten variants have equal requests."""
    calls = []
    for name in ("score_choices", "iter_generations"):
        real = getattr(runner, name)
        monkeypatch.setattr(
            runner,
            name,
            lambda model, requests, *rest, real=real, **named: (
                calls.append(len(requests) - len(named.get("skip", ()))),
                real(model, requests, *rest, **named),
            )[1],
        )
    task = project / "tasks" / "films.yaml"
    task.write_text(task.read_text("utf-8").replace("few_shot_file: train.tsv", "few_shot_file: null"), "utf-8")
    settings, model = make_params(tasks=["films"]), load_model(tiny_model, "fp32", "cpu")
    tasks = load_task_samples(settings, project / "tasks", project, splits)
    with ResultLog(project / "log.jsonl", "all") as result_log:
        results, found = Results(result_log), []
        for variant in (
            Variant("zero_shot", "plain", 0, "base"),
            Variant("few_shot", "plain", 1, "base"),
            Variant("zero_shot/koalpaca", "koalpaca", 0, "base"),
            Variant("tuned", "plain", 0, "tuned"),
            Variant("other", "plain", 0, "tuned"),
        ):
            calls.clear()
            scores = list(
                run_requests(
                    model,
                    PromptEncoder(load_tokenizer(tiny_model), variant.format),
                    variant,
                    tasks,
                    settings,
                    results,
                    lambda: None,
                )
            )
            found.append((sum(calls), [(score.loss, score.answer) for score in scores]))
    # Four items, of which two also get a generated answer; each tuned model runs its own requests.
    assert [count for count, _ in found] == [6, 0, 6, 6, 6]
    assert found[0][1] == found[1][1] != found[2][1]


def test_the_result_log_holds_every_result(project, tiny_model, compute_scores):
    found = compute_scores(project, tiny_model, Variant("zero_shot", "plain", 0, "base"), make_params(tasks=["films"]))
    rows = [json.loads(line) for line in (project / "log.jsonl").read_text("utf-8").splitlines()[1:]]
    assert sum(row["kind"] == "options" for row in rows) == len(found) == 4
    assert sum(row["kind"] == "answer" for row in rows) == 2


def test_another_text_under_the_same_id_is_another_item_set(project, splits):
    task = project / "tasks" / "films.yaml"
    task.write_text(task.read_text("utf-8").replace("id: null", 'id: "{{text.split()[1]}}"'), "utf-8")
    settings = make_params(tasks=["films"])
    before = compute_fingerprint(load_task_samples(settings, project / "tasks", project, splits))
    assert compute_fingerprint(load_task_samples(settings, project / "tasks", project, splits)) == before
    data = project / "data" / "films.tsv"
    data.write_text(data.read_text("utf-8").replace("좋았다", "나빴다"), "utf-8")
    assert compute_fingerprint(load_task_samples(settings, project / "tasks", project, splits)) != before


def test_tasks_that_cannot_be_evaluated_are_errors(project, splits):
    with pytest.raises(EvaluationError, match="data_folder is null"):
        load_task_samples(make_params(data_folder=None), project / "tasks", project, splits)
    with pytest.raises(EvaluationError, match=r"films\.tsv, train\.tsv not found in"):
        load_task_samples(make_params(data_folder="elsewhere"), project / "tasks", project, splits)
    with pytest.raises(ParamsError, match="no task 'none'"):
        load_task_samples(make_params(tasks=["none"]), project / "tasks", project, splits)


@pytest.mark.parametrize("format", ["plain", "koalpaca"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_models_without_position_embeddings_are_evaluated_with_all_few_shot_examples(
    project, tmp_path, architecture, format, make_other_model, compute_scores
):
    base = make_other_model(tmp_path / architecture, architecture)
    scores = compute_scores(project, base, Variant("few_shot", format, 2, "base"), make_params(shots=[0, 2]))
    assert {score.task for score in scores} == {"films", "reading", "saying"}
    assert all(score.loss is None or math.isfinite(score.loss) for score in scores)
    if architecture != "mpt":  # Bloom and Mamba have no limit
        assert {score.shots for score in scores if score.task == "films"} == {2}
