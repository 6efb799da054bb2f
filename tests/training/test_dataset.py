"""Tokenized examples: only the answers of a conversation have labels; the files hold the same as single records."""

import mmap

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seodang.errors import ArtifactError
from seodang.models.tokenization import encode_prompt, get_end_id, tokenize_record
from seodang.primer_base.model import train_tokenizer
from seodang.prompting import render_record
from seodang.records import Turn, make_record
from seodang.training.dataset import DatasetCounts, read_tokenized_dataset, write_tokenized_dataset
from seodang.training.example_tokenizer import tokenize_example

FORMATS = ["alpaca", "koalpaca", "chat", "plain"]
TEXTS = [
    "이 영화는 정말 재미있다",
    "### 질문: ### 맥락: ### 답변:",
    "The film was great",
    "user assistant <|user|> 날씨 맑음 search",
] * 20


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, 500, 128)


def record(output="긍정", instruction="감정은?", input="", **others):
    return make_record(instruction=instruction, input=input, output=output, source="s", task="t", cluster="c", **others)


CONVERSATION = record(
    output="맑아요.",
    instruction="그래서?",
    system="짧게 답하세요.",
    turns=(
        Turn(role="user", content="날씨는?"),
        Turn(role="tool_call", content='search("날씨")'),
        Turn(role="tool", content="맑음"),
        Turn(role="assistant", content="찾았어요."),
        Turn(role="user", content=""),
        Turn(role="assistant", content=""),
    ),
)


def label_text(tokenizer, example) -> str:
    return tokenizer.decode(example.ids[example.loss_mask])


def test_all_answers_of_the_assistant_have_labels_and_no_other_text(tokenizer):
    assert (
        label_text(tokenizer, tokenize_example(tokenizer, CONVERSATION, "koalpaca"))
        == ' search("날씨") 찾았어요. 맑아요.<|end|>'
    )
    assert (
        label_text(tokenizer, tokenize_example(tokenizer, CONVERSATION, "alpaca"))
        == 'search("날씨")찾았어요.맑아요.<|end|>'
    )
    assert (
        label_text(tokenizer, tokenize_example(tokenizer, CONVERSATION, "plain"))
        == ' search("날씨") 찾았어요. 맑아요.<|end|>'
    )


def test_in_a_chat_the_end_of_each_answer_is_learned_but_not_of_an_empty_one(tokenizer):
    assert (
        label_text(tokenizer, tokenize_example(tokenizer, CONVERSATION, "chat"))
        == 'search("날씨")<|end|>찾았어요.<|end|>맑아요.<|end|>'
    )


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_learned_follows_the_very_tokens_of_the_served_prompt(tokenizer, format):
    example, tokens = (
        tokenize_example(tokenizer, CONVERSATION, format),
        tokenize_record(tokenizer, CONVERSATION, format),
    )
    assert example.ids.tolist() == tokens.prompt + tokens.completion
    assert tokens.prompt == encode_prompt(tokenizer, render_record(CONVERSATION, format, tokenizer))


@pytest.mark.parametrize("format", FORMATS)
def test_of_a_single_turn_the_completion_is_learned(tokenizer, format):
    example, tokens = (
        tokenize_example(tokenizer, record(input="좋다"), format),
        tokenize_record(tokenizer, record(input="좋다"), format),
    )
    assert example.ids.tolist() == tokens.prompt + tokens.completion
    assert example.ids[example.loss_mask].tolist() == tokens.completion
    assert tokens.completion[-1] == get_end_id(tokenizer, format)


def test_the_first_token_never_has_a_label(tokenizer):
    example = tokenize_example(tokenizer, record(instruction="", output="맑음"), "plain")
    tokens = tokenize_record(tokenizer, record(instruction="", output="맑음"), "plain")
    assert example.ids.tolist() == tokens.completion  # there is no prompt
    assert example.loss_mask.tolist() == [False] + [True] * (len(example.ids) - 1)


def test_half_characters_that_a_warning_let_through_are_read_as_question_marks(tokenizer, tmp_path):
    malformed, repaired = record(output="좋\ud83d아"), record(output="좋?아")
    write_tokenized_dataset(tmp_path / "dataset", [malformed], tokenizer, "koalpaca", 64)
    assert (
        read_tokenized_dataset(tmp_path / "dataset")[0].ids.tolist()
        == tokenize_example(tokenizer, malformed, "koalpaca").ids.tolist()
        == tokenize_example(tokenizer, repaired, "koalpaca").ids.tolist()
    )


def test_records_that_are_too_long_or_have_no_answer_are_left_out_and_counted(tokenizer, tmp_path):
    fitting, empty, long = record(), record(output=" "), record(output="긍정 " * 50)
    length = len(tokenize_example(tokenizer, fitting, "koalpaca").ids)
    assert write_tokenized_dataset(
        tmp_path / "dataset", [long, fitting, empty], tokenizer, "koalpaca", length
    ) == DatasetCounts(kept=1, too_long=1, without_answer=1)
    dataset = read_tokenized_dataset(tmp_path / "dataset")
    assert dataset.counts == DatasetCounts(kept=1, too_long=1, without_answer=1)
    assert dataset.lengths.tolist() == [length]
    assert dataset[0].ids.tolist() == tokenize_example(tokenizer, fitting, "koalpaca").ids.tolist()
    assert write_tokenized_dataset(tmp_path / "dataset", [fitting], tokenizer, "koalpaca", length - 1) == DatasetCounts(
        kept=0, too_long=1, without_answer=0
    )
    assert len(read_tokenized_dataset(tmp_path / "dataset")) == 0


WORDS = st.lists(
    st.one_of(
        st.text(max_size=5),
        st.sampled_from(["<|end|>", "<|assistant|>", " ", "  ", "\n\n", "영화는", "great.", "\ue0000\ue001"]),
    ),
    max_size=6,
).map("".join)
TURNS = st.lists(
    st.builds(Turn, role=st.sampled_from(["user", "assistant", "tool", "tool_call"]), content=WORDS), max_size=4
).map(tuple)
RECORDS = st.builds(record, output=WORDS, instruction=WORDS, input=WORDS, system=WORDS, turns=TURNS)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.lists(RECORDS, max_size=5), format=st.sampled_from(FORMATS))
def test_the_files_hold_what_each_record_gives_by_itself(tokenizer, tmp_path_factory, records, format):
    folder = tmp_path_factory.mktemp("property") / "dataset"
    counts = write_tokenized_dataset(folder, records, tokenizer, format, 10_000)
    dataset, alone = read_tokenized_dataset(folder), [tokenize_example(tokenizer, each, format) for each in records]
    kept = [example for example in alone if example.loss_mask.any()]
    assert counts == DatasetCounts(kept=len(kept), too_long=0, without_answer=len(alone) - len(kept))
    assert [(example.ids.tolist(), example.loss_mask.tolist()) for example in dataset] == [
        (example.ids.tolist(), example.loss_mask.tolist()) for example in kept
    ]
    assert dataset.lengths.tolist() == [len(example.ids) for example in kept]
    assert dataset.label_counts.tolist() == [int(example.loss_mask.sum()) for example in kept]
    prompts = [tokenize_record(tokenizer, each, format) for each in records]
    assert [example.ids.tolist() for example in alone] == [tokens.prompt + tokens.completion for tokens in prompts]


def test_several_chunks_stand_one_after_the_other_in_the_order_of_their_records(tokenizer, tmp_path, monkeypatch):
    monkeypatch.setattr("seodang.training.dataset._CHUNK_SIZE", 4)
    records = [record(instruction=f"{number} 더하기?", output=f"{number}") for number in range(10)]
    write_tokenized_dataset(tmp_path / "dataset", iter(records), tokenizer, "koalpaca", 128)
    dataset = read_tokenized_dataset(tmp_path / "dataset")
    assert [label_text(tokenizer, example) for example in dataset] == [f" {number}<|end|>" for number in range(10)]
    assert label_text(tokenizer, dataset[-1]) == " 9<|end|>"
    assert [label_text(tokenizer, example) for example in dataset[2:4]] == [" 2<|end|>", " 3<|end|>"]
    with pytest.raises(IndexError):
        dataset[10]


def test_an_example_is_a_view_into_the_memory_map(tokenizer, tmp_path):
    write_tokenized_dataset(tmp_path / "dataset", [record(), record(output="부정")], tokenizer, "koalpaca", 128)
    example = read_tokenized_dataset(tmp_path / "dataset")[1]
    for array, dtype in ((example.ids, np.int32), (example.loss_mask, np.bool_)):
        assert array.dtype == dtype
        assert not array.flags.owndata
        base = array
        while isinstance(base, np.ndarray):
            base = base.base
        assert isinstance(base, mmap.mmap)


def test_an_error_while_writing_leaves_the_old_dataset(tokenizer, tmp_path):
    write_tokenized_dataset(tmp_path / "dataset", [record()], tokenizer, "koalpaca", 128)

    def failing_records():
        yield record()
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        write_tokenized_dataset(tmp_path / "dataset", failing_records(), tokenizer, "koalpaca", 128)
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]
    assert len(read_tokenized_dataset(tmp_path / "dataset")) == 1


@pytest.mark.parametrize("name", ["ids.npy", "loss_mask.npy", "offsets.npy", "label_counts.npy", "counts.json"])
def test_a_damaged_or_missing_file_is_named_with_what_to_do(tokenizer, tmp_path, name):
    write_tokenized_dataset(tmp_path / "dataset", [record()], tokenizer, "koalpaca", 128)
    file = tmp_path / "dataset" / name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match="delete the folder and run training again"):
        read_tokenized_dataset(tmp_path / "dataset")
    file.unlink()
    with pytest.raises(ArtifactError, match=name):
        read_tokenized_dataset(tmp_path / "dataset")
