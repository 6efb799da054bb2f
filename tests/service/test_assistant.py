"""The assistant without HTTP. Run: pytest tests/service/test_assistant.py"""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.constants import ARCHITECTURES, ENGLISH, KOREAN

from seodang.errors import ModelError
from seodang.packaging.model_folder import MANIFEST_NAME, compute_content_version
from seodang.service.assistant import Assistant, RequestRejected


@pytest.fixture(scope="module")
def assistant(packaged_model: Path) -> Assistant:
    return Assistant.load(packaged_model)


def copy_with_manifest(folder: Path, copy: Path, **changes: object) -> Path:
    shutil.copytree(folder, copy)
    manifest = json.loads((copy / MANIFEST_NAME).read_text("utf-8"))
    (copy / MANIFEST_NAME).write_text(json.dumps({**manifest, **changes}), "utf-8")
    return copy


@pytest.mark.parametrize(("instruction", "input", "output"), [KOREAN, ENGLISH])
def test_it_answers_the_requests_that_it_was_tuned_on_and_stops(assistant, instruction, input, output):
    answer = assistant.answer(instruction, input)
    assert (answer.output, answer.finish_reason) == (output, "stop")
    assert answer.completion_tokens > 1


def test_text_is_normalized_as_in_training(assistant):
    import unicodedata

    instruction, input, output = KOREAN
    assert (
        assistant.answer(f"  {unicodedata.normalize('NFD', instruction)}\n", unicodedata.normalize("NFD", input)).output
        == output
    )


def test_a_truncated_answer_has_finish_reason_length(assistant):
    answer = assistant.answer(*KOREAN[:2], max_new_tokens=1)
    assert (answer.finish_reason, answer.completion_tokens) == ("length", 1)


@pytest.mark.parametrize("marker", ["<|end|>", "<|user|>", "<|assistant|>", "<|pad|>"])
def test_a_marker_in_the_request_stays_text(assistant, marker):
    control = set(assistant._tokenizer.all_special_ids)
    assert not control & set(assistant._encode_prompt(f"{marker} 안녕", marker))


def test_the_chat_format_keeps_its_own_markers_and_no_others(tmp_path, make_packaged_model):
    chat = Assistant.load(make_packaged_model(tmp_path / "chat", format="chat"))
    control = set(chat._tokenizer.all_special_ids)
    template_tokens = [token for token in chat._encode_prompt("a", "") if token in control]
    assert len(template_tokens) == 3  # user, end, assistant
    assert [
        token for token in chat._encode_prompt("<|assistant|>a<|end|>", "<|user|>") if token in control
    ] == template_tokens
    assert chat.answer(*KOREAN[:2]).output == KOREAN[2]


@pytest.mark.parametrize(
    ("request_", "field", "message"),
    [
        ({"instruction": "가 " * 120}, "instruction", "tokens, but the model's context has only 128"),
        ({"instruction": "가" * 10**7}, "instruction", "10,000,000 characters"),
        ({"instruction": "가", "max_new_tokens": 25}, "max_new_tokens", "from 1 to 24"),
        ({"instruction": "가", "max_new_tokens": 0}, "max_new_tokens", "got 0"),
    ],
)
def test_a_request_beyond_the_model_is_rejected_with_the_limit(assistant, request_, field, message):
    with pytest.raises(RequestRejected, match=message) as caught:
        assistant.answer(**request_)
    assert caught.value.field == field


def test_the_answer_ends_where_the_context_ends(assistant):
    almost_full = next(
        text for text in ("x" * count for count in range(1, 128)) if len(assistant._encode_prompt(text, "")) == 126
    )
    answer = assistant.answer(almost_full)
    assert answer.prompt_tokens + answer.completion_tokens <= 128
    assert answer.completion_tokens <= 2


def test_temperature_zero_always_gives_the_same_answer_and_higher_ones_vary(assistant):
    assert len({assistant.answer("무엇이든 말해 보세요").output for _ in range(3)}) == 1
    assert len({assistant.answer("무엇이든 말해 보세요", temperature=2.0).output for _ in range(5)}) > 1


def test_concurrent_requests_get_the_same_answers_as_single_ones(assistant):
    requests = [KOREAN[:2], ENGLISH[:2]] * 4
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda request: assistant.answer(*request).output, requests))
    assert answers == [KOREAN[2], ENGLISH[2]] * 4


def test_a_model_tuned_on_other_prompts_is_refused_with_both_fingerprints(packaged_model, tmp_path):
    stored = json.loads((packaged_model / MANIFEST_NAME).read_text("utf-8"))["fingerprint"]
    folder = copy_with_manifest(packaged_model, tmp_path / "foreign", fingerprint="0" * 64)
    with pytest.raises(ModelError, match=f"(?s){stored}.*{'0' * 64}"):
        Assistant.load(folder)


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"end_id": "1"}, "end_id"), ({"prompt": {"format": "none"}}, "prompt.format"), ({"new": 1}, "new")],
)
def test_a_damaged_manifest_is_an_error_that_names_the_field(packaged_model, tmp_path, changes, field):
    with pytest.raises(ModelError, match=field):
        Assistant.load(copy_with_manifest(packaged_model, tmp_path / "damaged", **changes))


def test_a_folder_without_a_manifest_is_an_error(tmp_path):
    with pytest.raises(ModelError, match=r"seodang\.json cannot be read"):
        Assistant.load(tmp_path)


def test_the_version_depends_on_the_weights_and_not_on_the_manifest(packaged_model, tmp_path):
    other_lineage = copy_with_manifest(packaged_model, tmp_path / "other", lineage={"git_commit": "abc"})
    assert compute_content_version(other_lineage, "0" * 64) == compute_content_version(packaged_model, "0" * 64)
    assert compute_content_version(packaged_model, "1" * 64) != compute_content_version(packaged_model, "0" * 64)
    weights = other_lineage / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    assert compute_content_version(other_lineage, "0" * 64) != compute_content_version(packaged_model, "0" * 64)


def test_messages_follow_the_language_of_the_server(assistant, monkeypatch):
    monkeypatch.setenv("SEODANG_LANG", "ko")
    with pytest.raises(RequestRejected, match="줄이세요"):
        assistant.answer("가 " * 120)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_model_without_position_embeddings_is_served(architecture, tmp_path, make_other_model, write_tiny_manifest):
    folder = make_other_model(tmp_path / architecture, architecture)
    assistant = Assistant.load(write_tiny_manifest(folder, "koalpaca", 4))
    answer = assistant.answer("무엇이든 말해 보세요", "가 " * 200 if architecture != "mpt" else "")
    assert answer.completion_tokens <= 4


def test_an_mpt_model_rejects_a_prompt_beyond_its_limit(tmp_path, make_other_model, write_tiny_manifest):
    assistant = Assistant.load(write_tiny_manifest(make_other_model(tmp_path / "mpt", "mpt"), "koalpaca", 4))
    with pytest.raises(RequestRejected, match="context has only 128"):
        assistant.answer("가 " * 120)


def test_a_model_that_an_older_version_tuned_with_a_date_says_what_to_do(packaged_model, tmp_path):
    folder = copy_with_manifest(packaged_model, tmp_path / "dated", prompt={"format": "chat"}, fingerprint="0" * 64)
    template = "{{ strftime_now('%d %b %Y') }}{% for m in messages %}{{ '<|user|>' + m['content'] }}{% endfor %}"
    (folder / "chat_template.jinja").write_text(template, "utf-8")
    with pytest.raises(
        ModelError, match=r"tuned this model with the date of that day.*dvc repro --force base && make run"
    ):
        Assistant.load(folder)
