"""Rewriting quarantined rows: only a row that passes the rules is kept."""

from __future__ import annotations

import pytest

from seodang.errors import ArtifactError, SourceError
from seodang.ingest.fetch.files import LocalFile
from seodang.io.jsonl import read_rows, write_rows
from seodang.synthesis.recipes import build_recipe
from seodang.validation.check_files import CheckParams, CheckRequest, check

pytestmark = pytest.mark.usefixtures("fake_validator")

REFUSAL = "죄송하지만 그 요청은 도와드릴 수 없습니다."
ROWS = [
    {"instruction": "물의 끓는점을 알려 주세요.", "input": "", "output": REFUSAL},
    {"instruction": "아래 글을 요약하세요.", "input": "", "output": "아래 글을 요약하세요."},
    {"instruction": "인사말을 쓰세요.", "input": "", "output": "안녕하세요.", "status": "deleted"},
    {"messages": [{"role": "user", "content": "하나"}, {"role": "assistant", "content": "둘"}, {"role": "user", "content": "셋"}]},
]  # fmt: skip


def write_reply(instruction, input, output):
    return f"###\n1. 지시문: {instruction}\n1. 입력:\n{input or '<없음>'}\n1. 답:\n{output}\n###"


NEW = [
    write_reply("물의 끓는점을 알려 주세요.", "", "1기압에서 섭씨 100도입니다."),
    write_reply(
        "아래 글을 요약하세요.", "어제는 비가 와서 소풍을 미루고 집에서 책을 읽었다.", "비 때문에 소풍을 미뤘다."
    ),
]


@pytest.fixture
def quarantine(tmp_path):
    """Writes the quarantine of rows as `seodang check` does."""

    def write_quarantine(rows=ROWS):
        write_rows(tmp_path / "own.jsonl", rows)
        file = LocalFile(tmp_path / "own.jsonl", "own.jsonl", None)
        report = tmp_path / "report"
        request = CheckRequest(
            files=[file], errors=(), format="auto", columns=None, table=None, counter=None, report=report
        )
        check(request, CheckParams.load_default())
        (report / "quarantine.jsonl").rename(tmp_path / "quarantine.jsonl")
        return list(read_rows(tmp_path / "quarantine.jsonl"))

    return write_quarantine


def test_a_row_that_passes_the_rules_after_rewriting_is_kept_with_where_it_was(quarantine, run_recipe):
    assert [line["rules"][0]["id"] for line in quarantine()][:2] == ["refusal", "output-equals-instruction"]
    prompts = []

    def teach(prompt, number):
        prompts.append(prompt)
        return NEW[number]

    generated = run_recipe("rewrite", teach)
    assert [row.content["output"] for row in generated.rows] == [
        "1기압에서 섭씨 100도입니다.",
        "비 때문에 소풍을 미뤘다.",
    ]
    assert generated.rows[1].content["provenance"]["rewritten_for"] == ["output-equals-instruction"]
    assert generated.rows[1].content["provenance"]["rewritten_from"]["source_row"] == 1
    assert "거부된 이유:\n- " in prompts[0]
    assert REFUSAL in prompts[0]
    assert generated.figures["quarantined"] == 2
    assert sum(generated.figures["skipped"].values()) == 2
    assert generated.figures["skipped"]["record-rejected"] == 1


def test_a_row_that_breaks_its_rule_again_or_another_one_is_rejected(quarantine, run_recipe):
    quarantine()
    replies = [
        write_reply("물의 끓는점을 알려 주세요.", "", REFUSAL),
        write_reply("아래 글을 요약하세요.", "어제는 비가 와서 소풍을 미뤘다.", "{{이름}} 님은 소풍을 미뤘다."),
    ]
    generated = run_recipe("rewrite", lambda _prompt, number: replies[number])
    assert [(each.reason, each.detail.split(":")[0]) for each in generated.rejections] == [
        ("violates_again", "refusal"),
        ("violates_another_rule", "unfilled-placeholder"),
    ]


def test_a_preference_is_left_out_so_that_no_bad_answer_comes_back_as_one_to_learn(
    quarantine, make_recipe_params, tmp_path
):
    lines = quarantine(
        [
            {"prompt": "인사하세요.", "completion": "{{이름}} 님", "label": False},
            {"prompt": "물의 끓는점을 알려 주세요.", "completion": "{{이름}} 님, 섭씨 100도입니다.", "label": True},
        ]
    )
    assert [line["rules"][0]["id"] for line in lines] == ["unfilled-placeholder"] * 2
    quarantine([{"prompt": "인사하세요.", "chosen": "안녕하세요.", "rejected": " "}])
    with pytest.raises(SourceError, match="left out by reason: preference 1"):
        build_recipe(make_recipe_params("rewrite"), tmp_path)
    write_rows(tmp_path / "quarantine.jsonl", lines)
    with pytest.raises(SourceError, match="left out by reason: preference 2"):
        build_recipe(make_recipe_params("rewrite"), tmp_path)


def test_a_quarantine_without_a_row_that_can_be_rewritten_is_refused(quarantine, make_recipe_params, tmp_path):
    quarantine(ROWS[2:3])
    with pytest.raises(SourceError, match="left out by reason: record-rejected 1"):
        build_recipe(make_recipe_params("rewrite"), tmp_path)


def test_a_file_that_is_no_quarantine_is_refused_with_its_line(make_recipe_params, tmp_path):
    with pytest.raises(ArtifactError):
        build_recipe(make_recipe_params("rewrite"), tmp_path)
    for line in (ROWS[0], [1, 2], {"row": ROWS[0], "rules": ["refusal"]}, {"row": ROWS[0], "rules": [{"id": "x"}]}):
        write_rows(tmp_path / "quarantine.jsonl", [line])
        with pytest.raises(SourceError, match=r"quarantine\.jsonl, line 1: is no quarantined row"):
            build_recipe(make_recipe_params("rewrite"), tmp_path)
