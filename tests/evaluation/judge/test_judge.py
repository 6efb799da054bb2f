"""The judge: requests in both orders, the last mark of a reply, the log of replies, and score files for the gate."""

import json
import re

import pytest

from seodang.cli.main import main
from seodang.evaluation.judge.prompt import ModelAnswer, build_messages, combine_verdicts, parse_verdict


@pytest.fixture
def judge(judge_server):
    """Yield the address of a judge that prefers the longer answer, its requests, and statuses that it returns first."""
    return judge_server.url, judge_server.received, judge_server.failures


def write_answers(path, texts):
    rows = [
        {"task": "demo", "item": number, "language": "ko", "prompt": f"질문 {number}", "answer": text}
        for number, text in enumerate(texts)
    ]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def build_arguments(tmp_path, url, candidate, champion):
    files = [
        str(write_answers(tmp_path / f"{name}.answers", texts))
        for name, texts in (("candidate", candidate), ("champion", champion))
    ]
    return [
        "judge",
        "--candidate",
        files[0],
        "--champion",
        files[1],
        "--out",
        str(tmp_path / "out"),
        "--endpoint",
        url,
        "--model",
        "judge-1",
    ]


def test_every_item_is_judged_in_both_orders_and_the_gate_reads_the_score_files(tmp_path, judge, capsys, monkeypatch):
    url, received, _ = judge
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    assert main(build_arguments(tmp_path, url, ["길고 자세한 답"] * 25 + ["짧음"] * 3, ["짧음"] * 28)) == 0
    printed = capsys.readouterr().out
    assert "won 25, tied 3, lost 0" in printed
    assert "win rate 0.95" in printed
    assert len(received) == 56
    path, key, body = received[0]
    assert (path, key, body["model"], body["temperature"]) == ("/v1/chat/completions", "Bearer secret", "judge-1", 0)
    rows = [json.loads(line) for line in (tmp_path / "out" / "judged.jsonl").read_text("utf-8").splitlines()[1:]]
    assert {row["order"] for row in rows} == {"candidate_first", "champion_first"}
    assert all(row["asked"] and "[[" in row["reply"] for row in rows)
    assert (
        main(
            [
                "gate",
                *(
                    part
                    for name in ("candidate", "champion")
                    for part in (f"--{name}", str(tmp_path / "out" / f"{name}.jsonl"))
                ),
            ]
        )
        == 0
    )


def test_saved_replies_are_not_requested_again_and_a_busy_judge_is_retried(tmp_path, judge, capsys):
    url, received, refusals = judge
    refusals += [429, 503]
    command = build_arguments(tmp_path, url, ["하나", "둘"], ["셋", "넷"])
    assert main(command) == 0
    assert len(received) == 6
    assert main(command) == 0
    assert len(received) == 6
    refusals += [500] * 5
    assert main(build_arguments(tmp_path, url, ["하나!", "둘"], ["셋", "넷"])) == 75
    assert "its replies so far are saved" in capsys.readouterr().err


def test_a_refusal_and_a_judge_without_verdicts_are_errors(tmp_path, judge, capsys):
    url, _, refusals = judge
    refusals.append(401)
    assert main(build_arguments(tmp_path, url, ["하나"], ["둘"])) == 2
    assert "the judge refuses the request (HTTP 401)" in capsys.readouterr().err
    assert main(build_arguments(tmp_path, url, ["mute"], ["mute"])) == 2
    assert "no reply of the judge ends with a verdict" in capsys.readouterr().err


def test_items_without_a_verdict_are_in_neither_file(tmp_path, judge, capsys):
    url, _, _ = judge
    assert main(build_arguments(tmp_path, url, ["긴 답변", "mute"], ["짧", "mute"])) == 0
    assert "replies without a verdict: 1 (demo/1)" in capsys.readouterr().out
    assert [
        len((tmp_path / "out" / f"{name}.jsonl").read_text("utf-8").splitlines()) for name in ("candidate", "champion")
    ] == [1, 1]


def test_answers_to_other_prompts_and_lines_with_errors_are_refused(tmp_path, judge, capsys):
    url, received, _ = judge
    assert main(build_arguments(tmp_path, url, ["하나"], ["둘", "셋"])) == 2
    assert "the two files must answer the same prompts, but 1 item differs (demo/1)" in capsys.readouterr().err
    command = build_arguments(tmp_path, url, ["하나"], ["둘"])
    (tmp_path / "champion.answers").write_text('{"task": "demo"}\n{\n', "utf-8")
    assert main(command) == 2
    error = capsys.readouterr().err
    assert "line 1: item, language, prompt, answer must be present" in error
    assert "line 2: is not JSON" in error
    assert not received


def test_the_last_mark_counts_and_is_turned_with_the_order():
    assert parse_verdict("[[A]]... no, [[B]]", "candidate_first") == 0.0
    assert parse_verdict("[[ B ]]", "champion_first") == 1.0
    assert parse_verdict("[[C]]", "champion_first") == 0.5
    assert parse_verdict("A is better", "candidate_first") is None


def test_a_judge_that_always_prefers_the_same_position_results_in_a_tie():
    assert (
        combine_verdicts([parse_verdict("[[A]]", "candidate_first"), parse_verdict("[[A]]", "champion_first")]) == 0.5
    )
    assert combine_verdicts([1.0, None]) is None


def test_the_order_decides_which_answer_comes_first():
    one, other = (
        ModelAnswer(task="t", item="1", language="ko", prompt="질문", answer=text, reference="정답")
        for text in ("후보의 답", "챔피언의 답")
    )
    first, second = (build_messages(one, other, order)[1]["content"] for order in ("candidate_first", "champion_first"))
    assert first.index("후보의 답") < first.index("챔피언의 답")
    assert second.index("챔피언의 답") < second.index("후보의 답")
    assert re.search(r"<<<REFERENCE \w{8}>>>\n정답", first)


def test_turns_of_one_question_are_one_group_for_the_gate(tmp_path, judge, capsys):
    url, _, _ = judge
    rows = [
        {"id": number, "category": "c", "questions": ["질문", "더?"], "references": [None, None]}
        for number in range(25)
    ]
    command = build_arguments(tmp_path, url, [], [])
    for name, texts in (("candidate", ["긴 답변", "더 긴 답변"]), ("champion", ["짧", "짧"])):
        lines = (json.dumps({**row, "outputs": texts}, ensure_ascii=False) + "\n" for row in rows)
        (tmp_path / f"{name}.answers").write_text("".join(lines), "utf-8")
    assert main(command) == 0
    scores = [json.loads(line) for line in (tmp_path / "out" / "candidate.jsonl").read_text("utf-8").splitlines()]
    assert {row["group"] for row in scores} == {f"logickor/{number}" for number in range(25)}
    files = [f"--{name}={tmp_path / 'out' / name}.jsonl" for name in ("candidate", "champion")]
    capsys.readouterr()
    assert main(["gate", *files, "--json"]) == 0
    assert "50 items in 25 independent groups" in json.loads(capsys.readouterr().out)["reasons"][0]["en"]
