"""`seodang generate` with each kind of recipe and a teacher on a loopback port that reads its prompts."""

import json

import pytest
import yaml
from tests.fixtures.recipes import LIMITS, SETTINGS, TEACHER
from tests.synthesis.teacher_server import Answer, TeacherServer, build_handler

from seodang.cli.main import main
from seodang.synthesis import dispatcher

TASKS = [
    {"instruction": "Name a fruit that is red.", "choices": "", "input": "", "output": "A cherry is red."},
    {"instruction": "Is the guest content or angry?", "choices": "content | angry", "input": "Never again!", "output": "angry"},
]  # fmt: skip


@pytest.fixture
def generate(tmp_path, run_handler, monkeypatch):
    """Runs a recipe with a teacher that answers as a function of the request says."""
    monkeypatch.setattr(dispatcher, "_BACKOFF_SECONDS", 0.01)
    monkeypatch.chdir(tmp_path)
    server = TeacherServer()

    with run_handler(build_handler(server)) as port:

        def generate(kind, script, *, structured=False, **changes):
            server.script = script
            recipe = {
                "output": "out",
                "seed": 7,
                "teacher": {**TEACHER, "url": f"http://127.0.0.1:{port}/v1", "structured_output": structured},
                "limits": LIMITS,
                "budget": {"tokens": 1_000_000, "money": None},
                "prices": None,
                "recipe": {"kind": kind, **SETTINGS[kind], **changes},
            }
            (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe), "utf-8")
            return main(["generate", "recipe.yaml"])

        yield generate


def read_rows(folder):
    return [json.loads(line) for line in (folder / "out/records.jsonl").read_text("utf-8").splitlines()]


def test_self_instruct_asks_for_json_says_how_new_the_tasks_are_and_writes_a_page(generate, tmp_path, capsys):
    formats = []

    def script(body, _attempt):
        formats.append(body["response_format"]["type"])
        return Answer(text=json.dumps({"tasks": TASKS}))

    assert generate("self-instruct", script, structured=True, language="en", min_words=4) == 0
    assert formats == ["json_schema"] * 4
    assert [row["instruction"] for row in read_rows(tmp_path)] == [task["instruction"] for task in TASKS]
    output = capsys.readouterr().out
    assert "rejected 6 (not_novel 6)" in output
    assert "new tasks 2 of 8 (ROUGE-L below 0.7)" in output
    assert "open in a browser: out/index.html" in output
    assert "Root verbs" in (tmp_path / "out/index.html").read_text("utf-8")
    assert (
        json.loads((tmp_path / "out/diversity.json").read_text("utf-8"))["languages"]["en"]["generated"]["pairs"] == 2
    )


def test_preference_asks_for_two_answers_and_a_verdict_in_both_orders(generate, tmp_path):
    rows = [{"instruction": "물의 끓는점을 알려 주세요."}, {"instruction": "얼음의 녹는점을 알려 주세요."}]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")

    def script(body, _attempt):
        content = body["messages"][-1]["content"]
        if len(body["messages"]) == 1:
            return Answer(text=["섭씨로 정확히 답합니다.", "몰라요."][body["seed"] % 2])
        # The judge is sure about water, and prefers the first answer about ice.
        first_is_good = content.index("섭씨로") < content.index("몰라요")
        return Answer(text="[[A]]" if "얼음" in content or first_is_good else "[[B]]")

    assert generate("preference", script) == 0
    (row,) = read_rows(tmp_path)
    assert (row["instruction"], row["chosen"], row["rejected"]) == (
        "물의 끓는점을 알려 주세요.",
        "섭씨로 정확히 답합니다.",
        "몰라요.",
    )
    rejected = [json.loads(line) for line in (tmp_path / "out/rejected.jsonl").read_text("utf-8").splitlines()]
    assert [(line["reason"], len(line["calls"])) for line in rejected] == [("orders_disagree", 4)]
