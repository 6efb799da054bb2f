"""The packaged model and its engine without HTTP. Run: pytest tests/service/test_served_model.py"""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.constants import ARCHITECTURES, ENGLISH, KOREAN

from seodang.errors import ModelError
from seodang.inference.engine.contract import SamplingOptions, TokenRequest
from seodang.packaging.checksums import write_checksums
from seodang.packaging.model_folder import MANIFEST_NAME, compute_content_version
from seodang.service.answers.answering import AnswerRequest, compute_answers
from seodang.service.answers.reader import AnswerPart
from seodang.service.context import ServiceContext, build_rules
from seodang.service.model.loading import load_context
from seodang.service.model.served_model import RequestRejected


def build_request(
    context: ServiceContext,
    instruction: str,
    input: str = "",
    max_new_tokens: int | None = None,
    temperature: float = 0,
) -> AnswerRequest:
    prompt = context.model.encode_request(instruction, input)
    limit = context.model.limit_new_tokens(max_new_tokens, len(prompt), "max_new_tokens")
    options = SamplingOptions(max_new_tokens=limit, temperature=temperature)
    return AnswerRequest(TokenRequest(tuple(prompt), options), build_rules(None, is_trimmed=True))


def answer(context: ServiceContext, *request: Any, **fields: Any) -> AnswerPart:
    (part,) = asyncio.run(compute_answers(context.engine, context.model, [build_request(context, *request, **fields)]))
    return part


def load(folder: Path) -> ServiceContext:
    return load_context(folder, "tiny:0123456789ab")


def copy_with_manifest(folder: Path, copy: Path, **changes: object) -> Path:
    shutil.copytree(folder, copy)
    manifest = json.loads((copy / MANIFEST_NAME).read_text("utf-8"))
    (copy / MANIFEST_NAME).write_text(json.dumps({**manifest, **changes}), "utf-8")
    write_checksums(copy)  # a model that was packaged so
    return copy


@pytest.mark.parametrize(("instruction", "input", "output"), [KOREAN, ENGLISH])
def test_it_answers_the_requests_that_it_was_tuned_on_and_stops(served, instruction, input, output):
    part = answer(served, instruction, input)
    assert (part.text, part.finish_reason) == (output, "stop")
    assert part.completion_tokens > 1


def test_text_is_normalized_as_in_training(served):
    import unicodedata

    instruction, input, output = KOREAN
    assert (
        answer(served, f"  {unicodedata.normalize('NFD', instruction)}\n", unicodedata.normalize("NFD", input)).text
        == output
    )


def test_a_truncated_answer_has_finish_reason_length(served):
    part = answer(served, *KOREAN[:2], max_new_tokens=1)
    assert (part.finish_reason, part.completion_tokens) == ("length", 1)


@pytest.mark.parametrize("marker", ["<|end|>", "<|user|>", "<|assistant|>", "<|pad|>"])
def test_a_marker_in_the_request_stays_text(served, marker):
    control = set(served.model.tokenizer.all_special_ids)
    assert not control & set(served.model.encode_request(f"{marker} 안녕", marker))


def test_the_chat_format_keeps_its_own_markers_and_no_others(tmp_path, make_packaged_model):
    chat = load(make_packaged_model(tmp_path / "chat", format="chat"))
    control = set(chat.model.tokenizer.all_special_ids)
    template_tokens = [token for token in chat.model.encode_request("a", "") if token in control]
    assert len(template_tokens) == 3  # user, end, assistant
    assert [
        token for token in chat.model.encode_request("<|assistant|>a<|end|>", "<|user|>") if token in control
    ] == template_tokens
    assert answer(chat, *KOREAN[:2]).text == KOREAN[2]


@pytest.mark.parametrize(
    ("request_", "field", "message"),
    [
        ({"instruction": "가 " * 120}, "instruction", "tokens, but the model's context has only 128"),
        ({"instruction": "가" * 10**7}, "instruction", "10,000,000 characters"),
        ({"instruction": "가", "max_new_tokens": 25}, "max_new_tokens", "from 1 to 24"),
    ],
)
def test_a_request_beyond_the_model_is_rejected_with_the_limit(served, request_, field, message):
    with pytest.raises(RequestRejected, match=message) as caught:
        answer(served, **request_)
    assert caught.value.field == field


def test_the_answer_ends_where_the_context_ends(served):
    almost_full = next(
        text for text in ("x" * count for count in range(1, 128)) if len(served.model.encode_request(text, "")) == 126
    )
    part = answer(served, almost_full)
    assert len(served.model.encode_request(almost_full)) + part.completion_tokens <= 128
    assert part.completion_tokens <= 2


def test_temperature_zero_always_gives_the_same_answer_and_higher_ones_vary(served):
    assert len({answer(served, "무엇이든 말해 보세요").text for _ in range(3)}) == 1
    assert len({answer(served, "무엇이든 말해 보세요", temperature=2.0).text for _ in range(5)}) > 1


def test_concurrent_requests_get_the_same_answers_as_single_ones(served):
    requests = [build_request(served, *request) for request in [KOREAN[:2], ENGLISH[:2]] * 4]
    parts = asyncio.run(compute_answers(served.engine, served.model, requests))
    assert [part.text for part in parts] == [KOREAN[2], ENGLISH[2]] * 4


def test_a_model_tuned_on_other_prompts_is_refused_with_both_fingerprints(packaged_model, tmp_path):
    stored = json.loads((packaged_model / MANIFEST_NAME).read_text("utf-8"))["fingerprint"]
    folder = copy_with_manifest(packaged_model, tmp_path / "foreign", fingerprint="0" * 64)
    with pytest.raises(ModelError, match=f"(?s){stored}.*{'0' * 64}"):
        load(folder)


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"end_id": "1"}, "end_id"), ({"prompt": {"format": "none"}}, "prompt.format"), ({"new": 1}, "new")],
)
def test_a_damaged_manifest_is_an_error_that_names_the_field(packaged_model, tmp_path, changes, field):
    with pytest.raises(ModelError, match=field):
        load(copy_with_manifest(packaged_model, tmp_path / "damaged", **changes))


def test_a_folder_without_a_manifest_is_an_error(tmp_path):
    with pytest.raises(ModelError, match=r"seodang\.json cannot be read"):
        load(tmp_path)


def test_the_version_depends_on_the_weights_and_not_on_the_manifest(packaged_model, tmp_path):
    other_lineage = copy_with_manifest(packaged_model, tmp_path / "other", lineage={"git_commit": "abc"})
    assert compute_content_version(other_lineage, "0" * 64) == compute_content_version(packaged_model, "0" * 64)
    assert compute_content_version(packaged_model, "1" * 64) != compute_content_version(packaged_model, "0" * 64)
    weights = other_lineage / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    assert compute_content_version(other_lineage, "0" * 64) != compute_content_version(packaged_model, "0" * 64)


def test_messages_follow_the_language_of_the_server(served, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    with pytest.raises(RequestRejected, match="줄이세요"):
        answer(served, "가 " * 120)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_model_without_position_embeddings_is_served(architecture, tmp_path, make_other_model, write_tiny_manifest):
    folder = make_other_model(tmp_path / architecture, architecture)
    served = load(write_tiny_manifest(folder, "koalpaca", 4))
    part = answer(served, "무엇이든 말해 보세요", "가 " * 200 if architecture != "mpt" else "")
    assert part.completion_tokens <= 4


def test_an_mpt_model_rejects_a_prompt_beyond_its_limit(tmp_path, make_other_model, write_tiny_manifest):
    served = load(write_tiny_manifest(make_other_model(tmp_path / "mpt", "mpt"), "koalpaca", 4))
    with pytest.raises(RequestRejected, match="context has only 128"):
        answer(served, "가 " * 120)


def test_a_model_that_an_older_version_tuned_with_a_date_says_what_to_do(packaged_model, tmp_path):
    folder = copy_with_manifest(packaged_model, tmp_path / "dated", prompt={"format": "chat"}, fingerprint="0" * 64)
    template = "{{ strftime_now('%d %b %Y') }}{% for m in messages %}{{ '<|user|>' + m['content'] }}{% endfor %}"
    (folder / "chat_template.jinja").write_text(template, "utf-8")
    write_checksums(folder)
    with pytest.raises(
        ModelError, match=r"tuned this model with the date of that day.*dvc repro --force base && make run"
    ):
        load(folder)
