"""`seodang generate` with the recipe `answer` and a real teacher on a loopback port."""

import json

import pytest
import yaml
from tests.synthesis.scripted_recipe import PARAMS
from tests.synthesis.teacher_server import Answer, TeacherServer, build_handler

from seodang.cli.main import main
from seodang.synthesis import dispatcher

PROMPTS = ["서당은 무엇을 하던 곳인가요?", "천자문은 어떤 책인가요?", "훈장은 누구인가요?", "회초리는 왜 있었나요?"]
ANSWERS = {
    "서당": "서당은 마을 아이들이 글을 배우던 곳입니다.",
    "천자문": "천자문은 한자 천 개로 쓴 글을 모은 책입니다.",
    "훈장": "훈장은 서당에서 아이들을 가르치던 선생님입니다.",
    "회초리": "회초리는 아이들을 훈육할 때 쓰던 나뭇가지입니다.",
}


def answer(body, _attempt):
    prompt = body["messages"][-1]["content"]
    return Answer(text=next(text for word, text in ANSWERS.items() if word in prompt))


@pytest.fixture
def teacher(run_handler, monkeypatch):
    monkeypatch.setattr(dispatcher, "_BACKOFF_SECONDS", 0.01)
    server = TeacherServer(script=answer)
    with run_handler(build_handler(server)) as port:
        server.url = f"http://127.0.0.1:{port}/v1"
        yield server


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "".join(json.dumps({"instruction": prompt}, ensure_ascii=False) + "\n" for prompt in PROMPTS)
    (tmp_path / "prompts.jsonl").write_text(rows, "utf-8")
    return tmp_path


@pytest.fixture
def generate(project, teacher):
    """Writes a recipe file and runs the command; a keyword such as budget={"tokens": 9} changes fields of a section."""

    def generate(*options, **changes):
        recipe = {**PARAMS, "teacher": {**PARAMS["teacher"], "url": teacher.url}}
        recipe |= {name: {**(recipe[name] or {}), **fields} for name, fields in changes.items()}
        (project / "recipe.yaml").write_text(yaml.safe_dump(recipe), "utf-8")
        return main(["generate", "recipe.yaml", *options])

    return generate


PRICES = {"currency": "KRW", "prompt": 200.0, "reply": 800.0}


def read_output(project, name):
    return json.loads((project / "generated" / "test" / name).read_text("utf-8"))


def read_rows(project, name="records.jsonl"):
    return [json.loads(line) for line in (project / "generated" / "test" / name).read_text("utf-8").splitlines()]


def test_a_run_writes_records_with_provenance_a_manifest_and_a_sum_that_adds_up(generate, project, capsys):
    assert generate(recipe={"max_tokens": 100}) == 0
    output = capsys.readouterr().out
    assert "calls asked 4 = kept 4 + rejected 0 + failed 0" in output
    assert [row["output"] for row in read_rows(project)] == list(ANSWERS.values())
    assert all(row["provenance"]["licence"] == "apache-2.0" for row in read_rows(project))
    manifest = read_output(project, "manifest.json")
    assert manifest["complete"] is True
    assert manifest["calls"] == {"asked": 4, "kept": 4, "rejected": 0, "failed": 0, "not_asked": 0}
    assert manifest["replies"]["models"] == ["scripted-teacher-1"]


def test_what_is_not_kept_is_in_a_file_with_its_reason_and_the_sum_still_adds_up(generate, project, teacher, capsys):
    def script(body, attempt):
        prompt = body["messages"][-1]["content"]
        if "천자문" in prompt:
            return Answer(text=None, refusal="도와드릴 수 없습니다.")
        return Answer(status=400, raw=b'{"error": {"message": "bad"}}') if "훈장" in prompt else answer(body, attempt)

    teacher.script = script
    assert generate(recipe={"max_tokens": 100}) == 0
    output = capsys.readouterr().out
    assert "calls asked 4 = kept 2 + rejected 1 + failed 1" in output
    assert "--retry-failed" in output
    rejected = {row["reason"]: row for row in read_rows(project, "rejected.jsonl")}
    assert rejected["bad_request"]["detail"] == "HTTP 400: bad"
    assert "훈장" in rejected["bad_request"]["prompt"]
    assert any(row["text"] == "도와드릴 수 없습니다." for row in rejected.values())
    teacher.script = answer
    assert generate("--retry-failed", recipe={"max_tokens": 100}) == 0
    assert "calls asked 4 = kept 3 + rejected 1 + failed 0" in capsys.readouterr().out


def test_nothing_kept_is_an_error_that_names_the_file_with_the_reasons(generate, project, teacher, capsys):
    teacher.script = lambda body, attempt: Answer(text="")
    assert generate() == 2
    assert "rejected.jsonl" in capsys.readouterr().err
    assert len(read_rows(project, "rejected.jsonl")) == 4


def test_a_budget_that_is_used_up_ends_with_its_own_exit_code_and_more_of_it_continues(
    generate, project, teacher, capsys
):
    assert generate(budget={"tokens": 255}, limits={"concurrency": 1}, recipe={"max_tokens": 100}) == 5
    output = capsys.readouterr().out
    assert "the budget is used up" in output
    assert read_output(project, "manifest.json")["complete"] is False
    paid = teacher.billed.total()
    assert 0 < paid == len(read_rows(project)) < 4
    assert teacher.billed_tokens <= 255
    assert generate(recipe={"max_tokens": 100}) == 0
    assert teacher.billed.total() == 4


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_plan_asks_nothing_and_fits_the_terminal_in_both_languages(generate, teacher, capsys, monkeypatch, language):
    from rich.cells import cell_len

    monkeypatch.setenv("SEODANG_LANG", language)
    assert generate("--plan", prices=PRICES, budget={"tokens": 300, "money": 0.5}) == 0
    output = capsys.readouterr().out
    assert teacher.bodies == []
    assert all(cell_len(line) <= 100 for line in output.splitlines())
    assert "\x1b" not in output
    assert ("종료 코드 5" if language == "ko" else "exit code 5") in output
    assert "KRW" in output


def test_a_plan_after_some_replies_counts_what_is_left_at_their_cost(generate, capsys):
    generate(budget={"tokens": 255}, limits={"concurrency": 1}, recipe={"max_tokens": 100})
    capsys.readouterr()
    generate("--plan", recipe={"max_tokens": 100}, prices=PRICES)
    output = capsys.readouterr().out
    assert "in the journal: " in output
    assert "spent so far" in output
    assert "as fast as the replies so far" in output


def test_the_key_comes_from_the_variable_and_without_it_nothing_is_asked(
    generate, teacher, project, capsys, monkeypatch
):
    monkeypatch.delenv("MY_TEACHER_KEY", raising=False)
    assert generate(teacher={"url": teacher.url, "key_env": "MY_TEACHER_KEY"}) == 2
    assert "export MY_TEACHER_KEY=" in capsys.readouterr().err
    assert teacher.bodies == []
    monkeypatch.setenv("MY_TEACHER_KEY", "sk-secret\n")
    assert generate(teacher={"url": teacher.url, "key_env": "MY_TEACHER_KEY"}, recipe={"max_tokens": 100}) == 0
    assert teacher.headers[0]["authorization"] == "Bearer sk-secret"
    written = [file for file in project.rglob("*") if file.is_file()]
    assert all(b"sk-secret" not in file.read_bytes() for file in written)


def test_a_key_that_no_header_can_hold_is_not_shown(generate, teacher, capsys, monkeypatch):
    monkeypatch.setenv("MY_TEACHER_KEY", "비밀")
    assert generate(teacher={"url": teacher.url, "key_env": "MY_TEACHER_KEY"}) == 2
    assert "비밀" not in (message := capsys.readouterr().err)
    assert "MY_TEACHER_KEY" in message


def test_a_recipe_file_with_errors_is_refused_before_anything_is_asked(generate, teacher, capsys):
    assert generate(limits={"concurrency": 0, "attempts": "two"}) == 2
    message = capsys.readouterr().err
    assert "limits.concurrency" in message
    assert "limits.attempts" in message
    assert teacher.bodies == []


def test_progress_is_a_file_for_a_flow(generate, project, monkeypatch):
    monkeypatch.setenv("SEODANG_PROGRESS_FILE", str(project / "progress.json"))
    generate(recipe={"max_tokens": 100})
    progress = json.loads((project / "progress.json").read_text("utf-8"))
    assert (progress["step"], progress["steps"]) == (4, 4)
    assert progress["text"].startswith("asked 4 of 4, failed 0")


def test_a_plain_run_prints_its_plan_before_the_first_call_and_warns_of_a_small_budget(generate, teacher, capsys):
    printed = []

    def script(body, attempt):
        printed.append(capsys.readouterr().out)
        return answer(body, attempt)

    teacher.script = script
    assert generate(budget={"tokens": 255}, limits={"concurrency": 1}, recipe={"max_tokens": 100}) == 5
    assert all(word in printed[0] for word in ("calls, at most", "tokens of prompts", "cost", "time", "exit code 5"))
    assert "\x1b" not in printed[0]
    assert "calls, at most" not in capsys.readouterr().out


def test_a_plan_with_retry_failed_counts_the_failed_calls_as_asked_again(generate, teacher, capsys):
    teacher.script = lambda body, attempt: (
        Answer(status=400) if "훈장" in body["messages"][-1]["content"] else answer(body, attempt)
    )
    assert generate(recipe={"max_tokens": 100}) == 0
    asked = len(teacher.bodies)
    capsys.readouterr()
    generate("--plan", recipe={"max_tokens": 100})
    assert "in the journal: 4" in capsys.readouterr().out
    generate("--plan", "--retry-failed", recipe={"max_tokens": 100})
    assert "in the journal: 3" in capsys.readouterr().out
    assert len(teacher.bodies) == asked


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_budget_that_the_teacher_exceeds_is_said_with_what_to_do(
    generate, teacher, project, capsys, caplog, monkeypatch, language
):
    monkeypatch.setenv("SEODANG_LANG", language)

    def script(body, attempt):
        reply = answer(body, attempt)
        reply.reply_tokens = 3000
        return reply

    teacher.script = script
    assert generate(budget={"tokens": 1000}, limits={"concurrency": 1}, recipe={"max_tokens": 100}) == 5
    shown = capsys.readouterr().out
    assert "recipe.max_tokens" not in shown  # it makes other calls, which are paid for anew
    assert ("reply 3,000 of 100" if language == "en" else "응답 100 중 3,000") in caplog.text
    assert ("is exceeded" if language == "en" else "넘었습니다") in shown
    manifest = read_output(project, "manifest.json")
    assert manifest["spent"]["is_budget_exceeded"] is True
    assert manifest["beyond_reserved"]["calls"] == 1
    assert manifest["beyond_reserved"]["used_tokens"] > 3000
