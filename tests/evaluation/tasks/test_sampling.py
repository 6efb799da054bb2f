"""Which items are asked, with which exemplars, and how the texts are joined."""

from evaluation_cases import BAD, GOOD, spec, task_of

from seodang.evaluation.tasks.prompts import render_few_shot_prompt, split_context_and_continuation, truncate_at_stop
from seodang.evaluation.tasks.sampling import select_few_shot_examples, select_samples

SHOWN = {"few_shot_file": "shown.tsv"}


def rows(texts, label="1"):
    return [{"text": text, "label": label} for text in texts]


def test_items_are_chosen_by_hash_so_that_new_rows_move_few(tmp_path):
    some = spec(limit=20)
    first = task_of(some, [*rows(map(str, range(100))), BAD], folder=tmp_path).samples
    more = task_of(some, [*rows(map(str, range(110))), BAD], folder=tmp_path).samples
    assert len(first) == len(more) == 20
    assert len({item.id for item in first} & {item.id for item in more}) >= 15


def test_another_seed_chooses_others(tmp_path):
    items = task_of(spec(), [*rows(map(str, range(50))), BAD], folder=tmp_path).samples
    assert select_samples(items, seed=1, limit=10) == select_samples(items[::-1], seed=1, limit=10)
    assert select_samples(items, seed=1, limit=10) != select_samples(items, seed=2, limit=10)


def test_what_an_item_asks_is_never_an_exemplar(tmp_path):
    task = task_of(spec(data=SHOWN), [GOOD, BAD], rows(["좋다", " 좋 다 ", "새 글"]), folder=tmp_path)
    assert [item.prompt for item in task.few_shot_pool] == ["문장: 새 글\n감정:"]
    assert task.leak_count == 2


def test_nor_is_one_that_the_limit_left_out(tmp_path):
    task = task_of(spec(data=SHOWN, limit=1), [GOOD, BAD], [GOOD, BAD], folder=tmp_path)
    assert (len(task.samples), task.few_shot_pool) == (1, [])


def test_the_shelf_holds_each_exemplar_once(tmp_path):
    assert len(task_of(spec(data=SHOWN), [GOOD, BAD], rows(["글", "글"]), folder=tmp_path).few_shot_pool) == 1


def test_stratified_exemplars_take_each_option_in_turn(tmp_path):
    shelf = rows("가나다라마바사", "1") + rows(["아", "자"], "0")
    task = task_of(spec(data=SHOWN, stratified=True), [GOOD, BAD], shelf, folder=tmp_path)
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


def test_an_exemplar_is_its_prompt_with_its_answer_and_the_separator(tmp_path):
    task = task_of(spec(data=SHOWN), [GOOD, BAD], rows(["글"]), folder=tmp_path)
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
