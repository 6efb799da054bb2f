"""The template environment: messages in both languages, and escaped values."""

import pytest

from seodang.html import create_environment, format_percent, format_size, join_languages, mark_up, translate_markdown
from seodang.i18n import Message

HOSTILE = "<b>|@x"


@pytest.fixture
def render(tmp_path):
    def render(template, **values):
        (tmp_path / "page.j2").write_text(template, "utf-8")
        return create_environment(tmp_path, autoescape=True).get_template("page.j2").render(values)

    return render


def test_a_message_is_in_the_page_in_both_languages():
    assert mark_up("source") == '<span lang="en">source</span><span lang="ko">소스</span>'


def test_values_are_escaped_and_messages_among_them_are_translated():
    html = mark_up("{name}: {text}", name=Message("source"), text=HOSTILE)
    escaped = "&lt;b&gt;|@x"
    assert html == f'<span lang="en">source: {escaped}</span><span lang="ko">소스: {escaped}</span>'


def test_a_message_without_values_may_hold_braces():
    assert '<span lang="en">{x}</span>' in mark_up("{x}")


def test_a_message_object_brings_its_values():
    html = mark_up(Message("others ({count:,})", {"count": 1200}))
    assert html == '<span lang="en">others (1,200)</span><span lang="ko">기타 (1,200개)</span>'


def test_a_title_has_both_languages_and_an_untranslated_text_once():
    assert join_languages("source") == "source · 소스"
    assert join_languages("MinHash") == "MinHash"


def test_markdown_is_in_one_language_with_escaped_values():
    assert translate_markdown("ko", "source") == "소스"
    assert translate_markdown("en", "{text}", text=HOSTILE) == "&#60;b&#62;&#124;&#64;x"


def test_svg_texts_use_tspan_elements(render):
    assert render('{{ _svg("source") }}') == '<tspan lang="en">source</tspan><tspan lang="ko">소스</tspan>'


def test_the_switch_selects_the_language_of_the_terminal(render):
    page = render('{% from "language.j2" import switch %}{{ switch("ko") }}')
    assert 'id="language-ko" checked' in page
    assert 'id="language-en">' in page


def test_numbers_are_readable():
    assert [format_size(number) for number in (12, 1234, 5_600_000)] == ["12 B", "1.2 kB", "5.6 MB"]
    assert [format_percent(1, 3), format_percent(1, 0)] == ["33.3%", "–"]
