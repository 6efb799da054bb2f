"""The numbered list of Alpaca: what is read from it, and that no reply breaks the parser."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seodang.records import normalize
from seodang.synthesis.numbered_list import parse_numbered_list, render_task
from seodang.synthesis.tasks import CHOICES, INPUT, INSTRUCTION, OUTPUT

FIELDS = (INSTRUCTION, CHOICES, INPUT, OUTPUT)
SHORT = (INSTRUCTION, INPUT, OUTPUT)
LETTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])
LINE = st.text(LETTERS, min_size=1, max_size=30).filter(lambda text: normalize(text) and "###" not in text)
BLOCK = st.lists(LINE, min_size=1, max_size=4).map("\n".join)


def parse(text, fields=SHORT, *, first=1, is_cut=False):
    return parse_numbered_list(text, fields, first=first, is_cut=is_cut)


def texts(parsed):
    return [tuple(task.texts.values()) for task in parsed.tasks]


def reasons(parsed):
    return [(part.reason, part.detail) for part in parsed.broken]


TWO = """###
4. Instruction: Name the capital.
4. Input:
France
4. Output:
Paris
###
5. Instruction: Say hello.
5. Input:
<noinput>
5. Output:
Hello!
###"""


@pytest.mark.parametrize(
    "text",
    [
        TWO,
        TWO.replace("\n", "\r\n"),
        TWO.removeprefix("###\n4. Instruction: "),
        "Here are the tasks:\n" + TWO + "\nI hope they help.",
        TWO.replace("###\n", ""),
        TWO.replace("4. Instruction:", "**4. Instruction:**").replace("5.", "5)"),
        TWO.replace("4. ", "- 4. ").replace("5. Instruction", "### 5. Instruction").replace("###\n", "\\###\n"),
        TWO.replace("\n", "\r"),
        TWO.replace("4.", "４．").replace("5.", "５）").replace(":", "："),
        f"Here it is:\n```text\n{TWO.removesuffix(chr(10) + '###')}\n```\nDone.",
    ],
    ids=[
        "as asked",
        "windows",
        "continued",
        "with remarks",
        "without separators",
        "markdown",
        "markdown lists",
        "old mac",
        "full width",
        "code block",
    ],
)
def test_the_tasks_of_a_reply_are_read_in_any_usual_form(text):
    parsed = parse(text, first=4)
    assert texts(parsed) == [("Name the capital.", "France", "Paris"), ("Say hello.", "", "Hello!")]
    assert [task.number for task in parsed.tasks] == [4, 5]
    assert not parsed.broken


def test_korean_headings_are_read_too():
    text = "1. 지시문: 감정을 고르세요.\n1. 선택지: 긍정 | 부정\n1. 입력:\n좋아요\n1. 답:\n긍정"
    assert texts(parse(text, FIELDS)) == [("감정을 고르세요.", "긍정 | 부정", "좋아요", "긍정")]


@pytest.mark.parametrize("number", [1, 4, 6])
def test_numbers_that_begin_anew_or_leave_one_out_do_not_put_a_task_into_the_answer_before(number):
    parsed = parse(TWO.replace("###\n", "").replace("5.", f"{number}."), first=4)
    assert texts(parsed) == [("Name the capital.", "France", "Paris"), ("Say hello.", "", "Hello!")]
    assert [task.number for task in parsed.tasks] == [4, number]


def test_korean_headings_in_separate_letters_are_headings():
    text = unicodedata.normalize("NFD", "1. 지시문: 인사하세요.\n1. 입력:\n<없음>\n1. 답:\n안녕하세요.")
    assert texts(parse(text)) == [("인사하세요.", "", "안녕하세요.")]


def test_a_task_without_its_beginning_is_kept_apart_and_does_not_disappear():
    parsed = parse(TWO.replace("5. Instruction: ", "다섯째: "), first=4)
    assert [task.number for task in parsed.tasks] == [4]
    assert reasons(parsed) == [("unparsable", "a task without its beginning")]
    assert "Hello!" in parsed.broken[0].raw


def test_a_code_block_of_an_answer_stays_complete_within_a_code_block_around_the_list():
    code = "```python\nprint(1)\n```"
    parsed = parse(f"```\n{TWO.replace('Paris', code).removesuffix('###')}```")
    assert [task.texts["output"] for task in parsed.tasks] == [code, "Hello!"]


def test_an_answer_may_hold_a_numbered_list_and_markdown_headings():
    answer = "### Steps\n1. Instruction: read.\n2. Input: none\n3. Output: done\n1. Output: again"
    assert texts(parse(f"{TWO[:-4]}\n{answer}", first=4))[1][2] == f"Hello!\n{answer}"


def test_the_last_task_of_a_cut_reply_is_dropped_as_in_alpaca_unless_a_separator_ends_it():
    cut = parse(TWO.removesuffix("\n###"), first=4, is_cut=True)
    assert len(cut.tasks) == 1
    assert reasons(cut) == [("cut", "task 5")]
    assert "Say hello." in cut.broken[0].raw
    assert len(parse(TWO, first=4, is_cut=True).tasks) == 2


def test_a_task_without_a_field_is_kept_apart_with_the_name_of_the_field():
    parsed = parse("1. Instruction: a\n1. Output:\nb\n###\n2. Instruction: c\n2. Input:\nd\n2. Output:\n \n###")
    assert not parsed.tasks
    assert reasons(parsed) == [("incomplete", "task 1 has no input, output"), ("incomplete", "task 2 has no output")]


@given(st.text(LETTERS | st.sampled_from("\n#"), max_size=300), st.booleans(), st.integers(1, 30))
def test_any_text_is_read_without_an_error(text, is_cut, first):
    parsed = parse(text, FIELDS, first=first, is_cut=is_cut)
    assert all(task.texts["instruction"] and task.texts["output"] for task in parsed.tasks)


@given(st.text(st.sampled_from("12.:# \nabInstructionOutput입력답"), max_size=400), st.booleans())
def test_a_text_of_headings_in_any_order_is_read_without_an_error(text, is_cut):
    parse(text, FIELDS, is_cut=is_cut)


@given(
    st.lists(st.tuples(LINE, LINE, st.just("") | BLOCK, BLOCK), min_size=1, max_size=4), st.sampled_from(["ko", "en"])
)
def test_a_rendered_list_is_read_as_it_was_written(rows, language):
    tasks = [dict(zip(("instruction", "choices", "input", "output"), row, strict=True)) for row in rows]
    text = "\n".join(render_task(FIELDS, number, task, language) for number, task in enumerate(tasks, start=1))
    expected = [
        (" ".join(normalize(a).split()), " ".join(normalize(b).split()), normalize(c), normalize(d))
        for a, b, c, d in rows
    ]
    assert texts(parse(text, FIELDS)) == expected
