"""Self-instruct with a scripted teacher: what is kept, and the reason of everything else."""

from __future__ import annotations

import json

import pytest
from tests.fixtures.recipes import give_outcome

from seodang.errors import SourceError
from seodang.synthesis.recipes import build_recipe


def write_list(*tasks, first=4):
    lines = []
    for number, (instruction, choices, input, output) in enumerate(tasks, start=first):
        lines += ["###", f"{number}. 지시문: {instruction}", f"{number}. 선택지: {choices}", f"{number}. 입력:", input]
        lines += [f"{number}. 답:", output]
    return "\n".join([*lines, "###"])


NEW = [
    (
        "별자리 하나를 골라 그 유래를 짧게 들려주세요.",
        "<없음>",
        "<없음>",
        "거문고자리는 오르페우스의 악기에서 왔습니다.",
    ),
    ("손님의 말이 칭찬인지 불만인지 고르세요.", "칭찬 | 불만", "친절하게 맞아 주셨어요.", "칭찬"),
]
BAD = [
    ("별자리 하나를 골라서 그 유래를 짧게 들려주세요.", "<없음>", "<없음>", "다시 씁니다."),
    ("아래 사진을 보고 무엇이 보이는지 쓰세요.", "<없음>", "<없음>", "나무입니다."),
    ("손님 문의가 배송인지 환불인지 나누세요.", "배송 | 환불", "언제 오나요?", "교환"),
    ("- 세 가지를 나열하세요.", "<없음>", "<없음>", "하나, 둘, 셋"),
    ("요약하세요.", "<없음>", "긴 글", "짧은 글"),
    ("물의 끓는점을 정확히 알려 주세요.", "<없음>", "<없음>", "죄송하지만 그 요청은 도와드릴 수 없습니다."),
]


def test_new_tasks_are_kept_and_each_other_one_has_its_reason(run_recipe):
    generated = run_recipe("self-instruct", lambda _prompt, number: write_list(*NEW, *BAD) if number == 0 else None)
    assert [row.content["instruction"] for row in generated.rows] == [task[0] for task in NEW]
    assert generated.figures["rejected"] == {
        "not_novel": 1,
        "forbidden_word": 1,
        "answer_not_a_choice": 1,
        "starts_with_punctuation": 1,
        "too_short": 1,
        "refusal": 1,
    }
    not_novel = next(rejection for rejection in generated.rejections if rejection.reason == "not_novel")
    assert NEW[0][0] in not_novel.detail
    assert generated.figures["classification"] == 1
    assert generated.figures["tasks_parsed"] == 8
    assert generated.figures["novelty"]["judged"] == 3


def test_a_kept_task_carries_its_teacher_licence_prompt_and_date_and_ingest_knows_its_format(run_recipe):
    row = run_recipe("self-instruct", lambda _prompt, number: write_list(*NEW) if number == 0 else None).rows[1]
    provenance = row.content["provenance"]
    assert (provenance["teacher"], provenance["licence"]) == ("teacher-1-2026", "Apache-2.0")
    assert (provenance["recipe"], provenance["date"]) == ("self-instruct", "2026-11-30")
    assert len(provenance["prompt_sha256"]) == 64
    assert provenance["choices"] == ["칭찬", "불만"]
    assert list(row.content) == ["instruction", "input", "output", "provenance"]


def test_a_task_that_a_later_round_repeats_is_not_new(run_recipe):
    generated = run_recipe("self-instruct", lambda _prompt, _number: write_list(NEW[0]))
    assert len(generated.rows) == 1
    assert generated.figures["rejected"] == {"not_novel": 3}


def test_the_run_ends_when_enough_tasks_are_kept(run_recipe):
    prompts = []

    def teach(prompt, _number):
        prompts.append(prompt)
        return write_list(*NEW)

    run_recipe("self-instruct", teach, tasks=2)
    assert len(prompts) == 2  # one round
    assert prompts[0] != prompts[1]


def test_the_prompt_shows_three_seed_tasks_and_asks_for_seventeen_more(make_recipe_params, tmp_path):
    recipe = build_recipe(make_recipe_params("self-instruct"), tmp_path)
    prompt = recipe.name_calls()[0].messages[0].content
    assert "4번부터 20번까지" in prompt
    assert prompt.count("\n3. 지시문: ") == 1
    assert prompt.count("\n4. 지시문: …") == 1
    assert prompt.endswith("\n###")


def test_equal_settings_give_equal_calls_and_another_seed_others(make_recipe_params, tmp_path):
    params = make_recipe_params("self-instruct")
    other = params.model_copy(update={"seed": 8})
    keys = [[call.key for call in build_recipe(each, tmp_path).name_calls()] for each in (params, params, other)]
    assert keys[0] == keys[1]
    assert not {*keys[0]} & {*keys[2]}


def test_a_teacher_with_structured_output_is_asked_for_json_by_a_schema(run_recipe, make_recipe_params, tmp_path):
    call = build_recipe(make_recipe_params("self-instruct", structured=True), tmp_path).name_calls()[0]
    assert call.schema["properties"]["tasks"]["items"]["required"] == ["instruction", "choices", "input", "output"]
    tasks = [dict(zip(("instruction", "choices", "input", "output"), task, strict=True)) for task in NEW]
    reply = json.dumps({"tasks": tasks}, ensure_ascii=False)
    generated = run_recipe("self-instruct", lambda _prompt, number: reply if number == 0 else None, structured=True)
    assert [row.content["input"] for row in generated.rows] == ["", NEW[1][2]]


def test_what_a_teacher_refuses_breaks_or_does_not_finish_is_kept_with_its_reason(run_recipe):
    replies = ["refuse:no", "무슨 말인지 모르겠습니다.", (write_list(*NEW).removesuffix("\n###"), "length"), ""]
    generated = run_recipe("self-instruct", lambda _prompt, number: replies[number])
    assert generated.figures["rejected"] == {"refused": 1, "unparsable": 1, "cut": 1, "empty": 1}
    assert [row.content["instruction"] for row in generated.rows] == [NEW[0][0]]
    assert len({key for part in (*generated.rows, *generated.rejections) for key in part.keys}) == 4


def test_a_language_without_seed_tasks_is_refused_before_anything_is_asked(make_recipe_params, tmp_path):
    (tmp_path / "seeds.json").write_text('[{"instruction": "Say hello to me.", "output": "Hello!"}]', "utf-8")
    with pytest.raises(SourceError, match=r"seeds\.json: seed tasks with an answer in the language ko: 0"):
        build_recipe(make_recipe_params("self-instruct", seeds="seeds.json"), tmp_path)


def test_a_second_run_with_the_same_replies_asks_the_same_in_every_round(make_recipe_params, tmp_path):
    def collect_keys():
        recipe, keys, number = build_recipe(make_recipe_params("self-instruct"), tmp_path), [], 0
        while calls := recipe.name_calls():
            keys += [call.key for call in calls]
            recipe.take([give_outcome(call, write_list(NEW[(number + index) % 2])) for index, call in enumerate(calls)])
            number += len(calls)
        return keys, [row.content for row in recipe.finish().rows]

    assert collect_keys() == collect_keys()
    assert len(collect_keys()[0]) == 4
