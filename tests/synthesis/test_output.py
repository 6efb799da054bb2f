import json

import pytest
from tests.synthesis.scripted_recipe import ScriptedRecipe
from tests.synthesis.teacher_server import Answer

from seodang.synthesis.output import CallCounts, write_output
from seodang.synthesis.run import run_recipe


@pytest.fixture
def write(tmp_path, make_params):
    """Runs a recipe of six calls and writes its output; returns the counts."""

    def write(**changes):
        recipe, params = ScriptedRecipe(6), make_params(**changes)
        state = run_recipe(recipe, params, tmp_path, "", lambda progress: None)
        (tmp_path / "recipe.yaml").write_text("settings", "utf-8")
        return write_output(recipe.finish(), state, params, tmp_path, tmp_path / "recipe.yaml")

    return write


def script(body, attempt):
    answers = {
        1: Answer(text="nonsense"),
        2: Answer(text=None, refusal="no"),
        3: Answer(status=400),
        4: Answer(text="lost"),  # the recipe neither keeps nor rejects it
    }
    return answers.get(int(body["messages"][0]["content"][-1]), Answer())


def test_each_call_is_in_one_count_and_a_reply_that_the_recipe_drops_is_kept_as_rejected(
    teacher, write, tmp_path, read_jsonl
):
    teacher.script = script
    assert write() == CallCounts(asked=6, kept=2, rejected=3, failed=1, not_asked=0)
    rejected = {row["reason"]: row["text"] for row in read_jsonl(tmp_path / "rejected.jsonl")}
    assert rejected == {"unparsable": "no", "no_result": "lost", "bad_request": ""}
    assert len(read_jsonl(tmp_path / "rejected.jsonl")) == 4
    manifest = json.loads((tmp_path / "manifest.json").read_text("utf-8"))
    assert manifest["rows"] == {"kept": 2, "rejected": 3, "reasons": {"unparsable": 2, "no_result": 1}}
    assert manifest["replies"]["refusals"] == 1


def test_a_second_run_writes_the_same_records_and_rejections(teacher, write, tmp_path):
    teacher.script = script
    write()
    before = [(tmp_path / name).read_bytes() for name in ("records.jsonl", "rejected.jsonl")]
    write()
    assert [(tmp_path / name).read_bytes() for name in ("records.jsonl", "rejected.jsonl")] == before
    assert teacher.billed.total() == 5


def test_calls_beyond_the_budget_are_neither_asked_nor_failed(teacher, write):
    counts = write(budget={"tokens": 150}, limits={"concurrency": 1})
    assert counts.asked + counts.not_asked == 6
    assert counts.not_asked > 0
    assert counts.failed == 0
