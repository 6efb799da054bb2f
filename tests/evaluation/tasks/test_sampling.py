"""Selection of items and few-shot examples, and how their texts are joined."""

from seodang.evaluation.tasks.prompts import render_few_shot_prompt, split_context_and_continuation, truncate_at_stop
from seodang.evaluation.tasks.sampling import select_few_shot_examples, select_samples

GOOD, BAD = {"text": "좋다", "label": "1"}, {"text": "나쁘다", "label": "0"}

FEW_SHOT = {"few_shot_file": "examples.tsv"}


def make_rows(texts, label="1"):
    return [{"text": text, "label": label} for text in texts]


def test_items_are_chosen_by_hash_so_that_new_rows_move_few(tmp_path, build_spec, build_task):
    limited = build_spec(limit=20)
    first = build_task(limited, [*make_rows(map(str, range(100))), BAD], folder=tmp_path).samples
    more = build_task(limited, [*make_rows(map(str, range(110))), BAD], folder=tmp_path).samples
    assert len(first) == len(more) == 20
    assert len({item.id for item in first} & {item.id for item in more}) >= 15


def test_another_seed_chooses_others(tmp_path, build_spec, build_task):
    items = build_task(build_spec(), [*make_rows(map(str, range(50))), BAD], folder=tmp_path).samples
    assert select_samples(items, seed=1, limit=10) == select_samples(items[::-1], seed=1, limit=10)
    assert select_samples(items, seed=1, limit=10) != select_samples(items, seed=2, limit=10)


def test_the_prompt_of_an_item_is_never_a_few_shot_example(tmp_path, build_spec, build_task):
    task = build_task(build_spec(data=FEW_SHOT), [GOOD, BAD], make_rows(["좋다", " 좋 다 ", "새 글"]), folder=tmp_path)
    assert [item.prompt for item in task.few_shot_pool] == ["문장: 새 글\n감정:"]
    assert task.leak_count == 2


def test_nor_is_one_that_the_limit_left_out(tmp_path, build_spec, build_task):
    task = build_task(build_spec(data=FEW_SHOT, limit=1), [GOOD, BAD], [GOOD, BAD], folder=tmp_path)
    assert (len(task.samples), task.few_shot_pool) == (1, [])


def test_the_pool_holds_each_few_shot_example_once(tmp_path, build_spec, build_task):
    assert (
        len(build_task(build_spec(data=FEW_SHOT), [GOOD, BAD], make_rows(["글", "글"]), folder=tmp_path).few_shot_pool)
        == 1
    )


def test_the_options_of_stratified_few_shot_examples_alternate(tmp_path, build_spec, build_task):
    pool = make_rows("가나다라마바사", "1") + make_rows(["아", "자"], "0")
    task = build_task(build_spec(data=FEW_SHOT, stratified=True), [GOOD, BAD], pool, folder=tmp_path)
    assert [item.reference for item in select_few_shot_examples(task, "ko", seed=1, shots=6)] == [
        "부정",
        "긍정",
        "부정",
        "긍정",
        "긍정",
        "긍정",
    ]
    assert select_few_shot_examples(task, "en", seed=1, shots=4) == []
    assert select_few_shot_examples(task, "ko", seed=1, shots=0) == []


def test_a_few_shot_example_is_its_prompt_with_its_answer_and_the_separator(tmp_path, build_spec, build_task):
    task = build_task(build_spec(data=FEW_SHOT), [GOOD, BAD], make_rows(["글"]), folder=tmp_path)
    item = next(item for item in task.samples if item.reference == "긍정")
    assert (
        render_few_shot_prompt(task.spec, item, task.few_shot_pool, "bare")
        == "문장: 글\n감정: 긍정\n\n문장: 좋다\n감정:"
    )
    assert render_few_shot_prompt(task.spec, item, [], "bare") == item.prompt


def test_blanks_at_the_end_of_the_prompt_move_to_the_answer():
    assert split_context_and_continuation("질문 답변: ", "예", " ") == ("질문 답변:", "  예")
    assert split_context_and_continuation("감정:", "긍정", " ") == ("감정:", " 긍정")


def test_an_answer_is_cut_before_the_first_text_that_ends_one():
    assert truncate_at_stop("\n서울\n\n문장: 다음", ["\n\n", "문장:"]) == "서울"
    assert truncate_at_stop(" 서울 ", []) == "서울"
