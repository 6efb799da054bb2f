"""Every reader of a model stops at the same tokens. Run: pytest tests/models/test_stop_tokens.py"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.constants import ENGLISH
from transformers import AutoModelForCausalLM

from seodang.inference.engine.contract import SamplingOptions, TokenRequest
from seodang.inference.generation import generate
from seodang.models.loading import load_model, load_tokenizer
from seodang.models.stop_tokens import get_stop_ids
from seodang.models.tokenization import encode_prompt
from seodang.packaging.checksums import write_checksums
from seodang.packaging.model_folder import MANIFEST_NAME
from seodang.packaging.parity import check_parity
from seodang.prompting import render_prompt
from seodang.service.answers.answering import AnswerRequest, compute_answers
from seodang.service.answers.reader import TextRules
from seodang.service.model.loading import load_context
from seodang.training.samples import generate_short_answers

# Ids of the tiny tokenizer's control tokens.
PAD, END, USER, ASSISTANT = 0, 1, 2, 3


def declare(folder: Path, generation: Any = None, config: Any = None) -> Path:
    """Write the end tokens of a checkpoint's generation settings and of its configuration; None removes them."""
    path = folder / "generation_config.json"
    path.unlink(missing_ok=True)
    if generation is not None:
        path.write_text(json.dumps(generation), "utf-8")
    settings = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**settings, "eos_token_id": config}), "utf-8")
    return folder


@pytest.fixture
def copy_model(tmp_path: Path, make_packaged_model: Callable[..., Path]) -> Callable[..., Path]:
    """Makes a packaged model with the given end tokens in its settings, tuned to end with `tuned_end`."""

    def copy_model(tuned_end: int = END, **declared: Any) -> Path:
        folder = declare(make_packaged_model(tmp_path / "model"), **declared)
        manifest = json.loads((folder / MANIFEST_NAME).read_text("utf-8"))
        (folder / MANIFEST_NAME).write_text(json.dumps({**manifest, "end_id": tuned_end}), "utf-8")
        write_checksums(folder)
        return folder

    return copy_model


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({"generation": {"eos_token_id": [USER, END]}, "config": PAD}, [ASSISTANT, USER, END]),
        ({"generation": {"eos_token_id": END}}, [ASSISTANT, END]),
        ({"generation": {"eos_token_id": [END, ASSISTANT, END]}}, [ASSISTANT, END]),
        ({"generation": None, "config": [END, USER]}, [ASSISTANT, END, USER]),
        ({"generation": {}, "config": END}, [ASSISTANT]),  # as in transformers, the settings of generation come first
        ({"generation": None, "config": None}, [ASSISTANT]),
        ({"generation": {"eos_token_id": [7, 10**6, -1, END]}}, [ASSISTANT, END]),  # text, and no tokens of the model
    ],
)
def test_the_end_tokens_are_that_of_the_format_and_those_that_the_settings_name(
    tmp_path, make_tiny_model, declared, expected
):
    model = load_model(declare(make_tiny_model(tmp_path / "model"), **declared), "fp32", "cpu")
    assert get_stop_ids(model, ASSISTANT) == expected


def test_an_end_token_that_is_ordinary_text_is_named_in_the_log(tmp_path, make_tiny_model, caplog):
    load_model(declare(make_tiny_model(tmp_path / "model"), generation={"eos_token_id": [7, END]}), "fp32", "cpu")
    word = load_tokenizer(tmp_path / "model").convert_ids_to_tokens(7)
    assert f"model names the end tokens {word!r}, which are ordinary text; answers do not end at them" in caplog.text


@pytest.mark.parametrize("is_declared", [True, False])
def test_evaluation_examples_and_service_stop_at_an_end_token_of_the_base(copy_model, is_declared):
    """The tuned model would end with <|pad|>; it answers with <|end|>, as its base may."""
    folder = copy_model(tuned_end=PAD, generation={"eos_token_id": [USER, END] if is_declared else [USER]})
    model, tokenizer = load_model(folder, "fp32", "cpu"), load_tokenizer(folder)
    prompt = encode_prompt(tokenizer, render_prompt(ENGLISH[0], ENGLISH[1], "koalpaca", tokenizer))
    (evaluated,) = generate(model, [prompt], end_id=PAD, max_new_tokens=24, batch_tokens=512)
    context = load_context(folder, "tiny:1")
    request = TokenRequest(tuple(prompt), SamplingOptions(max_new_tokens=24))
    (served,) = asyncio.run(
        compute_answers(context.engine, context.model, [AnswerRequest(request, TextRules(is_trimmed=True))])
    )
    assert evaluated.has_eos is is_declared
    assert (served.finish_reason == "stop") is is_declared
    assert (served.text == ENGLISH[2]) is is_declared
    assert (END in evaluated.tokens) is not is_declared


def test_examples_and_parity_stop_where_plain_transformers_stops(copy_model, make_tiny_adapter, make_training_records):
    folder = copy_model(generation={"eos_token_id": [USER, END]})
    plain = AutoModelForCausalLM.from_pretrained(folder)
    assert plain.generation_config.eos_token_id == [USER, END]
    model, tokenizer = load_model(folder, "fp32", "cpu"), load_tokenizer(folder)
    records = make_training_records(1)
    assert generate_short_answers(model, tokenizer, records, "koalpaca")
    prompt = encode_prompt(tokenizer, render_prompt(ENGLISH[0], ENGLISH[1], "koalpaca", tokenizer))
    report = check_parity(folder, _save_full_model(folder), folder, [prompt], 24, PAD)
    length = len(generate(model, [prompt], end_id=PAD, max_new_tokens=24, batch_tokens=512)[0].tokens)
    assert report.tokens == length + 1


def _save_full_model(folder: Path) -> Path:
    """Save the model as full training does: without its tokenizer."""
    load_model(folder, "fp32", "cpu").save_pretrained(folder.parent / "full")
    return folder.parent / "full"


def test_a_fully_trained_model_stops_as_its_base(copy_model):
    folder = copy_model(generation={"eos_token_id": [USER, END]})
    assert get_stop_ids(load_model(_save_full_model(folder), "fp32", "cpu"), PAD) == [PAD, USER, END]
