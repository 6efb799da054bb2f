"""The command with the recipe `self-instruct`, killed at random points: the same records as without a kill."""

import copy
import hashlib
import json
import random
import subprocess
import sys
import time

import pytest
import yaml
from tests.constants import ROOT
from tests.synthesis.scripted_recipe import PARAMS
from tests.synthesis.teacher_server import Answer

pytestmark = pytest.mark.slow

RECIPE = {
    "kind": "self-instruct",
    "language": "ko",
    "seeds": "primer",
    "tasks": 1000,
    "max_calls": 12,
    "calls_per_round": 4,
    "tasks_per_call": 6,
    "examples_per_call": 3,
    "max_rouge_l": 0.7,
    "min_words": 3,
    "max_words": 150,
    "temperature": 1.0,
    "max_tokens": 300,
}
NOUNS = ["바다", "우주", "김치", "한글", "기차", "도서관", "시장", "등산", "음악", "축구", "날씨", "숲", "은행", "병원"]
FORMS = [
    "{noun}의 역사를 세 문장으로 쓰세요.",
    "처음 온 친구에게 {noun}을 소개하는 편지를 지어 주세요.",
    "아이가 {noun}을 무서워할 때 할 말을 골라 보세요.",
    "{noun}에 관한 속담이 뜻하는 바를 풀어 주세요.",
    "내일 {noun}에 가려면 무엇을 챙겨야 하나요?",
]


def teach(body, _attempt):
    """Continue the list with three tasks that depend on the prompt and its seed alone."""
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()
    lines = []
    for number in range(4, 7):
        noun = NOUNS[digest[number] % len(NOUNS)]
        form = FORMS[digest[number + 8] % len(FORMS)]
        lines += ["###", f"{number}. 지시문: {form.format(noun=noun)}", f"{number}. 선택지: <없음>"]
        lines += [f"{number}. 입력:", "<없음>", f"{number}. 답:", f"{noun}은 우리 곁에 오래 있었습니다."]
    return Answer(text="\n".join([*lines, "###"]))


@pytest.fixture
def start(tmp_path, teacher):
    """Starts the command with an output folder."""
    teacher.script = teach
    processes = []

    def start(output):
        recipe = copy.deepcopy(PARAMS) | {"output": output, "recipe": RECIPE}
        recipe["teacher"] |= {"url": teacher.url, "structured_output": False}
        file = tmp_path / f"{output}.yaml"
        file.write_text(yaml.safe_dump(recipe, allow_unicode=True), "utf-8")
        command = [sys.executable, "-m", "seodang", "generate", str(file)]
        environment = {"PYTHONPATH": f"{ROOT / 'src'}", "PATH": "/usr/bin:/bin", "SEODANG_LANG": "en"}
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_killed_run_of_rounds_ends_with_the_records_of_an_undisturbed_one(start, teacher, tmp_path):
    whole = start("whole")
    output, _ = whole.communicate(timeout=120)
    assert whole.returncode == 0, output
    asked = len(teacher.bodies)
    assert asked == RECIPE["max_calls"]
    teacher.delay, numbers = 0.05, random.Random(5)
    for _kill in range(2):
        process, point = start("killed"), len(teacher.bodies) + numbers.randint(1, 6)
        while len(teacher.bodies) < point and process.poll() is None:
            time.sleep(0.005)
        process.kill()
        process.wait()
    teacher.delay = 0.0
    last = start("killed")
    output, _ = last.communicate(timeout=120)
    assert last.returncode == 0, output
    before, after = ((tmp_path / name / "records.jsonl").read_text("utf-8") for name in ("whole", "killed"))
    assert before.count("\n") >= 4
    assert after == before
    assert len(teacher.billed) == asked  # both runs asked the same calls, and no other
