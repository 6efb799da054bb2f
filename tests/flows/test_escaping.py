from html import escape

import pytest
from flows import escaping
from markdown_it import MarkdownIt


def test_a_line_is_logged_without_what_the_watching_terminal_takes_for_markup():
    assert escaping.escape_log_line("read [/data/a.json]  \n") == "read [ /data/a.json]"


def test_a_long_value_is_cut_and_a_long_list_says_its_length():
    assert escaping.shorten_value("1e-4") == "1e-4"
    assert escaping.shorten_value("x" * 121) == "x" * 120 + " …"
    assert escaping.shorten_value(list(range(99))).endswith(" … (99)")


@pytest.mark.parametrize(
    "text",
    [
        "<img src=x onerror=alert(1)>",
        "[click](javascript:alert(1))",
        "![pixel](https://tracker.invalid/a.png)",
        "https://phishing.invalid",
        "`code` **bold** _it_ ~~gone~~ \\\\",
        "# heading",
        "- item",
        "1. item",
        "name@example.org",
    ],
)
def test_text_from_data_is_shown_as_it_is(text):
    html = MarkdownIt("gfm-like", {"linkify": False}).render(escaping.escape_markdown(text))
    assert html == f"<p>{escape(text, quote=False)}</p>\n"
    assert not {"://", "@"} & {part for part in ("://", "@") if part in escaping.escape_markdown(text)}


def test_names_with_underscores_stay_readable():
    assert escaping.escape_markdown("blank_output") == "blank_output"


def test_cells_of_a_table_are_escaped_and_numbers_stay_numbers():
    rows = escaping.escape_rows([{"source": "<b>own</b> [x](https://a.invalid)", "rows": 3, "share": "-0.500"}])
    assert rows == [
        {"source": r"&lt;b&gt;own&lt;/b&gt; \[x\](https:&#47;&#47;a.invalid)", "rows": 3, "share": "-0.500"}
    ]
