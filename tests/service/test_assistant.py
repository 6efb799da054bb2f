"""The assistant without HTTP. Run: pytest tests/service/test_assistant.py"""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tiny_models import ENGLISH, KOREAN, make_packaged_model

from seodang.errors import ModelError
from seodang.packaging.model_folder import MANIFEST_NAME, compute_content_version
from seodang.service.assistant import Assistant, RequestRejected


@pytest.fixture(scope="module")
def assistant(packaged_folder: Path) -> Assistant:
    return Assistant.load(packaged_folder)


def with_card(folder: Path, copy: Path, **changes: object) -> Path:
    shutil.copytree(folder, copy)
    card = json.loads((copy / MANIFEST_NAME).read_text("utf-8"))
    (copy / MANIFEST_NAME).write_text(json.dumps({**card, **changes}), "utf-8")
    return copy


@pytest.mark.parametrize(("instruction", "input", "output"), [KOREAN, ENGLISH])
def test_it_answers_what_it_was_tuned_on_and_stops_by_itself(assistant, instruction, input, output):
    answer = assistant.answer(instruction, input)
    assert (answer.output, answer.finish_reason) == (output, "stop")
    assert answer.completion_tokens > 1


def test_text_is_normalised_as_in_training(assistant):
    import unicodedata

    instruction, input, output = KOREAN
    assert (
        assistant.answer(f"  {unicodedata.normalize('NFD', instruction)}\n", unicodedata.normalize("NFD", input)).output
        == output
    )


def test_an_answer_that_is_cut_says_so(assistant):
    answer = assistant.answer(*KOREAN[:2], max_new_tokens=1)
    assert (answer.finish_reason, answer.completion_tokens) == ("length", 1)


@pytest.mark.parametrize("marker", ["<|end|>", "<|user|>", "<|assistant|>", "<|pad|>"])
def test_a_marker_in_the_request_stays_text(assistant, marker):
    control = set(assistant._tokenizer.all_special_ids)
    assert not control & set(assistant._encode_prompt(f"{marker} 안녕", marker))


def test_the_chat_format_keeps_its_own_markers_and_no_others(tmp_path):
    chat = Assistant.load(make_packaged_model(tmp_path / "chat", format="chat"))
    control = set(chat._tokenizer.all_special_ids)
    of_the_template = [token for token in chat._encode_prompt("a", "") if token in control]
    assert len(of_the_template) == 3  # user, end, assistant
    assert [
        token for token in chat._encode_prompt("<|assistant|>a<|end|>", "<|user|>") if token in control
    ] == of_the_template
    assert chat.answer(*KOREAN[:2]).output == KOREAN[2]


@pytest.mark.parametrize(
    ("request_", "field", "message"),
    [
        ({"instruction": "가 " * 120}, "instruction", "beyond the model's context of 128 tokens"),
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


def test_temperature_zero_always_says_the_same_and_above_it_varies(assistant):
    assert len({assistant.answer("무엇이든 말해 보세요").output for _ in range(3)}) == 1
    assert len({assistant.answer("무엇이든 말해 보세요", temperature=2.0).output for _ in range(5)}) > 1


def test_answers_asked_at_once_are_those_asked_one_by_one(assistant):
    asked = [KOREAN[:2], ENGLISH[:2]] * 4
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda request: assistant.answer(*request).output, asked))
    assert answers == [KOREAN[2], ENGLISH[2]] * 4


def test_a_model_tuned_to_other_prompts_is_refused_with_both_fingerprints(packaged_folder, tmp_path):
    stored = json.loads((packaged_folder / MANIFEST_NAME).read_text("utf-8"))["fingerprint"]
    folder = with_card(packaged_folder, tmp_path / "foreign", fingerprint="0" * 64)
    with pytest.raises(ModelError, match=f"(?s){stored}.*{'0' * 64}"):
        Assistant.load(folder)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [({"end_id": "1"}, "end_id"), ({"prompt": {"format": "none"}}, "prompt.format"), ({"new": 1}, "new")],
)
def test_a_damaged_card_is_refused_with_the_fault(packaged_folder, tmp_path, changes, fault):
    with pytest.raises(ModelError, match=fault):
        Assistant.load(with_card(packaged_folder, tmp_path / "damaged", **changes))


def test_a_folder_without_a_card_says_what_is_missing(tmp_path):
    with pytest.raises(ModelError, match=r"seodang\.json cannot be read"):
        Assistant.load(tmp_path)


def test_the_version_follows_the_weights_and_not_the_card(packaged_folder, tmp_path):
    other_account = with_card(packaged_folder, tmp_path / "other", lineage={"git_commit": "abc"})
    assert compute_content_version(other_account, "0" * 64) == compute_content_version(packaged_folder, "0" * 64)
    assert compute_content_version(packaged_folder, "1" * 64) != compute_content_version(packaged_folder, "0" * 64)
    weights = other_account / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    assert compute_content_version(other_account, "0" * 64) != compute_content_version(packaged_folder, "0" * 64)
