"""The bundled Korean prompts: their instructions stand in the prompt, and an answer that follows them passes."""

import json
from pathlib import Path

import pytest
from tests.constants import ROOT

from seodang.evaluation.ifeval.checking import check_instructions, find_instruction_errors
from seodang.evaluation.ifeval.rules import RULES
from seodang.evaluation.tasks.loading import load_task
from seodang.evaluation.tasks.spec import load_specs
from seodang.ingest.readers.strict import read_rows_strict
from seodang.records import detect_language

FOLDER = ROOT / "tasks"
PROMPTS = [json.loads(line) for line in (FOLDER / "data/ifeval_ko.jsonl").read_text("utf-8").splitlines()]
ANSWERS = {
    row["key"]: row["answer"]
    for row in map(json.loads, Path(__file__).with_name("korean_answers.jsonl").read_text("utf-8").splitlines())
}
RELATIONS = {
    "at least": ("이상", "적어도", "최소", "적지 않게"),
    "less than": ("미만", "보다 적", "보다 짧", "되지 않게"),
}
COUNTS = ("", "한", "두", "세", "네", "다섯", "여섯")
JSON_TYPES = {"object": "객체", "array": "배열"}
# What English text and English capital letters need, and a number of words in place of eojeols.
NOT_KOREAN = {
    "change_case:capital_word_frequency",
    "change_case:english_capital",
    "change_case:english_lowercase",
    "length_constraints:number_words",
}


def ids(prompt):
    return str(prompt["key"])


def is_named(prompt, name, value):
    if name.endswith("relation"):
        return any(phrase in prompt for phrase in RELATIONS[value])
    if name == "json_types":
        return (JSON_TYPES[value[0]] if len(value) == 1 else "JSON") in prompt
    if name == "language":
        return True
    if name == "num_sentences":
        return str(value) in prompt or f"{COUNTS[value]} 문장" in prompt
    return all(text in prompt for text in (value if isinstance(value, list) else [str(value)]))


def test_the_prompts_use_every_rule_that_fits_korean():
    used = {id for prompt in PROMPTS for id in prompt["instruction_id_list"]}
    assert used == set(RULES) - NOT_KOREAN
    assert len({prompt["prompt"] for prompt in PROMPTS}) == len(PROMPTS) == 345
    assert sum(len(prompt["kwargs"]) for prompt in PROMPTS) == 509
    assert list(ANSWERS) == [prompt["key"] for prompt in PROMPTS]


@pytest.mark.parametrize("prompt", PROMPTS, ids=ids)
def test_a_prompt_names_the_arguments_of_its_instructions(prompt):
    assert find_instruction_errors(prompt["instruction_id_list"], prompt["kwargs"]) == []
    assert detect_language(prompt["prompt"]) == "ko"
    for arguments in prompt["kwargs"]:
        for name, value in arguments.items():
            assert is_named(prompt["prompt"], name, value), (name, value)


@pytest.mark.parametrize("prompt", PROMPTS, ids=ids)
def test_an_answer_that_follows_a_prompt_passes(prompt):
    result = check_instructions(prompt["instruction_id_list"], prompt["kwargs"], ANSWERS[prompt["key"]])
    assert dict(zip(prompt["instruction_id_list"], result.strict, strict=True)) == dict.fromkeys(
        prompt["instruction_id_list"], True
    )


def test_an_answer_to_another_prompt_rarely_passes():
    """Every fifth answer, against each prompt but its own: the rate of all answers is the same to 0.002."""
    answers = list(ANSWERS.items())[::5]
    pairs = [(prompt, answer) for prompt in PROMPTS for key, answer in answers if key != prompt["key"]]
    passed = sum(
        all(check_instructions(prompt["instruction_id_list"], prompt["kwargs"], answer).strict)
        for prompt, answer in pairs
    )
    assert passed / len(pairs) < 0.2


def test_the_task_reads_all_prompts_in_korean():
    (spec,) = load_specs(FOLDER, ["ifeval_ko"])
    task = load_task(spec, FOLDER / "data", read_rows_strict, seed=1)
    assert {(sample.language, sample.prompt) for sample in task.samples} == {("ko", one["prompt"]) for one in PROMPTS}
    assert spec.generations == len(PROMPTS)
