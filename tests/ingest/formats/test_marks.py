"""What a record says about itself is used: loss flags, verdicts, corrections, splits, and columns with content."""

from __future__ import annotations

import json

import pytest

from seodang.ingest.file_rows import iter_file_rows
from seodang.ingest.formats.verdicts import parse_verdict
from seodang.ingest.rows import LABEL_UNKNOWN, LOSS_UNCLEAR, NOT_LEARNED, get_field_error
from seodang.ingest.tally import Tally
from seodang.prompting import Renderer
from seodang.records import Turn, make_record
from seodang.validation.ignored_texts import list_ignored_scores, list_ignored_verdicts

ALPACA = {"instruction": "수도는?", "output": "부산"}
UNLEARNED = [{"weight": 0}, {"loss_mask": 0}, {"train": False}, {"trainable": "false"}, {"masked": True}, {"loss": 0.0}]


def build_chat(flag):
    return [
        {"role": "user", "content": "수도는?"},
        {"role": "assistant", "content": "부산", **flag},
        {"role": "user", "content": "다시?"},
        {"role": "assistant", "content": "서울", **dict.fromkeys(flag, None)},
    ]


@pytest.mark.parametrize("flag", UNLEARNED)
def test_an_answer_that_is_not_learned_stays_as_context_without_a_label(tmp_path, flag, read_rows):
    (row,) = read_rows(tmp_path, [{"messages": build_chat(flag)}])
    assert row["output"] == "서울"
    record = make_record(
        instruction=row["instruction"], input="", output=row["output"], source="a", task="a", cluster="a",
        turns=tuple(Turn(**turn) for turn in row["turns"]),
    )  # fmt: skip
    segments = Renderer("koalpaca").render_example(record)
    assert [segment.text.strip() for segment in segments if segment.is_label] == ["서울"]
    assert "부산" in "".join(segment.text for segment in segments)


@pytest.mark.parametrize("flag", UNLEARNED)
def test_a_last_answer_that_is_not_learned_ends_the_conversation_before_it(tmp_path, flag, read_rows):
    chat = build_chat({})
    (row,) = read_rows(tmp_path, [{"messages": [*chat[:3], {**chat[3], **flag}]}])
    assert (row["instruction"], row["output"], row["turns"]) == ("수도는?", "부산", [])


@pytest.mark.parametrize("flag", UNLEARNED)
def test_a_conversation_without_a_learned_answer_is_an_error(tmp_path, flag, read_rows):
    (row,) = read_rows(tmp_path, [{"messages": build_chat(flag)[:2]}])
    assert get_field_error(row["output"]) == NOT_LEARNED


def test_a_list_of_flags_of_the_record_belongs_to_its_messages(tmp_path, read_rows):
    rows = read_rows(tmp_path, [{"messages": build_chat({}), "loss_mask": flags} for flags in ([0, 0, 0, 1], [1, 0])])
    assert rows[0]["turns"][1] == {"role": "assistant", "content": "부산", "learned": False}
    assert get_field_error(rows[1]["output"]) == LOSS_UNCLEAR


@pytest.mark.parametrize("label", [True, 1, 1.0, "1.0", "good", "Yes", "desirable", "👍", "좋음"])
def test_a_label_is_good_in_many_words(label):
    assert parse_verdict(label) is True


@pytest.mark.parametrize("label", [False, 0, 0.0, -1, "0.0", "bad", "no", "un-desirable", "rejected", "나쁨"])
def test_a_label_is_bad_in_many_words(label):
    assert parse_verdict(label) is (None if label == "un-desirable" else False)


@pytest.mark.parametrize("layout", [{"prompt": "수도는?", "completion": "부산"}, {"messages": build_chat({})}])
def test_a_label_is_read_in_each_layout_and_an_unknown_one_is_an_error(tmp_path, layout, read_rows):
    rows = read_rows(tmp_path, [{**layout, "label": label} for label in (1.0, "bad", "maybe", 0.5)])
    assert [row["desirable"] for row in rows] == [True, False, None, None]
    assert [get_field_error(row["output"]) for row in rows] == [None, None, LABEL_UNKNOWN, LABEL_UNKNOWN]


@pytest.mark.parametrize(
    "mark",
    [
        {"status": "discarded"}, {"Status": "Rejected"}, {"is_correct": False}, {"is_correct": "0"}, {"deleted": 1},
        {"weight": 0}, {"train": False}, {"metadata": {"status": "반려"}}, {"deleted_at": "2026-01-01"},
        {"answer": "reject", "_input_hash": 1}, {"상태": "삭제"}, {"label": "bad"}, {"사용여부": "N"},
    ],
)  # fmt: skip
def test_a_record_that_says_it_is_bad_is_marked(tmp_path, mark, read_rows):
    (row,) = read_rows(tmp_path, [{**ALPACA, **mark}])
    assert list(row["marks"]) == ["record-rejected"]


@pytest.mark.parametrize(
    "mark",
    [{"status": "draft"}, {"verified": False}, {"rating": "1/5"}, {"needs_review": True}],
)
def test_a_record_in_doubt_is_marked(tmp_path, mark, read_rows):
    (row,) = read_rows(tmp_path, [{**ALPACA, **mark}])
    assert list(row["marks"]) == ["record-doubtful"]


@pytest.mark.parametrize(
    "mark",
    [
        {"status": "submitted"}, {"is_correct": True}, {"correct": 0}, {"weight": 1}, {"rating": 5}, {"answer": "서울"},
        {"label": "science"}, {"deleted": False}, {"deleted_at": None}, {"corrected_output": "부산"}, {"state": "Texas"},
        {"review": "The hotel was bad."}, {"split": "train"},
    ],
)  # fmt: skip
def test_a_record_that_says_nothing_bad_is_not_marked(tmp_path, mark, read_rows):
    (row,) = read_rows(tmp_path, [{**ALPACA, **mark}])
    assert (row["marks"], row["role"]) == ({}, "any")


def test_a_rating_is_low_on_the_scale_of_its_file(tmp_path, read_rows):
    rows = read_rows(tmp_path, [{**ALPACA, "rating": rating} for rating in (5, 4, 2, 1)])
    assert [bool(row["marks"]) for row in rows] == [False, False, True, True]


@pytest.mark.parametrize(
    "correction",
    [{"corrected_output": "서울"}, {"new-output": [{"user_id": "u", "value": "서울", "status": "submitted"}]}],
)
def test_a_corrected_answer_that_differs_is_marked(tmp_path, correction, read_rows):
    (row,) = read_rows(tmp_path, [{**ALPACA, **correction}])
    assert list(row["marks"]) == ["answer-corrected"]


def test_scores_that_contradict_a_pair_are_marked(tmp_path, read_rows):
    pair = {"prompt": "수도는?", "chosen": "부산", "rejected": "서울", "score_chosen": 1.0, "score_rejected": 4.0}
    assert list(read_rows(tmp_path, [pair])[0]["marks"]) == ["pair-reversed"]


@pytest.mark.parametrize("split", [{"split": "test"}, {"split": "Validation"}, {"is_test": True}, {"구분": "평가용"}])
def test_a_record_of_a_test_split_is_never_trained_on(tmp_path, split, read_rows):
    assert [row["role"] for row in read_rows(tmp_path, [{**ALPACA, **split}, ALPACA])] == ["test", "any"]


@pytest.mark.parametrize("key", ["document", "context_text", "passage", "지문"])
def test_a_column_with_content_is_the_input(tmp_path, key, read_rows):
    (row,) = read_rows(tmp_path, [{**ALPACA, key: "비가 왔다."}])
    assert row["input"] == "비가 왔다."


def test_a_system_prompt_is_the_system_text(tmp_path, read_rows):
    rows = read_rows(tmp_path, [{**ALPACA, "system_prompt": "짧게."}, {**ALPACA, "system_prompt": ""}])
    assert [row["system"] for row in rows] == ["짧게.", ""]


def test_an_ignored_key_is_counted_with_a_sample_also_inside_messages(tmp_path):
    chat = build_chat({})
    chat[3]["reasoning_content"] = "둘씩 세 번이니 여섯이다. 그래서 답은 6이다."
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"messages": chat, "note": "x"}, {"messages": build_chat({})}]), "utf-8")
    tally = Tally()
    list(
        iter_file_rows(
            path, "a", format="auto", columns=None, table=None, name="a", max_field_characters=1000, tally=tally
        )
    )
    ignored = tally.ignored_keys.to_json()
    assert set(ignored) == {"note", "messages[].reasoning_content"}
    assert (ignored["note"]["rows"], ignored["note"]["share"], ignored["note"]["holds_text"]) == (1, 0.5, False)
    assert ignored["messages[].reasoning_content"]["holds_text"]


@pytest.mark.parametrize(
    "messages",
    [
        json.dumps(build_chat({}), ensure_ascii=False),
        str(build_chat({})),
        {"role": [m["role"] for m in build_chat({})], "content": [m["content"] for m in build_chat({})]},
        [{"Role": m["role"], "Content": m["content"]} for m in build_chat({})],
    ],
)
def test_messages_are_read_in_each_form(tmp_path, messages, read_rows):
    (row,) = read_rows(tmp_path, [{"messages": messages}])
    assert (row["instruction"], row["output"], len(row["turns"])) == ("다시?", "서울", 2)


def test_a_list_with_one_answer_is_that_answer_and_a_longer_one_is_no_text(tmp_path, read_rows):
    rows = read_rows(tmp_path, [{"question": "강은?", "answer": answer} for answer in (["한강"], ["한강", "낙동강"])])
    assert [row["output"] for row in rows] == ["한강", ["한강", "낙동강"]]


@pytest.mark.parametrize(
    "verdict",
    [
        *({"isAccepted": False}, {"human_approved": "no"}, {"isDeleted": 1}, {"use_for_training": "N"}),
        *({"include_in_training": False}, {"approval_status": "REJECTED"}, {"review_decision": "reject"}),
        *({"is_hallucination": "yes"}, {"has_error": True}, {"masked": 1.0}, {"finish_reason": "content_filter"}),
        *(
            {"annotations": [{"status": "rejected"}]},
            {"evaluation": {"correct": False}},
            {"judge": {"verdict": "incorrect"}},
        ),
        *({"학습여부": "N"}, {"thumbs": "down"}, {"approval": "rejected"}),
        *(
            {"use_yn": "N"},
            {"useYn": "N"},
            {"delYn": "Y"},
            {"합격여부": "불합격"},
            {"채택여부": "미채택"},
            {"오답": True},
        ),
        *({"thumbs_up": False}, {"quality_flag": "bad"}, {"error": {"code": 429, "message": "slow down"}}),
    ],
)
def test_a_verdict_in_other_words_rejects_the_record(tmp_path, verdict, read_rows):
    (row,) = read_rows(tmp_path, [{**ALPACA, **verdict}])
    assert list(row["marks"]) == ["record-rejected"]


@pytest.mark.parametrize(
    "doubt",
    [
        *(
            {"quality": "low"},
            {"품질": "하"},
            {"vote": -1},
            {"toxicity": 0.9},
            {"is_safe": False},
            {"safety": "unsafe"},
        ),
        *({"finish_reason": "length"}, {"truncated": True}, {"approval": "pending"}, {"expert_verified": "no"}),
        *({"grade": "F"}, {"quality": "D"}, {"등급": "D"}, {"rating": "👎"}, {"review_status": "changes_requested"}),
        *({"검수상태": "검수전"}, {"error": {"span": [3, 7]}}),
    ],
)
def test_a_doubt_in_other_words_is_reported(tmp_path, doubt, read_rows):
    (row,) = read_rows(tmp_path, [{**ALPACA, **doubt}])
    assert list(row["marks"]) == ["record-doubtful"]


@pytest.mark.parametrize(
    "value",
    [
        *({"num_correct": 0}, {"total_correct": 0}, {"error": "none seen"}, {"approved_by": "kim"}, {"votes": 0}),
        *(
            {"last_reviewed": "2024-01-01"},
            {"toxicity": 0.01},
            {"use_case": "no"},
            {"train_loss": 0.0},
            {"error_count": 0},
        ),
        *({"quality": "medium"}, {"answer_id": 0}, {"finish_reason": "stop"}, {"safety": "safe"}),
        *({"grade": 3}, {"grade": "B+"}, {"error": {}}, {"useYn": "Y"}, {"합격여부": "합격"}, {"오답": False}),
    ],
)
def test_counts_names_and_good_verdicts_mark_nothing(tmp_path, value, read_rows):
    (row,) = read_rows(tmp_path, [{**ALPACA, **value}])
    assert row["marks"] == {}


@pytest.mark.parametrize("verdict", [{"accepted": False}, {"status": "rejected"}, {"is_correct": "no"}, {"deleted": 1}])
def test_a_message_that_is_rejected_is_not_learned(tmp_path, verdict, read_rows):
    (row,) = read_rows(tmp_path, [{"messages": build_chat(verdict)}])
    assert row["turns"][1] == {"role": "assistant", "content": "부산", "learned": False}


@pytest.mark.parametrize("key", ["meta", "metadata"])
def test_the_system_text_in_metadata_is_read_and_not_ignored(tmp_path, key):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({**ALPACA, key: {"system_prompt": "짧게 답하세요."}}, ensure_ascii=False), "utf-8")
    tally = Tally()
    (row,) = iter_file_rows(
        path, "a.jsonl", format="auto", columns=None, table=None, name="a", max_field_characters=1000, tally=tally
    )
    assert (row["system"], tally.ignored_keys.list_names()) == ("짧게 답하세요.", [])


@pytest.mark.parametrize(
    ("error", "marks"),
    [
        ("timeout", ["record-rejected"]),
        ("HTTP 500 after 3 tries", ["record-rejected"]),
        ("응답 시간 초과", ["record-rejected"]),
        (["RateLimitError"], ["record-rejected"]),
        (True, ["record-rejected"]),
        ("조사를 잘못 썼다", ["record-doubtful"]),
        (False, []),
        ("none", []),
        ("No errors found", []),
        ("오류 없음", []),
        ("없음", []),
        (0.02, []),
        ("0.02", []),
    ],
)
def test_an_error_in_words_rejects_the_record_and_a_number_or_none_does_not(tmp_path, error, marks, read_rows):
    (row,) = read_rows(tmp_path, [{**ALPACA, "error": error}])
    assert list(row["marks"]) == marks


def test_scores_on_an_unknown_scale_are_reported_with_share_range_and_filter(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = [{**ALPACA, "instruction": f"{number}번?", "reward": number / 10} for number in range(-3, 4)]
    path.write_text("\n".join(json.dumps(row) for row in [*rows, ALPACA]), "utf-8")
    tally = Tally()
    list(
        iter_file_rows(
            path, "a", format="auto", columns=None, table=None, name="a", max_field_characters=1000, tally=tally
        )
    )
    (line,) = list_ignored_scores(tally.ignored_keys)
    assert "the key reward holds scores of the records (88% of the rows, -0.3 to 0.3)" in line
    assert line.endswith("df[df['reward'] >= 0]")


@pytest.mark.parametrize(
    ("instruction", "marks"), [("수도는?", ["record-rejected"]), ("API 오류의 예를 JSON으로 쓰세요.", [])]
)
def test_the_error_of_a_request_as_an_answer_rejects_the_record(tmp_path, instruction, marks, read_rows):
    output = '{"error": {"code": 429, "message": "Rate limit reached"}}'
    (row,) = read_rows(tmp_path, [{"instruction": instruction, "output": output}])
    assert list(row["marks"]) == marks


def list_marks(rows):
    return [list(row["marks"]) for row in rows]


def build_label_studio(annotation):
    data = {"instruction": "수도는?", "output": "부산"}
    return {"data": data, "annotations": [{"result": [], **annotation}]}


@pytest.mark.parametrize(
    "record",
    [
        build_label_studio({"last_action": "rejected"}),
        build_label_studio({"reviews": [{"accepted": False}]}),
        build_label_studio({"result": [{"from_name": "answer_ok", "value": {"choices": ["No"]}}]}),
        {**ALPACA, "quality.responses": ["bad", "bad"], "quality.responses.status": ["submitted", "submitted"]},
        {**ALPACA, "quality.responses.status": ["discarded"]},
        *({**ALPACA, **verdict} for verdict in ({"comments": ["오답"]}, {"Skipped": True}, {"audit_result": "fail"})),
        *({**ALPACA, **verdict} for verdict in ({"grade": "INCORRECT"}, {"grader": {"pass": False}})),
        *({**ALPACA, **verdict} for verdict in ({"human_label": "incorrect"}, {"quality_check": "failed"})),
        *(
            {**ALPACA, **verdict}
            for verdict in ({"verdict": {"label": "bad"}}, {"worker_answer": {"acceptable": "No"}})
        ),
        *({**ALPACA, **verdict} for verdict in ({"evaluation": {"human": {"correct": False}}}, {"QC": "NG"})),
        *({**ALPACA, **verdict} for verdict in ({"is_contaminated": "yes"}, {"mark_for_deletion": "Y"})),
        *({**ALPACA, **verdict} for verdict in ({"reject_reason": "wrong capital"}, {"반려사유": "사실 오류"})),
        *(
            {**ALPACA, **verdict}
            for verdict in ({"유효여부": "N"}, {"데이터_활용여부": "미활용"}, {"정답유무": "오답"})
        ),
        *({**ALPACA, **verdict} for verdict in ({"정오표시": "X"}, {"적절성": "부적절"}, {"오류여부": 1})),
        *({**ALPACA, **verdict} for verdict in ({"비고": "삭제 요망"}, {"작업상태": "반려"}, {"환각여부": "Y"})),
        *({**ALPACA, **verdict} for verdict in ({"라벨링정보": {"검수결과": "불합격"}}, {"학습데이터여부": "N"})),
    ],
)
def test_a_verdict_of_an_annotation_tool_rejects_the_record(tmp_path, record, read_rows):
    assert list_marks(read_rows(tmp_path, [record])) == [["record-rejected"]]


@pytest.mark.parametrize(
    "doubt",
    [
        *({"is_confirmed": False}, {"workflow_status": "IN_REWORK"}, {"Reviews": [{"score": -1}]}, {"has_pii": True}),
        *({"overall_rating": "Very Bad"}, {"confidence": "low"}, {"feedback": {"rating": "dissatisfied"}}),
        *({"is_ambiguous": True}, {"needs_fix": True}, {"disabled": True}, {"is_active": 0}, {"archived": True}),
        *({"최종여부": "N"}, {"정확도": "하"}, {"만족도": "불만족"}, {"비고": "재검수 필요"}, {"개인정보": "포함"}),
        *(
            {"공개여부": "비공개"},
            {"유해성": "있음"},
            {"평가등급": "F"},
            {"가공상태": "미완료"},
            {"일치여부": "불일치"},
        ),
        {"meta": {"quality": {"score": "하"}}},
    ],
)
def test_a_doubt_of_an_annotation_tool_is_reported(tmp_path, doubt, read_rows):
    assert list_marks(read_rows(tmp_path, [{**ALPACA, **doubt}])) == [["record-doubtful"]]


@pytest.mark.parametrize(
    "split", [{"set_type": "test"}, {"splitName": "dev"}, {"데이터구분": "검증"}, {"학습구분": "평가"}]
)
def test_a_split_under_another_name_is_held_out(tmp_path, split, read_rows):
    assert [row["role"] for row in read_rows(tmp_path, [{**ALPACA, **split}])] == ["test"]


@pytest.mark.parametrize(
    "content",
    [
        *({"주문상태": "취소"}, {"처리상태": "반려"}, {"건강상태": "나쁨"}, {"검사결과": "비정상"}, {"흡연여부": "N"}),
        *(
            {"용도": "시험용"},
            {"업무구분": "평가"},
            {"등급": "C"},
            {"오류수": 0},
            {"오답수": 3},
            {"비고": "2차 작업분"},
        ),
        *({"반려사유": "해당없음"}, {"reject_reason": "none"}, {"개인정보": "없음"}, {"오류유형": "띄어쓰기"}),
        *({"note": "see #3"}, {"movie_rating": 1}, {"difficulty": "low"}, {"confidence": 0.1}, {"action": "reject"}),
        *(
            {"purpose": "testing"},
            {"choices": ["good", "bad"]},
            {"results": [{"title": "bad day"}]},
            {"is_gold": False},
        ),
        *({"machine_translated": True}, {"meta": {"label": "negative"}}, {"reviews": [{"text": "bad", "stars": 1}]}),
    ],
)
def test_content_and_notes_mark_nothing(tmp_path, content, read_rows):
    (row,) = read_rows(tmp_path, [{**ALPACA, **content}])
    assert (row["marks"], row["role"]) == ({}, "any")


def test_zero_and_one_are_verdicts_where_a_file_has_no_other_number_and_no_options(tmp_path, read_rows):
    def read(*numbers, **others):
        return list_marks(read_rows(tmp_path, [{**ALPACA, "correct": number, **others} for number in numbers]))

    assert read(1, 0) == [[], ["record-rejected"]]
    assert read(1, 0, 3) == [[], [], []]  # a count
    assert read(1, 0, choices=["서울", "부산"]) == [[], []]  # an index


@pytest.mark.parametrize(
    "doubt",
    [{"finish_reason": "length"}, {"status": "incomplete"}, {"refusal": "도와드릴 수 없습니다."}, {"rating": -1}],
)
def test_a_doubt_about_an_answer_of_a_conversation_is_reported(tmp_path, doubt, read_rows):
    (row,) = read_rows(tmp_path, [{"messages": [*build_chat({})[:3], {**build_chat({})[3], **doubt}]}])
    assert (list(row["marks"]), row["output"]) == (["record-doubtful"], "서울")
    assert row["marks"]["record-doubtful"].startswith("messages[4].")


def test_a_verdict_inside_the_metadata_of_a_message_excludes_its_answer(tmp_path, read_rows):
    (row,) = read_rows(tmp_path, [{"messages": build_chat({"metadata": {"is_correct": False}})}])
    assert row["turns"][1] == {"role": "assistant", "content": "부산", "learned": False}


def test_a_refusal_without_content_is_the_answer(tmp_path, read_rows):
    chat = [build_chat({})[0], {"role": "assistant", "content": None, "refusal": "답할 수 없습니다."}]
    assert read_rows(tmp_path, [{"messages": chat}])[0]["output"] == "답할 수 없습니다."


def test_values_that_are_no_known_verdict_are_listed_with_their_numbers(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = [{**ALPACA, "is_gold": False, "등급": grade, "machine_translated": True} for grade in "AAC"]
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), "utf-8")
    tally = Tally()
    list(
        iter_file_rows(
            path, "a", format="auto", columns=None, table=None, name="a", max_field_characters=1000, tally=tally
        )
    )
    (line,) = list_ignored_verdicts(tally.ignored_keys)
    assert "is_gold (false: 3), 등급 (A: 2, C: 1)" in line
